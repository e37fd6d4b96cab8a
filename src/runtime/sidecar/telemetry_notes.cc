#include "runtime/sidecar/telemetry_notes.h"

#include "base/json.h"
#include "base/log.h"
#include "base/metrics/metrics.h"

namespace outrigger::runtime {
namespace {

const Logger log("dapr.runtime");
const Logger diagnostics("dapr.runtime.diagnostics");

void write(json::Writer& out, const resources::Metrics::Http& http) {
  out.begin_object();
  if (http.increased_cardinality) out.member("increasedCardinality", *http.increased_cardinality);
  if (!http.path_matching.empty()) {
    out.key("pathMatching").begin_array();
    for (const std::string& path : http.path_matching) out.value(path);
    out.end_array();
  }
  if (http.exclude_verbs) out.member("excludeVerbs", *http.exclude_verbs);
  out.end_object();
}

void write(json::Writer& out, const resources::Metrics::Rule& rule) {
  out.begin_object().member("name", rule.name).key("labels").begin_array();
  for (const auto& label : rule.labels) {
    out.begin_object().member("name", label.name).key("regex").begin_object();
    for (const auto& [with, expression] : label.regex) out.member(with, expression);
    out.end_object().end_object();
  }
  out.end_array().end_object();
}

}  // namespace

std::string metrics_text(const resources::Metrics& metrics) {
  std::string text;
  json::Writer out(text);
  out.begin_object().member("enabled", metrics.is_enabled());
  if (metrics.record_error_codes) out.member("recordErrorCodes", *metrics.record_error_codes);
  if (metrics.http) {
    out.key("http");
    write(out, *metrics.http);
  }
  if (metrics.latency_distribution_buckets) {
    out.key("latencyDistributionBuckets").begin_array();
    for (const std::int64_t bucket : *metrics.latency_distribution_buckets) out.value(bucket);
    out.end_array();
  }
  if (!metrics.rules.empty()) {
    out.key("rules").begin_array();
    for (const auto& rule : metrics.rules) write(out, rule);
    out.end_array();
  }
  out.end_object();
  return text;
}

std::string sampler_text(const resources::Tracing& tracing) {
  std::string root = "AlwaysOnSampler";
  if (const double rate = tracing.rate(); rate < 1) {
    root = "TraceIDRatioBased{";
    telemetry::append_metric_number(root, std::max(rate, 0.0));
    root += '}';
  }
  return "ParentBased{root:" + root +
         ",remoteParentSampled:AlwaysOnSampler,remoteParentNotSampled:AlwaysOffSampler,"
         "localParentSampled:AlwaysOnSampler,localParentNotSampled:AlwaysOffSampler}";
}

void say_telemetry(const resources::Configuration& configuration) {
  diagnostics.info("metric spec: ", metrics_text(configuration.metrics));
  log.info("Dapr trace sampler initialized: ", sampler_text(configuration.tracing));
}

}  // namespace outrigger::runtime
