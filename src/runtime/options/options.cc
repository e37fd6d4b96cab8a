#include "runtime/options/options.h"

#include <algorithm>
#include <array>

#include <openssl/sha.h>

#include "base/build_info.h"
#include "base/duration.h"
#include "base/quantity.h"
#include "base/strings.h"
#include "runtime/options/flag_values.h"

namespace outrigger::options {
namespace {

constexpr std::int64_t kBodyBytesMax = 4 << 20;
constexpr std::int64_t kHeadBytesMax = 4 << 10;

std::unexpected<Error> bad(std::string message) {
  return fail(Code::invalid_argument, std::move(message));
}

/// The text of a port. 0 passes: it asks the system for a free one.
Result<int> parse_port(std::string_view text, std::string_view where) {
  const auto port = parse_int<int>(text);
  const bool fits = port && *port >= 0 && *port <= 65535;
  if (fits) return *port;
  return bad("error parsing " + std::string(where) + ": strconv.Atoi: parsing " + quoted(text) +
             (port ? ": value out of range" : ": invalid syntax"));
}

Result<Mode> parse_mode(std::string_view text) {
  if (text == "standalone") return Mode::standalone;
  if (text == "kubernetes") return Mode::kubernetes;
  return bad("invalid value for 'mode': " + std::string(text));
}

Result<> check_app_id(std::string_view id, Mode mode) {
  if (mode != Mode::standalone) return {};
  if (id.empty()) return bad("parameter app-id cannot be empty");
  if (id.find('.') != std::string_view::npos) return bad("parameter app-id cannot contain dots");
  return {};
}

Result<AppProtocol> parse_protocol(const FlagValues& values) {
  const std::string name = to_lower(values.app_protocol);
  if (name.empty()) return AppProtocol::http;
  if (name == "http") return values.app_ssl ? AppProtocol::https : AppProtocol::http;
  if (name == "grpc") return values.app_ssl ? AppProtocol::grpcs : AppProtocol::grpc;
  for (const auto protocol : {AppProtocol::https, AppProtocol::h2c, AppProtocol::grpcs}) {
    if (name == to_string(protocol)) return protocol;
  }
  return bad("invalid value for 'app-protocol': " + values.app_protocol);
}

/// A limit given as a quantity or, by its deprecated flag, as a number of units.
Result<std::int64_t> parse_limit(const FlagValues& values, std::string_view flag,
                                 std::string_view text, std::string_view old_flag, int old_value,
                                 int old_shift, std::int64_t otherwise) {
  std::int64_t limit = otherwise;
  if (values.flags.changed(flag)) {
    auto quantity = parse_quantity(text);
    if (!quantity) {
      return fail(std::move(quantity).error().context("invalid value for '" + std::string(flag) +
                                                      "' option"));
    }
    limit = *quantity;
  } else if (values.flags.changed(old_flag)) {
    limit = old_value > 0 ? static_cast<std::int64_t>(old_value) << old_shift : old_value;
  }
  return limit == -1 ? otherwise : limit;
}

Result<AppHealthCheck> parse_health_check(const FlagValues& values) {
  AppHealthCheck check{.path = values.app_health_check_path};
  if (values.app_health_probe_interval > 0) {
    check.interval = std::chrono::seconds(values.app_health_probe_interval);
  }
  if (values.app_health_probe_timeout > 0) {
    check.timeout = std::chrono::milliseconds(values.app_health_probe_timeout);
  }
  if (values.app_health_threshold > 0) check.threshold = values.app_health_threshold;
  if (check.timeout > check.interval) {
    return bad("value for 'health-probe-timeout' must be smaller than 'health-probe-interval'");
  }
  return check;
}

Result<App> parse_app(const FlagValues& values, Mode mode) {
  App app{.id = values.app_id, .address = values.app_channel_address};
  OUT_CHECK(check_app_id(app.id, mode));
  if (!values.app_port.empty()) {
    OUT_TRY(app.port, parse_port(values.app_port, "app-port"));
  }
  OUT_TRY(app.protocol, parse_protocol(values));
  app.concurrency_max = std::max(values.app_max_concurrency, 0);
  OUT_TRY(auto health_check, parse_health_check(values));
  if (values.enable_app_health_check) app.health_check = std::move(health_check);
  if (values.app_binding_options_timeout.count() > 0) {
    app.binding_options_timeout = values.app_binding_options_timeout;
  }
  for (const std::string& given : values.disable_init_endpoints) {
    const std::string name = to_lower(trim(given));
    if (name == "config") {
      app.skip_config_call = true;
    } else if (name == "subscribe") {
      app.skip_subscribe_call = true;
    } else if (!name.empty()) {
      return bad("invalid value for 'disable-init-endpoints': " + name);
    }
  }
  return app;
}

Result<Listeners> parse_listeners(const FlagValues& values, const Environment& environment) {
  Listeners listen;
  OUT_TRY(listen.http_port, parse_port(values.dapr_http_port, "dapr-http-port flag"));
  OUT_TRY(listen.grpc_port, parse_port(values.dapr_grpc_port, "dapr-grpc-port flag"));
  OUT_TRY(listen.profile_port, parse_port(values.profile_port, "profile-port flag"));
  if (!values.dapr_internal_grpc_port.empty() && values.dapr_internal_grpc_port != "0") {
    OUT_TRY(listen.internal_port,
            parse_port(values.dapr_internal_grpc_port, "dapr-internal-grpc-port"));
  }
  if (!values.dapr_public_port.empty()) {
    OUT_TRY(listen.public_port, parse_port(values.dapr_public_port, "dapr-public-port"));
  }
  listen.metrics = values.enable_metrics;
  if (listen.metrics) {
    OUT_TRY(listen.metrics_port, parse_port(values.metrics_port, "metrics-port flag"));
  }
  listen.addresses.clear();
  for (const auto address : split(values.dapr_listen_addresses, ',')) {
    listen.addresses.emplace_back(trim(address));
  }
  listen.unix_folder = values.unix_domain_socket;
  listen.public_address = values.dapr_public_listen_address;
  listen.internal_address = values.dapr_internal_grpc_listen_address;
  listen.profiling = values.enable_profiling;
  listen.metrics_address = values.metrics_listen_address;
  listen.allowed_origins = values.allowed_origins;
  listen.http2_cleartext = !is_truthy(environment("DAPR_HTTP_DISABLE_H2C").value_or(""));
  return listen;
}

Result<> check_ports(const App& app, const Listeners& listen) {
  if (app.port == 0) return {};
  const auto conflict = [&](std::string_view flag) {
    return bad("the '" + std::string(flag) + "' argument value " + std::to_string(app.port) +
               " conflicts with 'app-port'");
  };
  if (app.port == listen.http_port) return conflict("dapr-http-port");
  if (app.port == listen.grpc_port) return conflict("dapr-grpc-port");
  return {};
}

ControlPlane control_plane_of(const FlagValues& values, const Environment& environment) {
  ControlPlane control;
  control.operator_address = values.control_plane_address;
  control.sentry_address = values.sentry_address;
  const auto flag_or_env = [&](std::string_view flag, const std::string& value,
                               std::string_view variable) {
    if (values.flags.changed(flag)) return value;
    return environment(variable).value_or(value);
  };
  control.trust_domain =
      flag_or_env("control-plane-trust-domain", values.control_plane_trust_domain,
                  "DAPR_CONTROLPLANE_TRUST_DOMAIN");
  control.control_namespace = flag_or_env("control-plane-namespace", values.control_plane_namespace,
                                          "DAPR_CONTROLPLANE_NAMESPACE");
  control.trust_anchors = environment("DAPR_TRUST_ANCHORS").value_or("");
  control.jwt_audiences = values.sentry_request_jwt_audiences;
  control.sentry_token_file = environment("DAPR_SENTRY_TOKEN_FILE");
  control.sentry_local_identity = environment("SENTRY_LOCAL_IDENTITY").value_or("");
  control.mtls = values.enable_mtls;
  control.placement_addresses = values.placement_host_address;
  constexpr std::string_view kPlacement = "placement:";
  if (control.placement_addresses.empty() && values.actors_service.starts_with(kPlacement)) {
    control.placement_addresses = values.actors_service.substr(kPlacement.size());
  }
  std::vector<std::string> schedulers = values.scheduler_host_address;
  if (!values.flags.changed("scheduler-host-address")) {
    if (const auto list = environment("DAPR_SCHEDULER_HOST_ADDRESS_DNS_A")) schedulers = {*list};
  }
  for (const std::string& entry : schedulers) {
    for (const auto address : split_list(entry)) control.scheduler_addresses.emplace_back(address);
  }
  control.scheduler_streams = values.scheduler_job_streams;
  control.dissemination_timeout = values.actors_disseminate_timeout;
  return control;
}

OtelEnvironment otel_of(const Environment& environment) {
  const auto value = [&](const char* name) { return environment(name).value_or(""); };
  const auto first_of = [&](const char* specific, const char* general) {
    std::string found = value(specific);
    return found.empty() ? value(general) : found;
  };
  return {.endpoint = first_of("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"),
          .protocol = first_of("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"),
          .headers = first_of("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"),
          .timeout = first_of("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"),
          .resource_attributes = value("OTEL_RESOURCE_ATTRIBUTES"),
          .service_name = value("OTEL_SERVICE_NAME"),
          .insecure = value("OTEL_EXPORTER_OTLP_INSECURE") == "true"};
}

void read_environment(Options& options, const Environment& environment) {
  const auto value = [&](const char* name) { return environment(name).value_or(""); };
  options.otel = otel_of(environment);
  options.own_namespace = environment("NAMESPACE");
  options.pod_name = value("POD_NAME");
  options.api_token = value("DAPR_API_TOKEN");
  options.app_api_token = value("APP_API_TOKEN");
  options.host_ip = value("DAPR_HOST_IP");
  for (const auto key : split_list(value("DAPR_ENV_KEYS"), ' ')) {
    options.env_keys.emplace_back(key);
  }
  const std::string folder = value("DAPR_COMPONENTS_SOCKETS_FOLDER");
  if (!folder.empty()) options.pluggable_socket_folder = folder;
  options.skip_container_user_check = value("DAPR_UNSAFE_SKIP_CONTAINER_UID_GID_CHECK") == "true";
}

Result<Options> options_of(const FlagValues& values, const Environment& environment) {
  Options options;
  const auto level = parse_log_level(values.log_level);
  if (!level) return bad("invalid value for --log-level: " + values.log_level);
  options.log = {.app_id = values.app_id,
                 .level = *level,
                 .as_json = values.log_as_json,
                 .file = values.log_file};
  OUT_TRY(options.mode, parse_mode(values.mode));
  OUT_TRY(options.app, parse_app(values, options.mode));
  OUT_TRY(options.listen, parse_listeners(values, environment));
  OUT_CHECK(check_ports(options.app, options.listen));
  options.control = control_plane_of(values, environment);
  options.config = values.config;
  options.resource_paths = values.resources_path;
  if (options.resource_paths.empty() && !values.components_path.empty()) {
    options.resource_paths = {values.components_path};
  }
  options.builtin_kubernetes_secret_store = !values.disable_builtin_k8s_secret_store;
  if (values.flags.changed("enable-api-logging")) options.api_logging = values.enable_api_logging;
  if (values.dapr_graceful_shutdown_seconds >= 0) {
    options.graceful_shutdown = std::chrono::seconds(values.dapr_graceful_shutdown_seconds);
  }
  if (values.flags.changed("dapr-block-shutdown-duration")) {
    options.block_shutdown = values.dapr_block_shutdown_duration;
  }
  options.hot_reload_interval = values.hot_reload_reconcile_interval;
  options.flags_without_effect = values.without_effect();
  read_environment(options, environment);
  return options;
}

/// What upstream checks while it reads the flags, before it looks at --version.
Result<std::pair<std::int64_t, std::int64_t>> limits_of(const FlagValues& values) {
  OUT_TRY(const std::int64_t body,
          parse_limit(values, "max-body-size", values.max_body_size, "dapr-http-max-request-size",
                      values.dapr_http_max_request_size, 20, kBodyBytesMax));
  OUT_TRY(
      const std::int64_t head,
      parse_limit(values, "read-buffer-size", values.read_buffer_size, "dapr-http-read-buffer-size",
                  values.dapr_http_read_buffer_size, 10, kHeadBytesMax));
  if (values.actors_disseminate_timeout.count() <= 0) {
    return bad("invalid value for 'actors-disseminate-timeout' option: must be positive, got " +
               format_duration(values.actors_disseminate_timeout));
  }
  return std::pair{body, head};
}

Action action_of(const FlagValues& values) {
  if (values.version) return Action::version;
  if (values.build_info) return Action::build_info;
  if (values.wait) return Action::wait;
  return Action::run;
}

}  // namespace

std::string_view to_string(Mode mode) noexcept {
  return mode == Mode::standalone ? "standalone" : "kubernetes";
}

std::string_view to_string(AppProtocol protocol) noexcept {
  switch (protocol) {
    case AppProtocol::http: return "http";
    case AppProtocol::https: return "https";
    case AppProtocol::h2c: return "h2c";
    case AppProtocol::grpc: return "grpc";
    case AppProtocol::grpcs: return "grpcs";
  }
  return "http";
}

bool is_http(AppProtocol protocol) noexcept {
  return protocol != AppProtocol::grpc && protocol != AppProtocol::grpcs;
}

bool has_tls(AppProtocol protocol) noexcept {
  return protocol == AppProtocol::https || protocol == AppProtocol::grpcs;
}

Result<CommandLine> parse_command_line(std::span<const std::string> arguments,
                                       const Environment& environment) {
  FlagValues values;
  CommandLine line;
  line.usage = values.flags.usage();
  auto wish = values.flags.parse(arguments);
  if (!wish) return fail(std::move(wish).error().with_tag(kUsageError));
  line.notices = values.flags.notices();
  line.http_port = values.dapr_http_port;
  if (*wish == Flags::Wish::help) {
    line.action = Action::help;
    return line;
  }
  auto limits = limits_of(values);
  if (!limits) return fail(std::move(limits).error().context("Failed to parse flags"));
  line.action = action_of(values);
  line.log = {.app_id = values.app_id,
              .level = parse_log_level(values.log_level).value_or(LogLevel::info),
              .as_json = values.log_as_json,
              .file = values.log_file};
  line.options = options_of(values, environment);
  if (line.options) {
    line.options->listen.body_bytes_max = limits->first;
    line.options->listen.head_bytes_max = limits->second;
  }
  return line;
}

Result<Options> parse_options(std::span<const std::string> arguments,
                              const Environment& environment) {
  OUT_TRY(auto line, parse_command_line(arguments, environment));
  return std::move(line.options);
}

std::string usage() { return FlagValues().flags.usage(); }

std::vector<std::pair<std::string, std::string>> flag_defaults() {
  const FlagValues values;
  std::vector<std::pair<std::string, std::string>> all;
  for (const std::string& name : values.flags.names()) {
    all.emplace_back(name, values.flags.default_of(name));
  }
  return all;
}

std::string build_info_text() {
  return "Version: " + std::string(build_version()) +
         "\nGit Commit: " + std::string(build_commit()) +
         "\nGit Version: " + std::string(build_git_version()) + "\n";
}

int stable_port(std::string_view app_id, std::string_view folder, unsigned user_id,
                std::string_view host_name) {
  constexpr int kFirst = 47300;
  std::string text;
  text.append(app_id).append("|").append(folder).append("|");
  append_uint(text, user_id);
  text.append("|").append(host_name);
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  ::SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  return kFirst + (digest[0] | digest[1] << 8) % (65535 - kFirst);
}

std::vector<std::pair<std::string, std::string>> own_variables(const Options& options,
                                                               int internal_port,
                                                               std::string_view host_address) {
  return {{"APP_ID", options.app.id},
          {"APP_PORT", std::to_string(options.app.port)},
          {"HOST_ADDRESS", std::string(host_address)},
          {"DAPR_PORT", std::to_string(internal_port)},
          {"DAPR_GRPC_PORT", std::to_string(options.listen.grpc_port)},
          {"DAPR_HTTP_PORT", std::to_string(options.listen.http_port)},
          {"DAPR_METRICS_PORT", std::to_string(options.listen.metrics_port)},
          {"DAPR_PROFILE_PORT", std::to_string(options.listen.profile_port)}};
}

}  // namespace outrigger::options
