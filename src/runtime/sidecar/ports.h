#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/scope.h"
#include "net/listener.h"

namespace outrigger::runtime {

using Listeners = std::vector<std::unique_ptr<net::Listener>>;

/// How long a port in use is tried again, for the process before may be ending: where upstream does
/// so, up to 10 s.
enum class Patience : std::uint8_t { none, as_upstream };

/// What this process listens on. It is kept from one life of the sidecar to the next, so that
/// nobody is refused in between: connections wait for the next life to accept them. Used by one
/// life at a time.
class Ports {
 public:
  /// As net::Listener's, or what the life before has listened on.
  Result<std::unique_ptr<net::Listener>> bind(const std::string& host, int port);
  Result<std::unique_ptr<net::Listener>> bind_unix(const std::string& path);
  /// A new life begins, which asks for the same ports in the same order. The one before may have
  /// ended before it had asked for all of them.
  void begin_life();
  /// Whether the life before has listened on this and it has not been asked for since.
  [[nodiscard]] bool keeps(const std::string& host, int port) const;
  /// It has asked for all of them: what it did not ask for is closed.
  void complete() { before_.clear(); }
  /// There will be no other life: sockets close with those who accept on them.
  void let_go();

 private:
  struct Kept {
    std::string name;  ///< As it was asked for.
    std::unique_ptr<net::Listener> listener;
  };
  template <class Open>
  Result<std::unique_ptr<net::Listener>> take(const std::string& name, Open open);

  std::vector<Kept> before_, now_;
};

/// Binds one port on each of the addresses; at least one must succeed. The first failure is told in
/// the log at once. The error names the port.
Task<Result<Listeners>> bind_port(Ports& ports, std::vector<std::string> addresses, int port,
                                  Patience patience);

/// The address that other hosts reach this one at: DAPR_HOST_IP, else that of the interface that
/// leads to the default route, else 127.0.0.1.
std::string host_address(const std::string& override_address);

}  // namespace outrigger::runtime
