#pragma once

#include <chrono>

#include "runtime/state/service.h"

/// What the parts of the service share.
namespace outrigger::runtime::state {

class Stopwatch {
 public:
  void record(const telemetry::OperationMetrics& metrics, bool success) const noexcept {
    metrics.record(success, std::chrono::steady_clock::now() - began_);
  }

 private:
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

/// Does nothing in a store without encryption.
Result<> encrypt_in_place(const OpenStore& store, components::state::SetRequest& request);

}  // namespace outrigger::runtime::state
