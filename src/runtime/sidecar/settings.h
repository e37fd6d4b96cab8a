#pragma once

#include <memory>
#include <string>

#include "resources/configuration.h"
#include "resources/loader.h"
#include "runtime/api/grpc_gate.h"
#include "runtime/api/http_api.h"
#include "runtime/app/channel.h"
#include "runtime/core/identity.h"
#include "runtime/options/options.h"
#include "runtime/security/access_list.h"
#include "runtime/telemetry/runtime_metrics.h"
#include "security/identity/provider.h"

namespace outrigger::runtime {

/// All that is known before the first loop runs: flags, environment, configuration, resources.
struct Settings {
  options::Options options;
  resources::Configuration configuration;
  resources::Resources resources;
  Identity identity;
};

/// Reads the configuration and the resources that the options name; writes their notices to the
/// log, and what of them is not applied. Sets this program's own environment variables, so call it
/// before the loops run. The error is fatal.
Result<Settings> load_settings(options::Options options);

/// The placement services, "host:port"; none: actors are off. Addresses that are nothing but quotes
/// and white space count as none.
std::vector<std::string> placement_addresses(const options::Options& options);
/// What sentry is asked for under mutual TLS, and whom it is to be vouched for by.
security::identity::ProviderOptions identity_options(const Settings& settings);
/// Where other sidecars reach this one: the host's address, or the loopback it listens on.
std::string announced_address(const Settings& settings);

app::ChannelOptions channel_options(const options::Options& options);
/// nullopt: the configuration has none.
std::optional<access_control::AccessList> access_list(const Settings& settings);
telemetry::MetricsOptions metrics_options(const Settings& settings);
/// `sink` takes the sampled spans; nullptr if nothing exports them.
telemetry::Tracer make_tracer(const resources::Configuration& configuration,
                              std::shared_ptr<telemetry::SpanSink> sink);
std::shared_ptr<const api::HttpApiSettings> http_api_settings(const Settings& settings,
                                                              const telemetry::Tracer& tracer,
                                                              bool public_only);
std::shared_ptr<const api::GrpcGateSettings> grpc_gate_settings(const Settings& settings,
                                                                const telemetry::Tracer& tracer,
                                                                bool internal);

}  // namespace outrigger::runtime
