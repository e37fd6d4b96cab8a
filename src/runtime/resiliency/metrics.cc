#include "runtime/resiliency/metrics.h"

namespace outrigger::runtime::resiliency {
namespace {

std::string_view to_string(Target::Policy policy) {
  switch (policy) {
    case Target::Policy::timeout: return "timeout";
    case Target::Policy::retry: return "retry";
    case Target::Policy::circuit_breaker: return "circuitbreaker";
    case Target::Policy::limit: return "limit";
    case Target::Policy::ejection: return "ejection";
  }
  return "";
}

constexpr std::string_view kStates[] = {"closed", "half-open", "open", "unknown"};

}  // namespace

Metrics::Metrics(telemetry::Registry& registry) {
  documents_ = registry.group({"name", "namespace"});
  loaded_ = registry.counter(documents_, "dapr_resiliency_loaded",
                             "Resiliency documents that were loaded.");
  operations_ =
      registry.group({"name", "policy", "namespace", "flow_direction", "target", "status"});
  executed_ = registry.counter(operations_, "dapr_resiliency_count",
                               "Operations that a resiliency policy was applied to.");
  activated_ = registry.counter(
      operations_, "dapr_resiliency_activations_total",
      "Operations in which a policy did something: after a failure, or as a breaker changed.");
  breaker_state_ =
      registry.gauge(operations_, "dapr_resiliency_cb_state",
                     "1 for the state, named by the label status, that the circuit breaker is in.");
}

void Metrics::loaded(const Target::Source& source) const {
  loaded_.at(documents_.find({source.name, source.name_space})).add();
}

telemetry::Labels Metrics::find(const Target& counted, std::string_view policy,
                                std::string_view status) const {
  std::string_view name, name_space;
  if (counted.source_ != nullptr) {
    name = counted.source_->name;
    name_space = counted.source_->name_space;
  }
  return operations_.find({name, policy, name_space, counted.flow_, counted.target_, status});
}

void Target::executed(Policy policy, std::string_view status) const {
  if (metrics_ == nullptr) return;
  const std::string_view name = to_string(policy);
  metrics_->executed_.at(metrics_->find(*this, name, status)).add();
  if (policy != Policy::circuit_breaker) return;
  for (const std::string_view state : kStates) {
    metrics_->breaker_state_.at(metrics_->find(*this, name, state)).set(state == status ? 1 : 0);
  }
}

void Target::activated(Policy policy, std::string_view status) const {
  if (metrics_ == nullptr) return;
  metrics_->activated_.at(metrics_->find(*this, to_string(policy), status)).add();
}

}  // namespace outrigger::runtime::resiliency
