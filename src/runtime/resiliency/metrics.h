#pragma once

#include <string>
#include <string_view>

#include "base/metrics/metrics.h"

namespace outrigger::runtime::resiliency {

class Metrics;

/// What policies do to the calls of one target, counted under upstream's names. Made without
/// metrics it counts nothing.
class Target {
 public:
  /// The last two are ours.
  enum class Policy : std::uint8_t { timeout, retry, circuit_breaker, limit, ejection };

  Target() = default;
  /// `target`: "app_orders", "actor_Cart", "Statestore_mystore". `flow`: "inbound" or "outbound".
  Target(const Metrics* metrics, std::string target, std::string_view flow)
      : metrics_(metrics), target_(std::move(target)), flow_(flow) {}

  /// A policy is about to be applied to an operation. `status`: of a breaker.
  void executed(Policy policy, std::string_view status = {}) const;
  /// It has done something: a time-out ran off, an attempt is repeated, a breaker has changed.
  void activated(Policy policy, std::string_view status = {}) const;

 private:
  const Metrics* metrics_ = nullptr;
  std::string target_;
  std::string_view flow_;
};

/// dapr_resiliency_* (facts/metrics.tsv). Define it before the loops run.
class Metrics {
 public:
  explicit Metrics(telemetry::Registry& registry);
  /// A document was read. What is counted from now on bears its name, as upstream has it.
  void loaded(const std::string& name, const std::string& name_space);

 private:
  friend class Target;
  [[nodiscard]] telemetry::Labels find(std::string_view policy, std::string_view flow,
                                       std::string_view target, std::string_view status) const;

  telemetry::Group documents_, operations_;
  telemetry::CounterFamily loaded_, executed_, activated_;
  telemetry::GaugeFamily breaker_state_;
  std::string name_, name_space_;
};

}  // namespace outrigger::runtime::resiliency
