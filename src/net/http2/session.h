#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/http2/types.h"

namespace outrigger::net::http2 {

class Core;

/// One HTTP/2 connection without its socket, as server or client (RFC 9113, prior knowledge or
/// after ALPN). feed() it what was read; after each batch of feeds and calls, pull() what must be
/// written. Not thread-safe: one loop owns it. Never blocks, holds no timers.
///
/// When the socket ends, or once done() is true, call abandon(), then destroy it.
class Session {
 public:
  /// `handler` must outlive the session. Both queue their SETTINGS (and preface) for pull().
  static Session server(Handler& handler, const Settings& settings);
  static Session client(Handler& handler, const Settings& settings);
  /// Server, before the first feed(): the connection began with an HTTP/1.1 request that asked for
  /// `Upgrade: h2c` and has been answered with 101. `http2_settings` is that field, decoded (RFC
  /// 7540, section 3.2.1). The request, complete with its body, becomes stream 1: on_head, on_data
  /// and on_end come before this returns. Code::invalid_argument: the settings are malformed.
  Result<void> upgrade(std::string_view http2_settings, RequestHead head, std::string_view body);
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;
  ~Session();

  /// Takes all of `bytes`. An error is final: pull() what is left (a GOAWAY may be), then close. An
  /// offence of the peer that HTTP/2 answers with GOAWAY is no error here: done() tells when to
  /// close.
  Result<void> feed(std::string_view bytes);
  /// Appends frames until at least `bytes_max` bytes are there or nothing is left to send; returns
  /// how many. DATA goes from its source to `out` with one copy. It may exceed `bytes_max` by a
  /// frame.
  std::size_t pull(std::string& out, std::size_t bytes_max);
  [[nodiscard]] bool wants_write() const noexcept;
  /// Nothing is to be read or written any more: close the connection.
  [[nodiscard]] bool done() const noexcept;
  /// The connection is gone: reports on_closed(code) for every open stream. Afterwards every call
  /// is a harmless no-op or an error.
  void abandon(ErrorCode code);

  /// Client: sends a request. Header names are lower-cased, connection-specific fields (connection,
  /// keep-alive, transfer-encoding, upgrade, te but trailers) left out, `host` becomes the
  /// authority if that is empty and is left out otherwise. Waits inside while the peer's stream
  /// limit is reached. Code::invalid_argument: a field that HTTP cannot carry; Code::unavailable:
  /// this connection takes no more requests.
  Result<Stream*> request(RequestHead head, Body body);
  /// Server: the final response. As soon as it is sent while the request is not complete, the
  /// stream is reset with NO_ERROR. Code::invalid_argument as above, and then nothing was sent.
  Result<void> respond(Stream& stream, int status, Headers headers, Body body);
  /// Server: a 1xx response before the final one.
  Result<void> inform(Stream& stream, int status, const Headers& headers);
  /// The source of this stream has something again. Cheap and harmless if it was not waiting.
  void resume(Stream& stream);
  /// `bytes` of on_data have been used up: lets the peer send as many again. What has not been
  /// consumed when a stream closes is returned to the connection by itself.
  void consume(Stream& stream, std::size_t bytes);
  /// Ends the stream at once. The source is not used again; the only callback left is on_closed,
  /// from a later pull() (or feed()).
  void reset(Stream& stream, ErrorCode code);

  /// Server: announces the end without refusing anything yet (GOAWAY with the highest id). Follow
  /// with goaway() about one round trip later.
  void shutdown_notice();
  /// Takes no new streams; open ones run on. done() becomes true when they have ended.
  void goaway(ErrorCode code, std::string_view debug = {});
  /// Sends GOAWAY and nothing after it; done() becomes true once it is pulled.
  void terminate(ErrorCode code, std::string_view debug = {});
  /// The answer comes as on_ping_ack(opaque).
  void ping(std::uint64_t opaque);

  /// Streams whose on_closed is still to come (a client's waiting requests included).
  [[nodiscard]] std::size_t open_streams() const noexcept;
  /// Client: whether request() can succeed (no GOAWAY either way, stream ids left).
  [[nodiscard]] bool takes_requests() const noexcept;
  /// How many streams the peer allows at once; 100 until its SETTINGS have come.
  [[nodiscard]] std::uint32_t peer_concurrent_streams_max() const noexcept;
  /// Pings received, answers not included.
  [[nodiscard]] std::uint64_t pings_received() const noexcept;
  /// DATA payload that pull() has given out so far.
  [[nodiscard]] std::uint64_t data_sent() const noexcept;
  /// DATA payload of open streams that was delivered and not consumed yet.
  [[nodiscard]] std::size_t unconsumed_bytes() const noexcept;

 private:
  explicit Session(std::unique_ptr<Core> core);
  std::unique_ptr<Core> core_;
};

}  // namespace outrigger::net::http2
