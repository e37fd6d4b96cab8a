#include "runtime/telemetry/runtime_metrics.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace outrigger::telemetry {
namespace {

double milliseconds(Elapsed elapsed) noexcept {
  return std::chrono::duration<double, std::milli>(elapsed).count();
}

/// A number as a label's value, without an allocation.
class NumberText {
 public:
  explicit NumberText(int number) noexcept
      : end_(std::to_chars(text_.data(), text_.data() + text_.size(), number).ptr) {}
  operator std::string_view() const noexcept {  // NOLINT: meant to convert
    return {text_.data(), static_cast<std::size_t>(end_ - text_.data())};
  }

 private:
  std::array<char, 16> text_;
  char* end_;
};

constexpr std::string_view to_text(ServiceMetrics::CallType type) noexcept {
  return type == ServiceMetrics::CallType::unary ? "unary" : "streaming";
}

constexpr std::string_view kHealthCheckMethod =
    "/dapr.proto.runtime.v1.AppCallbackHealthCheck/HealthCheck";

}  // namespace

ServiceMetrics::ServiceMetrics(Registry& registry, const MetricsOptions& options) {
  define_runtime(registry);
  define_access_control(registry);
  define_invocation(registry, options);
}

void ServiceMetrics::define_runtime(Registry& registry) {
  plain_ = registry.group({});
  loaded_ = registry.counter(plain_, "dapr_runtime_component_loaded", "Components loaded.");
  mtls_init_ = registry.counter(plain_, "dapr_runtime_mtls_init_total",
                                "Successful starts of the mTLS authenticator.");
  cert_rotated_ = registry.counter(plain_, "dapr_runtime_mtls_workload_cert_rotated_total",
                                   "Renewals of the workload certificate.");
  by_component_ = registry.group({"component"});
  init_ = registry.counter(by_component_, "dapr_runtime_component_init_total",
                           "Components initialized.");
  by_failure_ = registry.group({"component", "reason", "componentName"});
  init_failed_ = registry.counter(by_failure_, "dapr_runtime_component_init_fail_total",
                                  "Components that failed to initialize.");
  by_reason_ = registry.group({"reason"});
  mtls_init_failed_ = registry.counter(by_reason_, "dapr_runtime_mtls_init_fail_total",
                                       "Failed starts of the mTLS authenticator.");
  cert_rotation_failed_ =
      registry.counter(by_reason_, "dapr_runtime_mtls_workload_cert_rotated_fail_total",
                       "Failed renewals of the workload certificate.");
}

void ServiceMetrics::define_access_control(Registry& registry) {
  // The label app_id is the caller's here.
  by_caller_ = registry.group({"app_id", "trustDomain", "namespace"}, Registry::AppLabel::no);
  app_allowed_ = registry.counter(by_caller_, "dapr_runtime_acl_app_policy_action_allowed_total",
                                  "Requests allowed by the policy for the calling app.");
  global_allowed_ =
      registry.counter(by_caller_, "dapr_runtime_acl_global_policy_action_allowed_total",
                       "Requests allowed by the global policy.");
  app_blocked_ = registry.counter(by_caller_, "dapr_runtime_acl_app_policy_action_blocked_total",
                                  "Requests blocked by the policy for the calling app.");
  global_blocked_ =
      registry.counter(by_caller_, "dapr_runtime_acl_global_policy_action_blocked_total",
                       "Requests blocked by the global policy.");
}

void ServiceMetrics::define_invocation(Registry& registry, const MetricsOptions& options) {
  const std::string prefix = "dapr_runtime_service_invocation_";
  sent_ = registry.group({"dst_app_id", "type"});
  req_sent_ = registry.counter(sent_, prefix + "req_sent_total", "Invocations sent.");
  received_ = registry.group({"src_app_id"});
  req_received_ = registry.counter(received_, prefix + "req_recv_total", "Invocations received.");
  response_sent_ = registry.group({"dst_app_id", "status"});
  res_sent_ =
      registry.counter(response_sent_, prefix + "res_sent_total", "Answers to invocations sent.");
  response_received_ = registry.group({"src_app_id", "status", "type"});
  res_received_ = registry.counter(response_received_, prefix + "res_recv_total",
                                   "Answers to invocations received.");
  response_latency_ = registry.group({"src_app_id", "status"});
  latency_ = registry.histogram(response_latency_, prefix + "res_recv_latency_ms",
                                "Time until the answer to an invocation.", options.latency_bounds);
}

void ServiceMetrics::component_loaded() const { loaded_.at(plain_.find({})).add(); }

void ServiceMetrics::component_initialized(std::string_view type) const {
  init_.at(by_component_.find({type})).add();
}

void ServiceMetrics::component_init_failed(std::string_view type, std::string_view reason,
                                           std::string_view name) const {
  init_failed_.at(by_failure_.find({type, reason, name})).add();
}

void ServiceMetrics::mtls_init_completed() const { mtls_init_.at(plain_.find({})).add(); }

void ServiceMetrics::mtls_init_failed(std::string_view reason) const {
  mtls_init_failed_.at(by_reason_.find({reason})).add();
}

void ServiceMetrics::workload_cert_rotated() const { cert_rotated_.at(plain_.find({})).add(); }

void ServiceMetrics::workload_cert_rotation_failed(std::string_view reason) const {
  cert_rotation_failed_.at(by_reason_.find({reason})).add();
}

void ServiceMetrics::request_allowed(Policy policy, const Caller& caller) const {
  const auto labels = by_caller_.find({caller.app_id, caller.trust_domain, caller.name_space});
  (policy == Policy::app ? app_allowed_ : global_allowed_).at(labels).add();
}

void ServiceMetrics::request_blocked(Policy policy, const Caller& caller) const {
  const auto labels = by_caller_.find({caller.app_id, caller.trust_domain, caller.name_space});
  (policy == Policy::app ? app_blocked_ : global_blocked_).at(labels).add();
}

void ServiceMetrics::invocation_request_sent(std::string_view destination, CallType type) const {
  req_sent_.at(sent_.find({destination, to_text(type)})).add();
}

void ServiceMetrics::invocation_request_received(std::string_view source) const {
  req_received_.at(received_.find({source})).add();
}

void ServiceMetrics::invocation_response_sent(std::string_view destination, int status) const {
  res_sent_.at(response_sent_.find({destination, NumberText(status)})).add();
}

void ServiceMetrics::invocation_response_received(std::string_view source, int status,
                                                  CallType type, Elapsed elapsed) const {
  const NumberText code(status);
  res_received_.at(response_received_.find({source, code, to_text(type)})).add();
  // Upstream measures unary calls only.
  if (type == CallType::streaming) return;
  latency_.at(response_latency_.find({source, code})).record(milliseconds(elapsed));
}

HttpMetrics::HttpMetrics(Registry& registry, const MetricsOptions& options)
    : paths_(options.http_paths),
      exclude_verbs_(options.http_exclude_verbs),
      count_responses_(options.http_paths.increased_cardinality) {
  const auto& latency = options.latency_bounds;
  const Group plain = registry.group({});
  const auto request_bytes = registry.histogram(plain, "dapr_http_server_request_bytes",
                                                "Bytes of request bodies.", size_bounds());
  const auto response_bytes = registry.histogram(plain, "dapr_http_server_response_bytes",
                                                 "Bytes of response bodies.", size_bounds());
  const auto received_bytes =
      registry.histogram(plain, "dapr_http_client_received_bytes",
                         "Bytes of bodies received from the application.", size_bounds());
  const Labels none = plain.find({});
  server_request_bytes_ = request_bytes.at(none);
  server_response_bytes_ = response_bytes.at(none);
  client_received_bytes_ = received_bytes.at(none);
  const std::vector<std::string> labels = {"method", "path", "status"};
  server_ = registry.group(labels);
  server_requests_ =
      registry.counter(server_, "dapr_http_server_request_count", "Requests served.");
  server_latency_ = registry.histogram(server_, "dapr_http_server_latency",
                                       "Time from a request to its answer.", latency);
  server_responses_ =
      registry.counter(server_, "dapr_http_server_response_count", "Responses sent.");
  client_sent_ = registry.group(labels);
  client_sent_bytes_ =
      registry.histogram(client_sent_, "dapr_http_client_sent_bytes",
                         "Bytes of bodies sent to the application.", size_bounds());
  client_ = registry.group(labels);
  client_completed_ = registry.counter(client_, "dapr_http_client_completed_count",
                                       "Requests to the application completed.");
  client_latency_ = registry.histogram(client_, "dapr_http_client_roundtrip_latency",
                                       "Time until the application's answer has ended.", latency);
  probe_ = registry.group({"status"});
  probes_ = registry.counter(probe_, "dapr_http_healthprobes_completed_count",
                             "Health probes of the application.");
  probe_latency_ = registry.histogram(probe_, "dapr_http_healthprobes_roundtrip_latency",
                                      "Time until the answer to a health probe.", latency);
}

std::string_view HttpMetrics::method_label(std::string_view method) const noexcept {
  if (exclude_verbs_) return {};
  for (const std::string_view known :
       {"GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "CONNECT", "TRACE"}) {
    if (method == known) return method;
  }
  return "UNKNOWN";
}

void HttpMetrics::server_request(const Request& request) const {
  std::string scratch;
  const auto labels =
      server_.find({method_label(request.method), paths_.server(request.path, scratch),
                    NumberText(request.status)});
  server_requests_.at(labels).add();
  server_latency_.at(labels).record(milliseconds(request.elapsed));
  if (count_responses_) server_responses_.at(labels).add();
  server_request_bytes_.record(static_cast<double>(request.request_bytes));
  server_response_bytes_.record(static_cast<double>(request.response_bytes));
}

void HttpMetrics::client_request_started(std::string_view method, std::string_view path,
                                         std::uint64_t bytes) const {
  std::string scratch;
  // The label `status` is there but not known yet; upstream leaves it empty.
  const auto labels =
      client_sent_.find({method_label(method), paths_.client(path, scratch), std::string_view()});
  client_sent_bytes_.at(labels).record(static_cast<double>(bytes));
}

void HttpMetrics::client_request(const Request& request) const {
  std::string scratch;
  const auto labels =
      client_.find({method_label(request.method), paths_.client(request.path, scratch),
                    NumberText(request.status)});
  client_completed_.at(labels).add();
  client_latency_.at(labels).record(milliseconds(request.elapsed));
  client_received_bytes_.record(static_cast<double>(request.response_bytes));
}

void HttpMetrics::health_probe(int status, Elapsed elapsed) const {
  const auto labels = probe_.find({NumberText(status)});
  probes_.at(labels).add();
  probe_latency_.at(labels).record(milliseconds(elapsed));
}

GrpcMetrics::GrpcMetrics(Registry& registry, const MetricsOptions& options) {
  const auto& latency = options.latency_bounds;
  const std::string prefix = "dapr_grpc_io_";
  server_ = registry.group({"grpc_server_method", "grpc_server_status"});
  server_completed_ = registry.counter(server_, prefix + "server_completed_rpcs", "Calls served.");
  server_latency_ = registry.histogram(server_, prefix + "server_server_latency",
                                       "Time from a call to its answer.", latency);
  server_method_ = registry.group({"grpc_server_method"});
  server_received_ = registry.histogram(server_method_, prefix + "server_received_bytes_per_rpc",
                                        "Bytes of requests.", size_bounds());
  server_sent_ = registry.histogram(server_method_, prefix + "server_sent_bytes_per_rpc",
                                    "Bytes of responses.", size_bounds());
  client_ = registry.group({"grpc_client_method", "grpc_client_status"});
  client_completed_ = registry.counter(client_, prefix + "client_completed_rpcs", "Calls made.");
  client_latency_ = registry.histogram(client_, prefix + "client_roundtrip_latency",
                                       "Time until a call's answer has ended.", latency);
  client_method_ = registry.group({"grpc_client_method"});
  client_sent_ = registry.histogram(client_method_, prefix + "client_sent_bytes_per_rpc",
                                    "Bytes of requests made.", size_bounds());
  client_received_ = registry.histogram(client_method_, prefix + "client_received_bytes_per_rpc",
                                        "Bytes of responses received.", size_bounds());
  probe_ = registry.group({"grpc_client_status"});
  probes_ = registry.counter(probe_, prefix + "healthprobes_completed_count",
                             "Health probes of the application.");
  probe_latency_ = registry.histogram(probe_, prefix + "healthprobes_roundtrip_latency",
                                      "Time until the answer to a health probe.", latency);
}

void GrpcMetrics::server_call(const Call& call) const {
  server_stream(call.method, call.status, call.elapsed);
  const auto labels = server_method_.find({call.method});
  server_received_.at(labels).record(static_cast<double>(call.request_bytes));
  server_sent_.at(labels).record(static_cast<double>(call.response_bytes));
}

void GrpcMetrics::server_stream(std::string_view method, std::string_view status,
                                Elapsed elapsed) const {
  const auto labels = server_.find({method, status});
  server_completed_.at(labels).add();
  server_latency_.at(labels).record(milliseconds(elapsed));
}

void GrpcMetrics::client_call(const Call& call) const {
  if (call.method == kHealthCheckMethod) {
    const auto labels = probe_.find({call.status});
    probes_.at(labels).add();
    probe_latency_.at(labels).record(milliseconds(call.elapsed));
    return;
  }
  client_stream(call.method, call.status, call.elapsed);
  const auto labels = client_method_.find({call.method});
  client_sent_.at(labels).record(static_cast<double>(call.request_bytes));
  client_received_.at(labels).record(static_cast<double>(call.response_bytes));
}

void GrpcMetrics::client_stream(std::string_view method, std::string_view status,
                                Elapsed elapsed) const {
  const auto labels = client_.find({method, status});
  client_completed_.at(labels).add();
  client_latency_.at(labels).record(milliseconds(elapsed));
}

void OperationMetrics::record(bool success, Elapsed elapsed) const noexcept {
  count_[success ? 1 : 0].add();
  latency_[success ? 1 : 0].record(milliseconds(elapsed));
}

RuntimeMetrics::RuntimeMetrics(const MetricsOptions& options)
    : registry_({.app_id = options.app_id, .enabled = options.enabled, .rewrite = options.rewrite}),
      service(registry_, options),
      http(registry_, options),
      grpc(registry_, options),
      component(registry_, options),
      error_group_(registry_.group({"error_code", "category"})),
      errors_(
          registry_.counter(error_group_, "dapr_error_code_total", "API errors by their code.")),
      record_error_codes_(options.record_error_codes) {
  registry_.add_collector(append_process_metrics);
}

void RuntimeMetrics::error_code(std::string_view code, std::string_view category) const {
  if (!record_error_codes_ || code.empty() || category.empty()) return;
  errors_.at(error_group_.find({code, category})).add();
}

}  // namespace outrigger::telemetry
