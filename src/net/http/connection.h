#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "base/scope.h"
#include "net/http/server.h"
#include "net/transport.h"

/// What the server's connections of both versions share. Private to this room.
namespace outrigger::net::http {

/// A response body waits in the transport up to this much before its source is held back.
inline constexpr std::size_t kSendHighWaterBytes = 256 * 1024;

/// A request that asked to go on in HTTP/2 (`Upgrade: h2c`), complete, and what came behind it.
struct Upgrade {
  Request request;
  std::string http2_settings;  ///< Decoded.
  std::string rest;
};

/// The protocol of a server connection once its version is known. Owned by its ServerConnection.
/// All callbacks run on the connection's loop.
class Protocol {
 public:
  virtual ~Protocol() = default;
  virtual void on_bytes(std::string_view bytes) = 0;
  virtual void on_end() = 0;
  /// The transport is closed: cancel what runs, call no more of it.
  virtual void on_closed() = 0;
  virtual void on_drained() = 0;
  /// Finish what runs and begin nothing new; call host.close() when done.
  virtual void drain() = 0;
  /// drain() tells the client in time, so that nothing it has sent is lost.
  [[nodiscard]] virtual bool says_goodbye() const noexcept = 0;
  /// Set once, after on_bytes(): this protocol is over, the connection goes on in HTTP/2.
  virtual std::optional<Upgrade> take_upgrade() { return std::nullopt; }
  /// No task of this protocol is running any more.
  [[nodiscard]] virtual bool quiet() const noexcept = 0;
  [[nodiscard]] virtual bool idle() const noexcept = 0;
};

/// What a protocol sees of its connection.
class Host {
 public:
  virtual Transport& transport() noexcept = 0;
  virtual RequestHandler& handler() noexcept = 0;
  virtual const ServerOptions& options() const noexcept = 0;
  [[nodiscard]] virtual bool draining() const noexcept = 0;
  /// Closes the transport, now or once all is sent; the connection is removed when it is quiet.
  virtual void close(bool send_rest) = 0;
  /// A task has ended: the connection may be removable.
  virtual void on_task_ended() = 0;

 protected:
  ~Host() = default;
};

std::unique_ptr<Protocol> make_http1_server(Host& host);
std::unique_ptr<Protocol> make_http2_server(Host& host, std::optional<Upgrade> upgrade = {});

/// Runs the handler; whatever it throws becomes a 500 and a line in the log.
Task<Response> handle_safely(RequestHandler& handler, Request request);

/// "Sun, 22 Nov 2026 15:30:55 GMT", made once a second.
std::string_view http_date();

}  // namespace outrigger::net::http
