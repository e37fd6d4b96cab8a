#include "runtime/options/flag_values.h"

#include <variant>

namespace outrigger::options {
namespace {

using Target = std::variant<std::string FlagValues::*, bool FlagValues::*, int FlagValues::*,
                            unsigned FlagValues::*, std::chrono::nanoseconds FlagValues::*,
                            std::vector<std::string> FlagValues::*>;

enum class Effect : std::uint8_t {
  full,
  later,  ///< Accepted; what it is about is not there yet (docs/compatibility.md).
  deprecated,
};

struct Row {
  const char* name;
  Target target;
  const char* usage;
  Effect effect = Effect::full;
  const char* advice = "";
};

constexpr Row kRows[] = {
    {"dapr-http-port", &FlagValues::dapr_http_port, "port of the HTTP API"},
    {"dapr-grpc-port", &FlagValues::dapr_grpc_port, "port of the gRPC API"},
    {"dapr-listen-addresses", &FlagValues::dapr_listen_addresses,
     "addresses the APIs listen on, comma separated; all if empty"},
    {"dapr-public-port", &FlagValues::dapr_public_port,
     "port that serves health and metadata only; none if empty"},
    {"dapr-public-listen-address", &FlagValues::dapr_public_listen_address,
     "address of the public port"},
    {"dapr-internal-grpc-port", &FlagValues::dapr_internal_grpc_port,
     "port for other sidecars; a stable one is chosen if empty or 0"},
    {"dapr-internal-grpc-listen-address", &FlagValues::dapr_internal_grpc_listen_address,
     "address of the port for other sidecars"},
    {"unix-domain-socket", &FlagValues::unix_domain_socket,
     "folder for Unix sockets of the APIs, in place of their ports"},
    {"max-body-size", &FlagValues::max_body_size, "most bytes of a request's body, as a quantity"},
    {"read-buffer-size", &FlagValues::read_buffer_size,
     "most bytes of a request's headers, as a quantity"},
    {"allowed-origins", &FlagValues::allowed_origins, "origins that CORS allows, comma separated"},
    {"enable-profiling", &FlagValues::enable_profiling, "serve profiles", Effect::later},
    {"profile-port", &FlagValues::profile_port, "port for profiles", Effect::later},
    {"enable-metrics", &FlagValues::enable_metrics, "serve Prometheus metrics"},
    {"metrics-port", &FlagValues::metrics_port, "port for metrics"},
    {"metrics-listen-address", &FlagValues::metrics_listen_address, "address of the metrics port"},
    {"app-id", &FlagValues::app_id, "name of the application, by which others find it"},
    {"app-port", &FlagValues::app_port, "port the application listens on"},
    {"app-protocol", &FlagValues::app_protocol,
     "how to call the application: http https h2c grpc grpcs"},
    {"app-channel-address", &FlagValues::app_channel_address, "host the application listens on"},
    {"app-max-concurrency", &FlagValues::app_max_concurrency,
     "most calls to the application at a time; -1 for no limit"},
    {"enable-app-health-check", &FlagValues::enable_app_health_check,
     "probe the health of the application"},
    {"app-health-check-path", &FlagValues::app_health_check_path, "path of an HTTP probe"},
    {"app-health-probe-interval", &FlagValues::app_health_probe_interval, "seconds between probes"},
    {"app-health-probe-timeout", &FlagValues::app_health_probe_timeout,
     "milliseconds a probe may take"},
    {"app-health-threshold", &FlagValues::app_health_threshold,
     "failed probes in a row that make the application unhealthy"},
    {"disable-init-endpoints", &FlagValues::disable_init_endpoints,
     "calls to leave out at start: config, subscribe"},
    {"app-binding-options-timeout", &FlagValues::app_binding_options_timeout,
     "limit of the calls that ask the application for its input bindings", Effect::later},
    {"mode", &FlagValues::mode, "standalone or kubernetes"},
    {"control-plane-address", &FlagValues::control_plane_address, "address of the operator",
     Effect::later},
    {"sentry-address", &FlagValues::sentry_address, "address of the certificate authority"},
    {"control-plane-trust-domain", &FlagValues::control_plane_trust_domain,
     "trust domain of the control plane"},
    {"control-plane-namespace", &FlagValues::control_plane_namespace,
     "namespace of the control plane"},
    {"sentry-request-jwt-audiences", &FlagValues::sentry_request_jwt_audiences,
     "audiences of the JWT asked for with the certificate; the trust domain if empty"},
    {"enable-mtls", &FlagValues::enable_mtls, "use mutual TLS between sidecars"},
    {"placement-host-address", &FlagValues::placement_host_address,
     "addresses of placement, comma separated"},
    {"scheduler-host-address", &FlagValues::scheduler_host_address, "addresses of the scheduler"},
    {"scheduler-job-streams", &FlagValues::scheduler_job_streams,
     "streams that wait for jobs at each scheduler"},
    {"actors-disseminate-timeout", &FlagValues::actors_disseminate_timeout,
     "longest round of placement before the stream is begun anew"},
    {"config", &FlagValues::config, "configuration files, or the name of one in Kubernetes"},
    {"resources-path", &FlagValues::resources_path, "folders with resource files"},
    {"hot-reload-reconcile-interval", &FlagValues::hot_reload_reconcile_interval,
     "how often resources are listed in case a change was missed; 0 for the default"},
    {"disable-builtin-k8s-secret-store", &FlagValues::disable_builtin_k8s_secret_store,
     "have no secret store that nobody configured", Effect::later},
    {"dapr-graceful-shutdown-seconds", &FlagValues::dapr_graceful_shutdown_seconds,
     "seconds an orderly end may take"},
    {"dapr-block-shutdown-duration", &FlagValues::dapr_block_shutdown_duration,
     "keep serving this long after a signal, or until the application is unhealthy"},
    {"enable-api-logging", &FlagValues::enable_api_logging, "log every call of the APIs"},
    {"log-level", &FlagValues::log_level, "debug, info, warn, error or fatal"},
    {"log-file", &FlagValues::log_file, "file that logs are appended to"},
    {"log-as-json", &FlagValues::log_as_json, "write logs as JSON"},
    {"version", &FlagValues::version, "print the version and end"},
    {"build-info", &FlagValues::build_info, "print version and revision and end"},
    {"wait", &FlagValues::wait, "wait until a sidecar on this machine is ready, and end"},
    {"components-path", &FlagValues::components_path, "", Effect::deprecated,
     "use --resources-path"},
    {"app-ssl", &FlagValues::app_ssl, "", Effect::deprecated, "use '--app-protocol https|grpcs'"},
    {"dapr-http-max-request-size", &FlagValues::dapr_http_max_request_size, "", Effect::deprecated,
     "use '--max-body-size 4Mi'"},
    {"dapr-http-read-buffer-size", &FlagValues::dapr_http_read_buffer_size, "", Effect::deprecated,
     "use '--read-buffer-size 4Ki'"},
    {"reminders-service", &FlagValues::reminders_service, "", Effect::deprecated,
     "flag no longer has any effect"},
    {"actors-service", &FlagValues::actors_service, "", Effect::deprecated,
     "flag no longer has any effect"},
};

}  // namespace

FlagValues::FlagValues() {
  for (const Row& row : kRows) {
    std::visit([&](auto member) { flags.add(row.name, &(this->*member), row.usage); }, row.target);
    if (row.effect == Effect::deprecated) flags.deprecate(row.name, row.advice);
  }
}

std::vector<std::string> FlagValues::without_effect() const {
  std::vector<std::string> names;
  for (const Row& row : kRows) {
    if (row.effect == Effect::later && flags.changed(row.name)) names.emplace_back(row.name);
  }
  return names;
}

}  // namespace outrigger::options
