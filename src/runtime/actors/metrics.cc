#include "runtime/actors/metrics.h"

namespace outrigger::runtime::actors {

ActorMetrics::ActorMetrics(telemetry::Registry& registry)
    : by_type_(registry.group({"actor_type"})),
      by_success_(registry.group({"actor_type", "success"})),
      by_reason_(registry.group({"actor_type"})),
      by_operation_(registry.group({"actor_type", "operation"})),
      by_report_failure_(registry.group({"actor_type", "operation", "reason"})) {
  deactivated_ = registry.counter(by_type_, "dapr_runtime_actor_deactivated_total",
                                  "The number of the successful actor deactivation.");
  rebalanced_ = registry.counter(by_type_, "dapr_runtime_actor_rebalanced_total",
                                 "The number of the actor rebalance requests.");
  pending_ =
      registry.gauge(by_type_, "dapr_runtime_actor_pending_actor_calls",
                     "The number of pending actor calls waiting to acquire the per-actor lock.");
  timers_ =
      registry.gauge(by_type_, "dapr_runtime_actor_timers", "The number of actor timer requests.");
  timers_fired_ = registry.counter(by_success_, "dapr_runtime_actor_timers_fired_total",
                                   "The number of actor timers fired requests.");
  reminders_fired_ = registry.counter(by_success_, "dapr_runtime_actor_reminders_fired_total",
                                      "The number of actor reminders fired requests.");
  failed_ = registry.counter(by_reason_, "dapr_runtime_actor_deactivated_failed_total",
                             "The number of the failed actor deactivation.");
  orders_ = registry.counter(by_operation_, "dapr_runtime_actor_table_operation_recv_total",
                             "Orders of the placement service, by operation.");
  reports_ = registry.counter(by_operation_, "dapr_runtime_actor_status_report_total",
                              "Reports and answers written to the placement service.");
  reports_failed_ =
      registry.counter(by_report_failure_, "dapr_runtime_actor_status_report_fail_total",
                       "Streams to the placement service that ended before it had answered.");
}

ActorMetrics::OfType ActorMetrics::of(std::string_view type) const {
  const auto plain = by_type_.find({type});
  const auto failed = by_success_.find({type, "false"});
  const auto succeeded = by_success_.find({type, "true"});
  OfType of;
  of.deactivated = deactivated_.at(plain);
  of.rebalanced = rebalanced_.at(plain);
  of.pending_calls = pending_.at(plain);
  // Shown from the first call on, waiting or not.
  of.pending_calls.add(0);
  of.timers = timers_.at(plain);
  of.timers_fired[0] = timers_fired_.at(failed);
  of.timers_fired[1] = timers_fired_.at(succeeded);
  of.reminders_fired[0] = reminders_fired_.at(failed);
  of.reminders_fired[1] = reminders_fired_.at(succeeded);
  return of;
}

void ActorMetrics::deactivation_failed(std::string_view type) const {
  failed_.at(by_reason_.find({type})).add();
}

// Of no type in particular: upstream's label `actor_type` is empty in these.
void ActorMetrics::placement_order(std::string_view operation) const {
  orders_.at(by_operation_.find({"", operation})).add();
}

void ActorMetrics::reported_to_placement() const {
  reports_.at(by_operation_.find({"", "send"})).add();
}

void ActorMetrics::report_to_placement_failed(std::string_view reason) const {
  reports_failed_.at(by_report_failure_.find({"", "send", reason})).add();
}

}  // namespace outrigger::runtime::actors
