#pragma once

#include <string_view>

#include "base/metrics/metrics.h"

namespace outrigger::runtime::actors {

/// The actor metrics of facts/metrics.tsv that are not placement's. One object for all loops;
/// any thread.
class ActorMetrics {
 public:
  explicit ActorMetrics(telemetry::Registry& registry);

  /// Those of one type, found once.
  struct OfType {
    telemetry::Counter deactivated, rebalanced;
    telemetry::Gauge pending_calls, timers;
    telemetry::Counter timers_fired[2], reminders_fired[2];  // Failed, succeeded.
  };
  [[nodiscard]] OfType of(std::string_view type) const;
  void deactivation_failed(std::string_view type) const;

  /// Of the stream to placement: an order ("lock", "update", "unlock") has come; this sidecar's
  /// report was written, or could not be (the name of the error's code).
  void placement_order(std::string_view operation) const;
  void reported_to_placement() const;
  void report_to_placement_failed(std::string_view reason) const;

 private:
  telemetry::Group by_type_, by_success_, by_reason_, by_operation_, by_report_failure_;
  telemetry::CounterFamily deactivated_, rebalanced_, timers_fired_, reminders_fired_, failed_;
  telemetry::CounterFamily orders_, reports_, reports_failed_;
  telemetry::GaugeFamily pending_, timers_;
};

}  // namespace outrigger::runtime::actors
