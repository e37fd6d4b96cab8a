#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/metrics/metrics.h"
#include "runtime/telemetry/path_labels.h"

/// The metrics of the sidecar (facts/metrics.tsv). Rooms whose metrics are not here (actors,
/// workflows, resiliency) define theirs with RuntimeMetrics::registry().
namespace outrigger::telemetry {

using Elapsed = std::chrono::nanoseconds;

/// What a Configuration says about metrics, and who we are.
struct MetricsOptions {
  std::string app_id;
  /// NAMESPACE, the label `namespace` of component metrics.
  std::string own_namespace;
  bool enabled = true;
  std::vector<double> latency_bounds = default_latency_bounds();
  PathLabelOptions http_paths;
  bool http_exclude_verbs = false;
  bool record_error_codes = false;
  LabelRewrite rewrite;
};

/// Runtime, mTLS, access control and service invocation: dapr_runtime_*.
class ServiceMetrics {
 public:
  ServiceMetrics(Registry& registry, const MetricsOptions& options);

  void component_loaded() const;
  void component_initialized(std::string_view type) const;
  /// `reason` as upstream: "init", "creation", "unknown" ...
  void component_init_failed(std::string_view type, std::string_view reason,
                             std::string_view name) const;
  void mtls_init_completed() const;
  void mtls_init_failed(std::string_view reason) const;
  void workload_cert_rotated() const;
  void workload_cert_rotation_failed(std::string_view reason) const;

  /// Which rule of an access control policy decided: one for the calling app, or the global one.
  enum class Policy : std::uint8_t { app, global };
  struct Caller {
    std::string_view app_id, trust_domain, name_space;
  };
  void request_allowed(Policy policy, const Caller& caller) const;
  void request_blocked(Policy policy, const Caller& caller) const;

  enum class CallType : std::uint8_t { unary, streaming };
  void invocation_request_sent(std::string_view destination, CallType type) const;
  void invocation_request_received(std::string_view source) const;
  void invocation_response_sent(std::string_view destination, int status) const;
  void invocation_response_received(std::string_view source, int status, CallType type,
                                    Elapsed elapsed) const;

 private:
  void define_runtime(Registry& registry);
  void define_access_control(Registry& registry);
  void define_invocation(Registry& registry, const MetricsOptions& options);

  Group plain_, by_component_, by_failure_, by_reason_, by_caller_;
  Group sent_, received_, response_sent_, response_received_, response_latency_;
  CounterFamily loaded_, mtls_init_, cert_rotated_, init_, init_failed_, mtls_init_failed_,
      cert_rotation_failed_;
  CounterFamily app_allowed_, global_allowed_, app_blocked_, global_blocked_;
  CounterFamily req_sent_, req_received_, res_sent_, res_received_;
  HistogramFamily latency_;
};

/// HTTP server and client: dapr_http_*.
class HttpMetrics {
 public:
  HttpMetrics(Registry& registry, const MetricsOptions& options);

  struct Request {
    std::string_view method;
    /// Decoded, without query.
    std::string_view path;
    int status;
    std::uint64_t request_bytes;
    std::uint64_t response_bytes;
    Elapsed elapsed;
  };
  /// A request to our API has been answered.
  void server_request(const Request& request) const;
  /// A request to the application is about to be sent.
  void client_request_started(std::string_view method, std::string_view path,
                              std::uint64_t bytes) const;
  /// It was answered; `request_bytes` is not used.
  void client_request(const Request& request) const;
  void health_probe(int status, Elapsed elapsed) const;

 private:
  [[nodiscard]] std::string_view method_label(std::string_view method) const noexcept;

  PathLabels paths_;
  bool exclude_verbs_;
  bool count_responses_;
  Group server_, client_sent_, client_, probe_;
  Histogram server_request_bytes_, server_response_bytes_, client_received_bytes_;
  HistogramFamily server_latency_, client_sent_bytes_, client_latency_, probe_latency_;
  CounterFamily server_requests_, server_responses_, client_completed_, probes_;
};

/// gRPC server and client: dapr_grpc_io_*. Methods are full ("/package.Service/Method"), statuses
/// the names of codes as base/error.h spells them.
class GrpcMetrics {
 public:
  GrpcMetrics(Registry& registry, const MetricsOptions& options);

  struct Call {
    std::string_view method, status;
    std::uint64_t request_bytes, response_bytes;
    Elapsed elapsed;
  };
  /// A unary call to us. Proxied streams have no bytes: upstream counts them with server_stream().
  void server_call(const Call& call) const;
  void server_stream(std::string_view method, std::string_view status, Elapsed elapsed) const;
  /// A unary call of ours; a probe of the application's health is recognised by its method.
  void client_call(const Call& call) const;
  void client_stream(std::string_view method, std::string_view status, Elapsed elapsed) const;

 private:
  Group server_, server_method_, client_, client_method_, probe_;
  HistogramFamily server_received_, server_sent_, server_latency_;
  HistogramFamily client_sent_, client_received_, client_latency_, probe_latency_;
  CounterFamily server_completed_, client_completed_, probes_;
};

/// One operation of one component, its labels found once: keep it beside the component.
class OperationMetrics {
 public:
  OperationMetrics() = default;
  void record(bool success, Elapsed elapsed) const noexcept;

 private:
  friend class ComponentMetrics;
  Counter count_[2];
  Histogram latency_[2];
};

/// Components: dapr_component_*.
class ComponentMetrics {
 public:
  ComponentMetrics(Registry& registry, const MetricsOptions& options);

  /// Operations as upstream names them: get, set, delete, query, transaction, bulk_get,
  /// bulk_delete, subscribe, unsubscribe, crypto_op; of output bindings the operation itself.
  [[nodiscard]] OperationMetrics state(std::string_view component, std::string_view op) const;
  [[nodiscard]] OperationMetrics configuration(std::string_view component,
                                               std::string_view op) const;
  [[nodiscard]] OperationMetrics secret(std::string_view component, std::string_view op) const;
  [[nodiscard]] OperationMetrics crypto(std::string_view component, std::string_view op) const;
  [[nodiscard]] OperationMetrics output_binding(std::string_view component,
                                                std::string_view op) const;
  [[nodiscard]] OperationMetrics input_binding(std::string_view component) const;
  [[nodiscard]] OperationMetrics conversation(std::string_view component) const;
  [[nodiscard]] OperationMetrics publish(std::string_view component, std::string_view topic) const;
  [[nodiscard]] OperationMetrics bulk_publish(std::string_view component,
                                              std::string_view topic) const;
  /// `process_status` is what was made of a message ("success", "retry", "drop"); `status` what the
  /// application answered, empty if the same.
  void message(std::string_view component, std::string_view topic, std::string_view process_status,
               std::string_view status, Elapsed elapsed) const;
  void bulk_message(std::string_view component, std::string_view topic, Elapsed elapsed) const;
  void bulk_message_entries(std::string_view component, std::string_view topic,
                            std::string_view process_status, std::uint64_t entries) const;
  /// A job was handed to the application; upstream's operation is "job_trigger_op".
  void job(std::string_view operation, bool success, Elapsed elapsed) const;

 private:
  /// A count and a latency with the same labels.
  struct Pair {
    Group group;
    CounterFamily count;
    HistogramFamily latency;
  };
  Pair define(Registry& registry, const MetricsOptions& options, std::string_view name,
              std::vector<std::string> labels, std::string_view what);
  [[nodiscard]] OperationMetrics with_operation(const Pair& pair, std::string_view component,
                                                std::string_view operation) const;
  [[nodiscard]] OperationMetrics without_operation(const Pair& pair,
                                                   std::string_view component) const;
  [[nodiscard]] OperationMetrics with_topic(const Pair& pair, std::string_view component,
                                            std::string_view topic) const;

  std::string namespace_;
  Pair state_, configuration_, secret_, crypto_, conversation_, input_, output_;
  Pair publish_, bulk_publish_, message_, bulk_message_;
  CounterFamily bulk_entries_;
  Group job_result_, job_count_;
  HistogramFamily job_latency_;
  CounterFamily job_success_, job_failure_;
};

/// All of them.
class RuntimeMetrics {
 public:
  explicit RuntimeMetrics(const MetricsOptions& options);

  /// An API error was returned. Does nothing unless record_error_codes is set.
  void error_code(std::string_view code, std::string_view category) const;
  [[nodiscard]] Registry& registry() noexcept { return registry_; }
  /// The answer to a scrape.
  [[nodiscard]] std::string render() const { return registry_.render(); }

 private:
  Registry registry_;

 public:
  const ServiceMetrics service;
  const HttpMetrics http;
  const GrpcMetrics grpc;
  const ComponentMetrics component;

 private:
  Group error_group_;
  CounterFamily errors_;
  bool record_error_codes_;
};

}  // namespace outrigger::telemetry
