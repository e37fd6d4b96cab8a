#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/metrics/metrics.h"

namespace outrigger::runtime::resiliency {

class Metrics;

/// What policies do to the calls of one target, counted under upstream's names. Made without
/// metrics it counts nothing.
class Target {
 public:
  /// A document.
  struct Source {
    std::string name, name_space;
  };
  /// The last two are ours.
  enum class Policy : std::uint8_t { timeout, retry, circuit_breaker, limit, ejection };

  Target() = default;
  /// `target`: "app_orders", "actor_Cart", "Statestore_mystore". `flow`: "inbound" or "outbound".
  /// `source`: the document that was read last, under whose name operations are counted, as
  /// upstream has it. nullptr: there is none.
  Target(const Metrics* metrics, std::shared_ptr<const Source> source, std::string target,
         std::string_view flow)
      : metrics_(metrics), source_(std::move(source)), target_(std::move(target)), flow_(flow) {}

  /// A policy is about to be applied to an operation. `status`: of a breaker.
  void executed(Policy policy, std::string_view status = {}) const;
  /// It has done something: a time-out ran off, an attempt is repeated, a breaker has changed.
  void activated(Policy policy, std::string_view status = {}) const;

 private:
  friend class Metrics;
  const Metrics* metrics_ = nullptr;
  std::shared_ptr<const Source> source_;
  std::string target_;
  std::string_view flow_;
};

/// dapr_resiliency_* (facts/metrics.tsv). Define it before the loops run.
class Metrics {
 public:
  explicit Metrics(telemetry::Registry& registry);
  /// A document was read.
  void loaded(const Target::Source& source) const;

 private:
  friend class Target;
  [[nodiscard]] telemetry::Labels find(const Target& counted, std::string_view policy,
                                       std::string_view status) const;

  telemetry::Group documents_, operations_;
  telemetry::CounterFamily loaded_, executed_, activated_;
  telemetry::GaugeFamily breaker_state_;
};

}  // namespace outrigger::runtime::resiliency
