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

/// Binds one port on each of the addresses; at least one must succeed. The first failure is told in
/// the log at once. The error names the port.
Task<Result<Listeners>> bind_port(std::vector<std::string> addresses, int port, Patience patience);

/// The address that other hosts reach this one at: DAPR_HOST_IP, else that of the interface that
/// leads to the default route, else 127.0.0.1.
std::string host_address(const std::string& override_address);

/// A free port for sidecar-to-sidecar calls, the same one after each restart if it is free.
Result<std::unique_ptr<net::Listener>> bind_internal(const std::string& address, int port);

}  // namespace outrigger::runtime
