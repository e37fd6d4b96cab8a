#include "runtime/telemetry/runtime_metrics.h"

#include "base/pch_test.h"
#include "base/strings.h"

namespace outrigger::telemetry {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

// Of facts/metrics.tsv: name, type, labels sorted. Actors, workflows and resiliency are elsewhere.
struct Fact {
  const char *name, *type, *labels;
};
constexpr Fact kFacts[] = {
    {"dapr_runtime_component_loaded", "counter", "app_id"},
    {"dapr_runtime_component_init_total", "counter", "app_id,component"},
    {"dapr_runtime_component_init_fail_total", "counter", "app_id,component,componentName,reason"},
    {"dapr_runtime_mtls_init_total", "counter", "app_id"},
    {"dapr_runtime_mtls_init_fail_total", "counter", "app_id,reason"},
    {"dapr_runtime_mtls_workload_cert_rotated_total", "counter", "app_id"},
    {"dapr_runtime_mtls_workload_cert_rotated_fail_total", "counter", "app_id,reason"},
    {"dapr_runtime_acl_app_policy_action_allowed_total", "counter", "app_id,namespace,trustDomain"},
    {"dapr_runtime_acl_global_policy_action_allowed_total", "counter",
     "app_id,namespace,trustDomain"},
    {"dapr_runtime_acl_app_policy_action_blocked_total", "counter", "app_id,namespace,trustDomain"},
    {"dapr_runtime_acl_global_policy_action_blocked_total", "counter",
     "app_id,namespace,trustDomain"},
    {"dapr_runtime_service_invocation_req_sent_total", "counter", "app_id,dst_app_id,type"},
    {"dapr_runtime_service_invocation_req_recv_total", "counter", "app_id,src_app_id"},
    {"dapr_runtime_service_invocation_res_sent_total", "counter", "app_id,dst_app_id,status"},
    {"dapr_runtime_service_invocation_res_recv_total", "counter", "app_id,src_app_id,status,type"},
    {"dapr_runtime_service_invocation_res_recv_latency_ms", "histogram",
     "app_id,src_app_id,status"},
    {"dapr_http_server_request_bytes", "histogram", "app_id"},
    {"dapr_http_server_response_bytes", "histogram", "app_id"},
    {"dapr_http_server_latency", "histogram", "app_id,method,path,status"},
    {"dapr_http_server_request_count", "counter", "app_id,method,path,status"},
    {"dapr_http_client_sent_bytes", "histogram", "app_id,method,path,status"},
    {"dapr_http_client_received_bytes", "histogram", "app_id"},
    {"dapr_http_client_roundtrip_latency", "histogram", "app_id,method,path,status"},
    {"dapr_http_client_completed_count", "counter", "app_id,method,path,status"},
    {"dapr_http_healthprobes_roundtrip_latency", "histogram", "app_id,status"},
    {"dapr_http_healthprobes_completed_count", "counter", "app_id,status"},
    {"dapr_http_server_response_count", "counter", "app_id,method,path,status"},
    {"dapr_grpc_io_server_received_bytes_per_rpc", "histogram", "app_id,grpc_server_method"},
    {"dapr_grpc_io_server_sent_bytes_per_rpc", "histogram", "app_id,grpc_server_method"},
    {"dapr_grpc_io_server_server_latency", "histogram",
     "app_id,grpc_server_method,grpc_server_status"},
    {"dapr_grpc_io_server_completed_rpcs", "counter",
     "app_id,grpc_server_method,grpc_server_status"},
    {"dapr_grpc_io_client_sent_bytes_per_rpc", "histogram", "app_id,grpc_client_method"},
    {"dapr_grpc_io_client_received_bytes_per_rpc", "histogram", "app_id,grpc_client_method"},
    {"dapr_grpc_io_client_roundtrip_latency", "histogram",
     "app_id,grpc_client_method,grpc_client_status"},
    {"dapr_grpc_io_client_completed_rpcs", "counter",
     "app_id,grpc_client_method,grpc_client_status"},
    {"dapr_grpc_io_healthprobes_roundtrip_latency", "histogram", "app_id,grpc_client_status"},
    {"dapr_grpc_io_healthprobes_completed_count", "counter", "app_id,grpc_client_status"},
    {"dapr_component_pubsub_ingress_latencies", "histogram",
     "app_id,component,namespace,process_status,status,topic"},
    {"dapr_component_pubsub_ingress_count", "counter",
     "app_id,component,namespace,process_status,status,topic"},
    {"dapr_component_pubsub_ingress_bulk_latencies", "histogram",
     "app_id,component,namespace,process_status,topic"},
    {"dapr_component_pubsub_ingress_bulk_count", "counter",
     "app_id,component,namespace,process_status,topic"},
    {"dapr_component_pubsub_ingress_bulk_event_count", "counter",
     "app_id,component,namespace,process_status,topic"},
    {"dapr_component_pubsub_egress_latencies", "histogram",
     "app_id,component,namespace,success,topic"},
    {"dapr_component_pubsub_egress_count", "counter", "app_id,component,namespace,success,topic"},
    {"dapr_component_pubsub_egress_bulk_latencies", "histogram",
     "app_id,component,namespace,success,topic"},
    {"dapr_component_pubsub_egress_bulk_count", "counter",
     "app_id,component,namespace,success,topic"},
    {"dapr_component_input_binding_latencies", "histogram", "app_id,component,namespace,success"},
    {"dapr_component_input_binding_count", "counter", "app_id,component,namespace,success"},
    {"dapr_component_output_binding_latencies", "histogram",
     "app_id,component,namespace,operation,success"},
    {"dapr_component_output_binding_count", "counter",
     "app_id,component,namespace,operation,success"},
    {"dapr_component_state_latencies", "histogram", "app_id,component,namespace,operation,success"},
    {"dapr_component_state_count", "counter", "app_id,component,namespace,operation,success"},
    {"dapr_component_configuration_latencies", "histogram",
     "app_id,component,namespace,operation,success"},
    {"dapr_component_configuration_count", "counter",
     "app_id,component,namespace,operation,success"},
    {"dapr_component_secret_latencies", "histogram",
     "app_id,component,namespace,operation,success"},
    {"dapr_component_secret_count", "counter", "app_id,component,namespace,operation,success"},
    {"dapr_component_conversation_latencies", "histogram", "app_id,component,namespace,success"},
    {"dapr_component_conversation_count", "counter", "app_id,component,namespace,success"},
    {"dapr_component_crypto_latencies", "histogram",
     "app_id,component,namespace,operation,success"},
    {"dapr_component_crypto_count", "counter", "app_id,component,namespace,operation,success"},
    {"dapr_component_job_latencies", "histogram", "app_id,namespace,operation,success"},
    {"dapr_component_job_success_count", "counter", "app_id,namespace,operation"},
    {"dapr_component_job_failure_count", "counter", "app_id,namespace,operation"},
    {"dapr_error_code_total", "counter", "app_id,category,error_code"},
};

void record_components(const ComponentMetrics& component) {
  component.state("st", "get").record(true, 2ms);
  component.configuration("cf", "get").record(true, 2ms);
  component.secret("sec", "get").record(true, 2ms);
  component.crypto("cr", "crypto_op").record(true, 2ms);
  component.conversation("cv").record(false, 2ms);
  component.input_binding("in").record(true, 2ms);
  component.output_binding("out", "create").record(true, 2ms);
  component.publish("ps", "t").record(true, 2ms);
  component.bulk_publish("ps", "t").record(false, 2ms);
  component.message("ps", "t", "success", "", 2ms);
  component.bulk_message("ps", "t", 2ms);
  component.bulk_message_entries("ps", "t", "success", 25);
  component.job("job_trigger_op", true, 2ms);
  component.job("job_trigger_op", false, 2ms);
}

void record_service(const ServiceMetrics& service) {
  service.component_loaded();
  service.component_initialized("state.redis");
  service.component_init_failed("state.redis", "init", "st");
  service.mtls_init_completed();
  service.mtls_init_failed("x");
  service.workload_cert_rotated();
  service.workload_cert_rotation_failed("x");
  for (const auto policy : {ServiceMetrics::Policy::app, ServiceMetrics::Policy::global}) {
    service.request_allowed(policy, {"caller", "public", "ns"});
    service.request_blocked(policy, {"caller", "public", "ns"});
  }
  service.invocation_request_sent("b", ServiceMetrics::CallType::unary);
  service.invocation_request_received("a");
  service.invocation_response_sent("a", 200);
  service.invocation_response_received("b", 200, ServiceMetrics::CallType::unary, 5ms);
  service.invocation_response_received("b", 0, ServiceMetrics::CallType::streaming, 5ms);
}

void record_all(const RuntimeMetrics& metrics) {
  record_service(metrics.service);
  record_components(metrics.component);
  metrics.http.server_request({"GET", "/v1.0/state/store/k", 200, 10, 1024, 5ms});
  metrics.http.client_request_started("POST", "/x/y", 12);
  metrics.http.client_request({"POST", "/x/y", 200, 12, 13, 7ms});
  metrics.http.health_probe(200, 1ms);
  metrics.grpc.server_call({"/dapr.proto.runtime.v1.Dapr/GetState", "OK", 5, 6, 1ms});
  metrics.grpc.client_call({"/p.S/M", "NotFound", 5, 6, 1ms});
  metrics.grpc.client_call(
      {"/dapr.proto.runtime.v1.AppCallbackHealthCheck/HealthCheck", "OK", 0, 0, 1ms});
  metrics.error_code("ERR_STATE_GET", "state");
}

/// The label names of the first sample of a metric, "le" left out.
std::string labels_of(const std::string& text, const std::string& name) {
  for (const std::string& start : {name + "{", name + "_bucket{"}) {
    const auto at = text.find("\n" + start);
    if (at == std::string::npos) continue;
    const auto from = at + 1 + start.size();
    std::string names;
    for (const auto pair : split(text.substr(from, text.find("} ", from) - from), ',')) {
      const auto name_end = pair.find('=');
      if (pair.substr(0, name_end) == "le") continue;
      names += (names.empty() ? "" : ",") + std::string(pair.substr(0, name_end));
    }
    return names;
  }
  return "no sample";
}

TEST(RuntimeMetrics, EveryMetricOfTheFactsHasItsTypeAndLabels) {
  const RuntimeMetrics metrics(
      {.app_id = "shop", .own_namespace = "ns", .record_error_codes = true});
  record_all(metrics);
  const std::string text = metrics.render();
  std::size_t known = 0;
  for (const Fact& fact : kFacts) {
    const std::string type = std::string("# TYPE ") + fact.name + " " + fact.type + "\n";
    EXPECT_THAT(text, HasSubstr(type));
    EXPECT_EQ(labels_of(text, fact.name), fact.labels) << fact.name;
  }
  for (std::size_t at = 0; (at = text.find("# TYPE dapr_", at)) != std::string::npos; ++at) ++known;
  EXPECT_EQ(known, std::size(kFacts));
}

TEST(RuntimeMetrics, SamplesAreUpstreams) {
  const RuntimeMetrics metrics(
      {.app_id = "shop", .own_namespace = "ns", .record_error_codes = true});
  record_all(metrics);
  const std::string text = metrics.render();
  for (
      const char* line :
      {"dapr_http_server_request_count{app_id=\"shop\",method=\"GET\",path=\"/v1.0/state/store\","
       "status=\"200\"} 1\n",
       "dapr_http_server_latency_bucket{app_id=\"shop\",method=\"GET\",path=\"/v1.0/state/store\","
       "status=\"200\",le=\"5\"} 0\n",
       "dapr_http_server_latency_bucket{app_id=\"shop\",method=\"GET\",path=\"/v1.0/state/store\","
       "status=\"200\",le=\"6\"} 1\n",
       "dapr_http_server_response_bytes_bucket{app_id=\"shop\",le=\"1024\"} 0\n",
       "dapr_http_server_response_bytes_bucket{app_id=\"shop\",le=\"1.048576e+06\"} 1\n",
       "dapr_http_client_sent_bytes_sum{app_id=\"shop\",method=\"POST\",path=\"/x/y\",status=\"\"} "
       "12\n",
       "dapr_component_pubsub_ingress_count{app_id=\"shop\",component=\"ps\",namespace=\"ns\","
       "process_status=\"success\",status=\"success\",topic=\"t\"} 1\n",
       "dapr_component_pubsub_ingress_bulk_event_count{app_id=\"shop\",component=\"ps\","
       "namespace=\"ns\",process_status=\"success\",topic=\"t\"} 25\n",
       "dapr_component_state_latencies_sum{app_id=\"shop\",component=\"st\",namespace=\"ns\","
       "operation=\"get\",success=\"true\"} 2\n",
       "dapr_runtime_acl_app_policy_action_allowed_total{app_id=\"caller\",namespace=\"ns\","
       "trustDomain=\"public\"} 1\n",
       "dapr_runtime_service_invocation_res_recv_total{app_id=\"shop\",src_app_id=\"b\","
       "status=\"0\",type=\"streaming\"} 1\n",
       "dapr_error_code_total{app_id=\"shop\",category=\"state\",error_code=\"ERR_STATE_GET\"} 1\n",
       "dapr_grpc_io_healthprobes_completed_count{app_id=\"shop\",grpc_client_status=\"OK\"} "
       "1\n"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
  // The failures of the state store were never recorded.
  EXPECT_THAT(text, Not(HasSubstr("component=\"st\",namespace=\"ns\",operation=\"get\","
                                  "success=\"false\"")));
}

TEST(RuntimeMetrics, TheConfigurationShapesHttpLabels) {
  const RuntimeMetrics metrics(
      {.app_id = "a", .http_paths = {.increased_cardinality = false}, .http_exclude_verbs = true});
  metrics.http.server_request({"BREW", "/v1.0/state/s/k", 200, 0, 0, 1ms});
  metrics.error_code("ERR_X", "state");
  const std::string text = metrics.render();
  EXPECT_THAT(text, HasSubstr("dapr_http_server_request_count{app_id=\"a\",method=\"\",path=\"\","
                              "status=\"200\"} 1\n"));
  EXPECT_THAT(text, Not(HasSubstr("dapr_http_server_response_count")));
  EXPECT_THAT(text, Not(HasSubstr("dapr_error_code_total")));
}

TEST(RuntimeMetrics, AnUnknownVerbIsNotALabel) {
  const RuntimeMetrics metrics({.app_id = "a"});
  metrics.http.server_request({"BREW", "/x", 200, 0, 0, 1ms});
  EXPECT_THAT(metrics.render(), HasSubstr("method=\"UNKNOWN\",path=\"/x\""));
}

TEST(RuntimeMetrics, SwitchedOffTheyRecordNothing) {
  const RuntimeMetrics metrics({.app_id = "a", .enabled = false, .record_error_codes = true});
  record_all(metrics);
  EXPECT_THAT(metrics.render(), Not(HasSubstr("dapr_")));
  EXPECT_THAT(metrics.render(), HasSubstr("process_start_time_seconds "));
}

TEST(RuntimeMetrics, TheProcessIsMeasured) {
  std::string text;
  append_process_metrics(text);
  for (const char* name : {"process_cpu_seconds_total", "process_max_fds", "process_open_fds",
                           "process_resident_memory_bytes", "process_start_time_seconds",
                           "process_virtual_memory_bytes", "process_virtual_memory_max_bytes"}) {
    const std::string sample = "\n" + std::string(name) + " ";
    const auto at = text.find(sample);
    ASSERT_NE(at, std::string::npos) << name;
    const auto from = at + sample.size();
    const auto value = parse_double(text.substr(from, text.find('\n', from) - from));
    ASSERT_TRUE(value) << name;
    if (std::string_view(name) != "process_cpu_seconds_total") {
      EXPECT_GT(*value, 0) << name;
    }
  }
}

}  // namespace
}  // namespace outrigger::telemetry
