#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/scope.h"
#include "net/listener.h"

namespace outrigger::runtime {

/// Binds one port on each of the addresses; at least one must succeed. A port in use is tried again
/// for a while, as upstream does: the process before may be ending. The error names the port.
Task<Result<std::vector<std::unique_ptr<net::Listener>>>> bind_port(
    std::vector<std::string> addresses, int port);

/// The address that other hosts reach this one at: DAPR_HOST_IP, else that of the interface that
/// leads to the default route, else 127.0.0.1.
std::string host_address(const std::string& override_address);

/// A free port for sidecar-to-sidecar calls, the same one after each restart if it is free.
std::unique_ptr<net::Listener> bind_internal(const std::string& address, int port);

}  // namespace outrigger::runtime
