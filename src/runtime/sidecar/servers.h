#pragma once

#include <memory>
#include <vector>

#include "base/scope.h"
#include "net/http/server.h"
#include "runtime/sidecar/ports.h"
#include "runtime/sidecar/worker.h"

namespace outrigger::runtime {

/// The listening ends of the sidecar: HTTP and gRPC API, public port, internal gRPC, metrics and
/// profile ports. Used on loop 0.
class Servers {
 public:
  Servers(Loops& loops, Shared& shared, Ports& ports);
  /// close() must have ended.
  ~Servers();

  Task<Result<>> open_metrics();
  /// Takes the internal port before components open connections, which could be given it as their
  /// own; if it is not free yet, open_internal() tries again.
  void reserve_internal();
  Task<Result<>> open_api(const std::vector<std::unique_ptr<Worker>>& workers);
  Task<Result<>> open_internal(const std::vector<std::unique_ptr<Worker>>& workers);
  /// Running requests may end, for so long. `farewell`: see net::Server::stop().
  Task<void> close(Duration grace, Duration farewell);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace outrigger::runtime
