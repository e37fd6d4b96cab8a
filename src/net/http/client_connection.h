#pragma once

#include <memory>

#include "base/sync.h"
#include "net/http/client.h"
#include "net/message.h"
#include "net/transport.h"

/// What the client's connections share. Private to this room.
namespace outrigger::net::http {

/// One request in flight. The sender waits for `done` and owns the object together with the
/// connection; when the sender gives up it calls cancel().
class Call {
 public:
  virtual ~Call() = default;
  Completion<Response> done;
  /// No byte of the response had come when the connection broke: a stale connection, maybe.
  bool unanswered = true;
  /// The peer has not looked at the request and nothing of a streamed body is used up: it can be
  /// sent again as it is, whatever it does.
  bool unprocessed = false;
  virtual void cancel() = 0;
};

/// A client's end of a connection, after any TLS handshake.
class ClientConnection {
 public:
  /// What the pool is told. Calls come from the connection's callbacks.
  class Owner {
   public:
    /// HTTP/1.1: may take another request. HTTP/2: has no stream left.
    virtual void on_idle(ClientConnection& connection) = 0;
    /// Broken, closed or going away: gives no more requests to it. Destroys it later.
    virtual void on_gone(ClientConnection& connection) = 0;

   protected:
    ~Owner() = default;
  };
  virtual ~ClientConnection() = default;
  /// Sends. `request` stays usable for another attempt unless its body is a stream.
  virtual Result<std::shared_ptr<Call>> start(const Request& request) = 0;
  [[nodiscard]] virtual bool takes_requests() const noexcept = 0;
  /// Set once the peer has said how many requests it takes at a time, or the connection has failed;
  /// nullptr where the protocol knows no such word.
  virtual Completion<>* ready() noexcept { return nullptr; }
  [[nodiscard]] virtual std::size_t calls() const noexcept = 0;
  virtual void close() = 0;

  std::string endpoint_key;
  TimePoint idle_since;
  bool used_before = false;
  /// Not to be used for another request (Client::forget).
  bool forgotten = false;
};

std::shared_ptr<ClientConnection> make_http1_client(std::unique_ptr<Transport> transport,
                                                    ClientConnection::Owner& owner,
                                                    const ClientOptions& options);
std::shared_ptr<ClientConnection> make_http2_client(std::unique_ptr<Transport> transport,
                                                    ClientConnection::Owner& owner,
                                                    const ClientOptions& options);

}  // namespace outrigger::net::http
