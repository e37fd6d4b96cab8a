#pragma once

#include <memory>
#include <string>
#include <vector>

#include "resources/configuration.h"
#include "runtime/api/grpc_gate.h"
#include "runtime/api/http_api.h"
#include "runtime/security/access_list.h"
#include "runtime/sidecar/settings.h"

namespace outrigger::runtime {

/// What of the Configuration takes effect at once when it changes, ready for use. Immutable; the
/// loops share it.
struct Live {
  std::shared_ptr<const api::HttpApiSettings> http, public_http;
  std::shared_ptr<const api::GrpcGateSettings> api_gate, internal_gate;
  /// nullptr: every application may call this one.
  std::shared_ptr<const access_control::AccessList> access;
  telemetry::Tracer tracer;
  std::vector<resources::PipelineHandler> http_pipeline, app_http_pipeline;
  std::vector<resources::SecretScope> secret_scopes;
};

/// `sink`: where sampled spans go; nullptr: nowhere.
[[nodiscard]] std::shared_ptr<const Live> make_live(
    const Settings& settings, const std::shared_ptr<telemetry::SpanSink>& sink);

/// The fields of the Configuration's spec that differ and take effect with the next start only.
[[nodiscard]] std::vector<std::string> waits_for_restart(const resources::Configuration& before,
                                                         const resources::Configuration& now);

}  // namespace outrigger::runtime
