#include "runtime/sidecar/telemetry_notes.h"

#include "base/pch_test.h"

namespace outrigger::runtime {
namespace {

TEST(TelemetryNotes, MetricsAreToldAsUpstreamTellsThem) {
  resources::Metrics metrics;
  EXPECT_EQ(metrics_text(metrics), R"({"enabled":true})");
  metrics.http.emplace();
  metrics.http->increased_cardinality = false;
  EXPECT_EQ(metrics_text(metrics), R"({"enabled":true,"http":{"increasedCardinality":false}})");
  metrics.http->path_matching = {"/a", "/b/{id}"};
  metrics.http->exclude_verbs = true;
  metrics.record_error_codes = true;
  metrics.latency_distribution_buckets = {5, 50};
  metrics.rules = {{"m", {{"path", {{"x", "/y/.+"}}}}}};
  EXPECT_EQ(metrics_text(metrics),
            R"({"enabled":true,"recordErrorCodes":true,"http":{"increasedCardinality":false,)"
            R"("pathMatching":["/a","/b/{id}"],"excludeVerbs":true},)"
            R"("latencyDistributionBuckets":[5,50],)"
            R"("rules":[{"name":"m","labels":[{"name":"path","regex":{"x":"/y/.+"}}]}]})");
}

std::string root_of(const std::string& rate) {
  resources::Tracing tracing;
  tracing.sampling_rate = rate;
  const std::string text = sampler_text(tracing);
  return text.substr(0, text.find(','));
}

TEST(TelemetryNotes, SamplersAreToldInOpenTelemetrysWords) {
  EXPECT_EQ(root_of("0"), "ParentBased{root:TraceIDRatioBased{0}");
  EXPECT_EQ(root_of("0.5"), "ParentBased{root:TraceIDRatioBased{0.5}");
  EXPECT_EQ(root_of(""), "ParentBased{root:TraceIDRatioBased{0.0001}");
  EXPECT_EQ(root_of("1"), "ParentBased{root:AlwaysOnSampler");
}

}  // namespace
}  // namespace outrigger::runtime
