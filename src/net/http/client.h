#pragma once

#include <memory>
#include <string>

#include "base/loop.h"
#include "net/message.h"
#include "net/transport.h"

namespace outrigger::net {

class TlsContext;

/// Where a request goes and how.
struct Endpoint {
  enum class Protocol : std::uint8_t {
    http1,
    http2,     ///< Prior knowledge; with TLS, ALPN "h2".
    negotiate  ///< With TLS what ALPN says; without it HTTP/1.1.
  };
  Address address;
  Protocol protocol = Protocol::http1;
  std::shared_ptr<TlsContext> tls;  ///< nullptr: cleartext.
  std::string server_name;          ///< For TLS; empty: the address's host.

  /// Requests with equal keys share connections.
  [[nodiscard]] std::string key() const;
};

struct ClientOptions {
  Duration connect_timeout = std::chrono::seconds(30);
  /// An unused HTTP/1.1 connection is closed after this; HTTP/2 ones too, without streams.
  Duration idle_timeout = std::chrono::seconds(90);
  std::size_t idle_connections_max = 1024;  ///< Per endpoint, HTTP/1.1.
  std::size_t head_bytes_max = 1U << 20;    ///< Of a response.
  std::size_t header_list_bytes_max = 16U << 20;
  /// HTTP/2: ping when nothing was heard for so long while streams are open; zero: never.
  Duration ping_after{};
  Duration ping_timeout = std::chrono::seconds(20);
};

/// HTTP requests over pooled connections, on one loop. Cancelling a send() resets its stream (or
/// closes its HTTP/1.1 connection); a response stream that is closed early does the same.
class Client {
 public:
  explicit Client(ClientOptions options = {});
  /// close() must have ended.
  ~Client();

  /// The response, its body whole or a stream. An error is Code::unavailable if the request may
  /// never have been processed; a body given as a stream is then closed. What a peer refuses
  /// unprocessed (REFUSED_STREAM, above the last stream of a GOAWAY, nothing written) is sent again
  /// on another connection, twice at most; so is, once, what a stale connection swallowed, if it is
  /// harmless to do twice.
  Task<Result<Response>> send(Endpoint endpoint, Request request);

  /// Closes the idle connections to an endpoint; running requests go on, later ones connect anew.
  void forget(const Endpoint& endpoint);
  /// The same with all that were opened with these keys and this trust.
  void forget(const TlsContext& tls);
  /// Ends everything: running requests fail, and this returns once their send() has.
  Task<void> close();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace outrigger::net
