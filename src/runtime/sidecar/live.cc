#include "runtime/sidecar/live.h"

#include <set>

namespace outrigger::runtime {

std::shared_ptr<const Live> make_live(const Settings& settings,
                                      const std::shared_ptr<telemetry::SpanSink>& sink) {
  const resources::Configuration& configuration = settings.configuration;
  auto live = std::make_shared<Live>();
  live->tracer = make_tracer(configuration, sink);
  live->http = http_api_settings(settings, live->tracer, false);
  live->public_http = http_api_settings(settings, live->tracer, true);
  live->api_gate = grpc_gate_settings(settings, live->tracer, false);
  live->internal_gate = grpc_gate_settings(settings, live->tracer, true);
  if (auto access = access_list(settings)) {
    live->access = std::make_shared<const access_control::AccessList>(*std::move(access));
  }
  live->http_pipeline = configuration.http_pipeline;
  live->app_http_pipeline = configuration.app_http_pipeline;
  live->secret_scopes = configuration.secret_scopes;
  return live;
}

std::vector<std::string> waits_for_restart(const resources::Configuration& before,
                                           const resources::Configuration& now) {
  std::vector<std::string> fields;
  const auto compare = [&](const char* field, const auto& old_value, const auto& new_value) {
    if (!(old_value == new_value)) fields.emplace_back(field);
  };
  resources::Tracing old_tracing = before.tracing;
  resources::Tracing new_tracing = now.tracing;
  old_tracing.sampling_rate.clear();
  new_tracing.sampling_rate.clear();
  compare("tracing (all but samplingRate)", old_tracing, new_tracing);
  compare("metrics", before.metrics, now.metrics);
  compare("mtls", before.mtls, now.mtls);
  compare("nameResolution", before.name_resolution, now.name_resolution);
  compare("workflow", before.workflow, now.workflow);
  const auto features = [](const resources::Configuration& configuration) {
    const auto enabled = configuration.enabled_features();
    std::set<std::string> names(enabled.begin(), enabled.end());
    names.erase("HotReload");
    return names;
  };
  compare("features (all but HotReload)", features(before), features(now));
  return fields;
}

}  // namespace outrigger::runtime
