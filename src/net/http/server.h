#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/loop.h"
#include "net/listener.h"
#include "net/message.h"

namespace outrigger::net {

class TlsContext;

/// What a server does with a request. One object per loop; calls overlap. The task is cancelled
/// when the client goes away. It may take the request's body stream with it and give another
/// connection's stream as its response: bytes then pass through without a task.
class RequestHandler {
 public:
  virtual ~RequestHandler() = default;
  virtual Task<Response> handle(Request request) = 0;
};

/// gRPC's keepalive rules for a server's HTTP/2 connections (facts/wire_notes.md, section 1).
/// A zero switches the rule off.
struct KeepAlive {
  Duration ping_after{};       ///< Ping when nothing has come for so long...
  Duration ping_timeout{};     ///< ...and close if that is not answered in time.
  Duration idle_max{};         ///< Say goodbye to a connection without streams.
  Duration client_ping_min{};  ///< Pings more often than this end in GOAWAY too_many_pings.
};

struct ServerOptions {
  /// Request line and headers in HTTP/1.1; upstream's read-buffer-size and Go's own 4096.
  std::size_t head_bytes_max = 8192;
  /// HTTP/2 header list. Its own number because upstream's gRPC limit is another one.
  std::size_t header_list_bytes_max = 64 * 1024;
  bool http1 = true;
  bool http2 = true;
  /// gRPC servers reset an oversized head, HTTP servers answer 431.
  bool grpc = false;
  std::uint32_t concurrent_streams_max = 1000;
  /// A request head must be complete so long after its first byte, which must come so long after
  /// the connection (and be behind any TLS handshake). Upstream: 10 s.
  Duration head_timeout = std::chrono::seconds(10);
  /// HTTP/2: who takes nothing of many large answers for so long is left, once there is no room for
  /// more of them.
  Duration unread_timeout = std::chrono::seconds(30);
  KeepAlive keep_alive;
  /// Serve TLS with this; nullptr: cleartext.
  std::shared_ptr<TlsContext> tls;
};

/// An HTTP/1.1 and HTTP/2 server on one port or several: it tells the versions apart by the
/// connection's first bytes (or ALPN), and spreads connections over the loops in turn.
/// Made and used on one thread that runs a loop of `loops`, or before they run.
class Server {
 public:
  /// `handlers` has one entry per loop; each must outlive the server.
  Server(Loops& loops, std::vector<RequestHandler*> handlers, ServerOptions options);
  /// stop() must have ended, or the loops must have.
  ~Server();

  /// Begins to accept. Call on the loop that shall accept (or before it runs: then it is posted).
  void listen(std::unique_ptr<Listener> listener);

  /// Closes the listeners, lets idle connections go, asks the others to end (Connection: close,
  /// GOAWAY), waits up to `grace` for the running requests and then cancels them.
  ///
  /// `farewell`: so long HTTP/1.1 connections that are idle, and those that have not said anything
  /// yet, may send one request more, which is served and answered with Connection: close. Their
  /// clients cannot be told otherwise, and a request that is on its way would be lost.
  Task<void> stop(Duration grace, Duration farewell = {});

  [[nodiscard]] std::size_t connections() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace outrigger::net
