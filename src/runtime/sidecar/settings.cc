#include "runtime/sidecar/settings.h"

#include <cstdlib>

#include <unistd.h>

#include "base/env.h"
#include "base/log.h"
#include "base/strings.h"
#include "resources/configuration_loader.h"
#include "runtime/sidecar/ports.h"
#include "runtime/telemetry/label_rules.h"

namespace outrigger::runtime {
namespace {

const Logger log("dapr.runtime");

void say(const std::vector<resources::Notice>& notices) {
  for (const resources::Notice& notice : notices) {
    switch (notice.level) {
      case resources::Notice::Level::debug: log.debug(notice.message); break;
      case resources::Notice::Level::warning: log.warn(notice.message); break;
      case resources::Notice::Level::error: log.error(notice.message); break;
    }
  }
}

/// Who asks for protection that is not there must not run without it.
Result<> check_security(const options::Options& options) {
  const bool kubernetes = options.mode == options::Mode::kubernetes;
  if (kubernetes && ::geteuid() == 0 && !options.skip_container_user_check) {
    return fail(Code::failed_precondition,
                "current user UID(0) is root. Dapr must be run as a non-root user in Kubernetes "
                "environments. To override this check, set the environment variable "
                "'DAPR_UNSAFE_SKIP_CONTAINER_UID_GID_CHECK=true'");
  }
  if (options.control.trust_domain.empty()) {
    return fail(Code::failed_precondition, "control plane trust domain is required");
  }
  if (!kubernetes && !options.control.mtls) return {};
  if (options.control.trust_anchors.empty()) {
    return fail(Code::failed_precondition, "trust anchors are required");
  }
  if (kubernetes) {
    return fail(Code::unimplemented,
                "--mode=kubernetes: this version cannot speak to the operator and to sentry yet");
  }
  return {};
}

void say_unused_flags(const options::Options& options) {
  if (!options.flags_without_effect.empty()) {
    log.warn("Flags that have no effect yet: --", join(options.flags_without_effect, ", --"));
  }
}

/// Before anything reads the environment: components may refer to these.
void set_own_variables(const options::Options& options, const std::string& host) {
  const auto internal = options.listen.internal_port;
  for (const auto& [name, value] : options::own_variables(options, internal.value_or(0), host)) {
    const bool unknown = name == "DAPR_PORT" && !internal;  // It is chosen later.
    if (!unknown && env(name) != value) ::setenv(name.c_str(), value.c_str(), 1);
  }
}

std::size_t limit_of(std::int64_t bytes) {
  return bytes <= 0 ? 0 : static_cast<std::size_t>(bytes);
}

/// Whether apps may be invoked by a header, which no route stands for.
bool allows_invocation(const api::HttpAccess& access) {
  api::Route route;
  route.pattern = "/v1.0/invoke/{appId}/method/{method*}";
  route.group = "invoke";
  route.version = "v1";
  return access.allows(route);
}

}  // namespace

Result<Settings> load_settings(options::Options options) {
  OUT_CHECK(check_security(options));
  Settings settings;
  const std::string host = host_address(options.host_ip);
  set_own_variables(options, host);
  const Environment environment = process_environment();
  say_unused_flags(options);
  std::vector<std::string> warnings;
  OUT_TRY(settings.configuration,
          resources::load_configuration(options.config, environment, warnings));
  for (const std::string& warning : warnings) log.warn(warning);
  OUT_CHECK(resources::apply_tracing_environment(settings.configuration, environment));
  if (settings.configuration.access_control) {
    OUT_CHECK(settings.configuration.access_control->check());
  }
  const auto load = resources::load_options(options.app.id, environment);
  auto loaded = resources::load_resources(options.resource_paths, load);
  if (!loaded) return fail(std::move(loaded).error().context("failed to load components"));
  settings.resources = *std::move(loaded);
  say(settings.resources.notices);
  Identity& identity = settings.identity;
  identity.app_id = options.app.id;
  identity.own_namespace = options.own_namespace;
  identity.app_namespace = options.own_namespace.value_or("default");
  if (identity.app_namespace.empty()) identity.app_namespace = "default";
  identity.pod_name = options.pod_name;
  identity.host_address = host;
  identity.http_port = options.listen.http_port;
  identity.grpc_port = options.listen.grpc_port;
  identity.app_port = options.app.port;
  identity.kubernetes = options.mode == options::Mode::kubernetes;
  settings.options = std::move(options);
  return settings;
}

std::vector<std::string> placement_addresses(const options::Options& options) {
  std::vector<std::string> addresses;
  for (std::string_view address : split_list(options.control.placement_addresses)) {
    constexpr std::string_view kQuotes = "\"' ";
    const auto first = address.find_first_not_of(kQuotes);
    if (first == std::string_view::npos) continue;
    address = address.substr(first, address.find_last_not_of(kQuotes) - first + 1);
    addresses.emplace_back(address);
  }
  return addresses;
}

std::string announced_address(const Settings& settings) {
  const std::string& listen = settings.options.listen.internal_address;
  const bool loopback = listen == "127.0.0.1" || listen == "localhost" || listen == "[::1]";
  return loopback ? listen : settings.identity.host_address;
}

security::identity::ProviderOptions identity_options(const Settings& settings) {
  const options::ControlPlane& control = settings.options.control;
  security::identity::ProviderOptions made;
  made.anchors.pem = control.trust_anchors;
  security::identity::AuthorityOptions& authority = made.authority;
  authority.address = control.sentry_address;
  authority.authority_id = security::identity::control_plane_id(
      control.trust_domain, control.control_namespace, "dapr-sentry");
  authority.id = control.sentry_local_identity.empty() ? settings.identity.app_id
                                                       : control.sentry_local_identity;
  authority.app_namespace = settings.identity.app_namespace;
  authority.token_file = control.sentry_token_file;
  authority.jwt_audiences = control.jwt_audiences;
  return made;
}

app::ChannelOptions channel_options(const options::Options& options) {
  app::ChannelOptions channel;
  channel.address = options.app.address;
  channel.port = static_cast<std::uint16_t>(options.app.port);
  using Protocol = app::ChannelOptions::Protocol;
  switch (options.app.protocol) {
    case options::AppProtocol::http: channel.protocol = Protocol::http; break;
    case options::AppProtocol::https: channel.protocol = Protocol::https; break;
    case options::AppProtocol::h2c: channel.protocol = Protocol::h2c; break;
    case options::AppProtocol::grpc: channel.protocol = Protocol::grpc; break;
    case options::AppProtocol::grpcs: channel.protocol = Protocol::grpcs; break;
  }
  channel.api_token = options.app_api_token;
  channel.app_id = options.app.id;
  channel.concurrency_max = options.app.concurrency_max;
  const std::size_t body = limit_of(options.listen.body_bytes_max);
  channel.body_bytes_max = body == 0 ? SIZE_MAX / 2 : body;
  channel.head_bytes_max = limit_of(options.listen.head_bytes_max);
  return channel;
}

std::optional<access_control::AccessList> access_list(const Settings& settings) {
  const auto& rules = settings.configuration.access_control;
  if (!rules) return std::nullopt;
  using Protocol = options::AppProtocol;
  const Protocol protocol = settings.options.app.protocol;
  const bool grpc = protocol == Protocol::grpc || protocol == Protocol::grpcs;
  return access_control::AccessList(
      *rules, grpc ? access_control::AppProtocol::grpc : access_control::AppProtocol::http);
}

telemetry::MetricsOptions metrics_options(const Settings& settings) {
  const resources::Metrics& configured = settings.configuration.metrics;
  telemetry::MetricsOptions metrics;
  metrics.app_id = settings.identity.app_id;
  metrics.own_namespace = settings.identity.own_namespace.value_or("");
  metrics.enabled = settings.options.listen.metrics && configured.is_enabled();
  metrics.latency_bounds.clear();
  for (const std::int64_t bound : configured.latency_buckets()) {
    metrics.latency_bounds.push_back(static_cast<double>(bound));
  }
  metrics.http_paths.increased_cardinality = configured.has_increased_cardinality();
  if (configured.http) metrics.http_paths.patterns = configured.http->path_matching;
  metrics.http_exclude_verbs = configured.excludes_verbs();
  metrics.record_error_codes = configured.records_error_codes();
  std::vector<telemetry::LabelRule> rules;
  for (const auto& rule : configured.rules) {
    for (const auto& label : rule.labels) rules.push_back({rule.name, label.name, label.regex});
  }
  // As upstream: the sidecar goes on without the rules.
  if (auto rewrite = telemetry::make_label_rewrite(rules)) {
    metrics.rewrite = *std::move(rewrite);
  } else {
    log.error("spec.metrics.rules: ", rewrite.error());
  }
  return metrics;
}

telemetry::Tracer make_tracer(const resources::Configuration& configuration,
                              std::shared_ptr<telemetry::SpanSink> sink) {
  // As upstream: with neither an exporter nor a sampling rate no span is made and contexts pass
  // through as they came; a sampling rate alone makes spans that are passed on, not reported.
  const resources::Tracing& tracing = configuration.tracing;
  if ((sink == nullptr && tracing.sampling_rate.empty()) || tracing.rate() == 0) return {};
  return {tracing.sampling_rate, std::move(sink)};
}

std::shared_ptr<const api::HttpApiSettings> http_api_settings(const Settings& settings,
                                                              const telemetry::Tracer& tracer,
                                                              bool public_only) {
  auto api = std::make_shared<api::HttpApiSettings>();
  const resources::Configuration& configuration = settings.configuration;
  api->access = api::HttpAccess(configuration.allowed_apis, configuration.denied_apis);
  if (!public_only) api->cors = api::Cors(settings.options.listen.allowed_origins);
  api->api_token = settings.options.api_token;
  api->body_bytes_max = limit_of(settings.options.listen.body_bytes_max);
  api->log_calls =
      !public_only && settings.options.api_logging.value_or(configuration.api_logging.enabled);
  api->obfuscate_urls = configuration.api_logging.obfuscate_urls;
  api->omit_health_checks = configuration.api_logging.omit_health_checks;
  api->invokes_by_header = allows_invocation(api->access);
  api->public_only = public_only;
  api->tracer = tracer;
  return api;
}

std::shared_ptr<const api::GrpcGateSettings> grpc_gate_settings(const Settings& settings,
                                                                const telemetry::Tracer& tracer,
                                                                bool internal) {
  auto gate = std::make_shared<api::GrpcGateSettings>();
  const resources::Configuration& configuration = settings.configuration;
  gate->tracer = tracer;
  gate->app_id = settings.options.app.id;
  gate->internal = internal;
  if (internal) return gate;
  gate->access = api::GrpcAccess(configuration.allowed_apis, configuration.denied_apis);
  gate->api_token = settings.options.api_token;
  gate->log_calls = settings.options.api_logging.value_or(configuration.api_logging.enabled);
  gate->omit_health_checks = configuration.api_logging.omit_health_checks;
  return gate;
}

}  // namespace outrigger::runtime
