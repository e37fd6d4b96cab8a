#include <utility>

#include "runtime/telemetry/runtime_metrics.h"

namespace outrigger::telemetry {
namespace {

double milliseconds(Elapsed elapsed) noexcept {
  return std::chrono::duration<double, std::milli>(elapsed).count();
}

}  // namespace

ComponentMetrics::ComponentMetrics(Registry& registry, const MetricsOptions& options)
    : namespace_(options.own_namespace) {
  const std::vector<std::string> plain = {"component", "namespace", "success"};
  const std::vector<std::string> operation = {"component", "namespace", "operation", "success"};
  const std::vector<std::string> topic = {"component", "namespace", "success", "topic"};
  const std::vector<std::string> process = {"component", "namespace", "process_status", "topic"};
  std::vector<std::string> process_and_status = process;
  process_and_status.emplace_back("status");
  state_ = define(registry, options, "state", operation, "State store operations");
  configuration_ =
      define(registry, options, "configuration", operation, "Configuration store operations");
  secret_ = define(registry, options, "secret", operation, "Secret store operations");
  crypto_ = define(registry, options, "crypto", operation, "Crypto operations");
  conversation_ = define(registry, options, "conversation", plain, "Conversations");
  input_ = define(registry, options, "input_binding", plain, "Events of input bindings");
  output_ = define(registry, options, "output_binding", operation, "Output binding operations");
  publish_ = define(registry, options, "pubsub_egress", topic, "Messages published");
  bulk_publish_ = define(registry, options, "pubsub_egress_bulk", topic, "Bulk publish calls");
  message_ = define(registry, options, "pubsub_ingress", process_and_status, "Messages received");
  bulk_message_ =
      define(registry, options, "pubsub_ingress_bulk", process, "Bulk subscribe deliveries");
  bulk_entries_ =
      registry.counter(bulk_message_.group, "dapr_component_pubsub_ingress_bulk_event_count",
                       "Messages received in bulk.");
  job_result_ = registry.group({"namespace", "operation", "success"});
  job_latency_ = registry.histogram(job_result_, "dapr_component_job_latencies",
                                    "Time the application took for a job.", options.latency_bounds);
  job_count_ = registry.group({"namespace", "operation"});
  job_success_ = registry.counter(job_count_, "dapr_component_job_success_count",
                                  "Jobs the application accepted.");
  job_failure_ = registry.counter(job_count_, "dapr_component_job_failure_count",
                                  "Jobs the application failed.");
}

ComponentMetrics::Pair ComponentMetrics::define(Registry& registry, const MetricsOptions& options,
                                                std::string_view name,
                                                std::vector<std::string> labels,
                                                std::string_view what) {
  const std::string prefix = "dapr_component_" + std::string(name);
  Pair pair{.group = registry.group(std::move(labels))};
  pair.count = registry.counter(pair.group, prefix + "_count", std::string(what) + ".");
  pair.latency = registry.histogram(pair.group, prefix + "_latencies",
                                    std::string(what) + ": time taken.", options.latency_bounds);
  return pair;
}

OperationMetrics ComponentMetrics::with_operation(const Pair& pair, std::string_view component,
                                                  std::string_view operation) const {
  OperationMetrics metrics;
  for (const bool success : {false, true}) {
    const auto labels =
        pair.group.find({component, namespace_, operation, success ? "true" : "false"});
    metrics.count_[success ? 1 : 0] = pair.count.at(labels);
    metrics.latency_[success ? 1 : 0] = pair.latency.at(labels);
  }
  return metrics;
}

OperationMetrics ComponentMetrics::without_operation(const Pair& pair,
                                                     std::string_view component) const {
  OperationMetrics metrics;
  for (const bool success : {false, true}) {
    const auto labels = pair.group.find({component, namespace_, success ? "true" : "false"});
    metrics.count_[success ? 1 : 0] = pair.count.at(labels);
    metrics.latency_[success ? 1 : 0] = pair.latency.at(labels);
  }
  return metrics;
}

OperationMetrics ComponentMetrics::with_topic(const Pair& pair, std::string_view component,
                                              std::string_view topic) const {
  OperationMetrics metrics;
  for (const bool success : {false, true}) {
    const auto labels = pair.group.find({component, namespace_, success ? "true" : "false", topic});
    metrics.count_[success ? 1 : 0] = pair.count.at(labels);
    metrics.latency_[success ? 1 : 0] = pair.latency.at(labels);
  }
  return metrics;
}

OperationMetrics ComponentMetrics::state(std::string_view component, std::string_view op) const {
  return with_operation(state_, component, op);
}

OperationMetrics ComponentMetrics::configuration(std::string_view component,
                                                 std::string_view op) const {
  return with_operation(configuration_, component, op);
}

OperationMetrics ComponentMetrics::secret(std::string_view component, std::string_view op) const {
  return with_operation(secret_, component, op);
}

OperationMetrics ComponentMetrics::crypto(std::string_view component, std::string_view op) const {
  return with_operation(crypto_, component, op);
}

OperationMetrics ComponentMetrics::output_binding(std::string_view component,
                                                  std::string_view op) const {
  return with_operation(output_, component, op);
}

OperationMetrics ComponentMetrics::input_binding(std::string_view component) const {
  return without_operation(input_, component);
}

OperationMetrics ComponentMetrics::conversation(std::string_view component) const {
  return without_operation(conversation_, component);
}

OperationMetrics ComponentMetrics::publish(std::string_view component,
                                           std::string_view topic) const {
  return with_topic(publish_, component, topic);
}

OperationMetrics ComponentMetrics::bulk_publish(std::string_view component,
                                                std::string_view topic) const {
  return with_topic(bulk_publish_, component, topic);
}

void ComponentMetrics::message(std::string_view component, std::string_view topic,
                               std::string_view process_status, std::string_view status,
                               Elapsed elapsed) const {
  const auto labels = message_.group.find(
      {component, namespace_, process_status, topic, status.empty() ? process_status : status});
  message_.count.at(labels).add();
  message_.latency.at(labels).record(milliseconds(elapsed));
}

void ComponentMetrics::bulk_message(std::string_view component, std::string_view topic,
                                    Elapsed elapsed) const {
  const auto labels = bulk_message_.group.find({component, namespace_, std::string_view(), topic});
  bulk_message_.count.at(labels).add();
  bulk_message_.latency.at(labels).record(milliseconds(elapsed));
}

void ComponentMetrics::bulk_message_entries(std::string_view component, std::string_view topic,
                                            std::string_view process_status,
                                            std::uint64_t entries) const {
  if (entries == 0) return;
  const auto labels = bulk_message_.group.find({component, namespace_, process_status, topic});
  bulk_entries_.at(labels).add(entries);
}

void ComponentMetrics::job(std::string_view operation, bool success, Elapsed elapsed) const {
  const auto result = job_result_.find({namespace_, operation, success ? "true" : "false"});
  job_latency_.at(result).record(milliseconds(elapsed));
  (success ? job_success_ : job_failure_).at(job_count_.find({namespace_, operation})).add();
}

}  // namespace outrigger::telemetry
