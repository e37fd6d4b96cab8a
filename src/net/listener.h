#pragma once

#include <functional>
#include <memory>

#include "net/transport.h"

namespace outrigger::net {

/// A bound and listening socket. Made anywhere; accepts on the loop that calls start(). It does
/// not set SO_REUSEPORT, which would let two processes share a port in silence: a port in use is
/// an error.
class Listener {
 public:
  /// `host` empty: every address, IPv6 and IPv4. `port` 0: any free one, see port().
  /// The error names the address and says why.
  static Result<std::unique_ptr<Listener>> bind(const std::string& host, std::uint16_t port);
  /// A Unix socket; a file left over by a dead process is replaced.
  static Result<std::unique_ptr<Listener>> bind_unix(const std::string& path);

  ~Listener();
  /// Another one on the same socket, which is open until both have closed: connections that nobody
  /// accepts meanwhile wait in the kernel (1,024 of them) instead of being refused. Anywhere, until
  /// close().
  [[nodiscard]] std::unique_ptr<Listener> again() const;
  /// Calls `accepted` with each new connection's socket (non-blocking, owned by the callee).
  void start(std::move_only_function<void(int fd, Peer peer)> accepted);
  /// Accepts no more; on the loop of start().
  void close() noexcept;
  [[nodiscard]] std::uint16_t port() const noexcept;
  /// "127.0.0.1:3500" or the socket's path.
  [[nodiscard]] const std::string& name() const noexcept;

 private:
  struct Impl;
  explicit Listener(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace outrigger::net
