#include "runtime/options/flag_values.h"

namespace outrigger::options {

FlagValues::FlagValues() {
  add_listeners();
  add_app();
  add_control_plane();
  add_runtime();
  add_deprecated();
}

void FlagValues::add_listeners() {
  flags.add("dapr-http-port", &dapr_http_port, "port of the HTTP API");
  flags.add("dapr-grpc-port", &dapr_grpc_port, "port of the gRPC API");
  flags.add("dapr-listen-addresses", &dapr_listen_addresses,
            "addresses the APIs listen on, comma separated; all if empty");
  flags.add("dapr-public-port", &dapr_public_port,
            "port that serves health and metadata only; none if empty");
  flags.add("dapr-public-listen-address", &dapr_public_listen_address,
            "address of the public port");
  flags.add("dapr-internal-grpc-port", &dapr_internal_grpc_port,
            "port for other sidecars; a stable one is chosen if empty or 0");
  flags.add("dapr-internal-grpc-listen-address", &dapr_internal_grpc_listen_address,
            "address of the port for other sidecars");
  flags.add("unix-domain-socket", &unix_domain_socket,
            "folder for Unix sockets of the APIs, in place of their ports");
  flags.add("max-body-size", &max_body_size, "most bytes of a request's body, as a quantity");
  flags.add("read-buffer-size", &read_buffer_size,
            "most bytes of a request's headers, as a quantity");
  flags.add("allowed-origins", &allowed_origins, "origins that CORS allows, comma separated");
  flags.add("enable-profiling", &enable_profiling, "serve profiles");
  flags.add("profile-port", &profile_port, "port for profiles");
  flags.add("enable-metrics", &enable_metrics, "serve Prometheus metrics");
  flags.add("metrics-port", &metrics_port, "port for metrics");
  flags.add("metrics-listen-address", &metrics_listen_address, "address of the metrics port");
}

void FlagValues::add_app() {
  flags.add("app-id", &app_id, "name of the application, by which others find it");
  flags.add("app-port", &app_port, "port the application listens on");
  flags.add("app-protocol", &app_protocol,
            "how to call the application: http https h2c grpc grpcs");
  flags.add("app-channel-address", &app_channel_address, "host the application listens on");
  flags.add("app-max-concurrency", &app_max_concurrency,
            "most calls to the application at a time; -1 for no limit");
  flags.add("enable-app-health-check", &enable_app_health_check,
            "probe the health of the application");
  flags.add("app-health-check-path", &app_health_check_path, "path of an HTTP probe");
  flags.add("app-health-probe-interval", &app_health_probe_interval, "seconds between probes");
  flags.add("app-health-probe-timeout", &app_health_probe_timeout, "milliseconds a probe may take");
  flags.add("app-health-threshold", &app_health_threshold,
            "failed probes in a row that make the application unhealthy");
  flags.add("disable-init-endpoints", &disable_init_endpoints,
            "calls to leave out at start: config, subscribe");
  flags.add("app-binding-options-timeout", &app_binding_options_timeout,
            "limit of the calls that ask the application for its input bindings");
}

void FlagValues::add_control_plane() {
  flags.add("mode", &mode, "standalone or kubernetes");
  flags.add("control-plane-address", &control_plane_address, "address of the operator");
  flags.add("sentry-address", &sentry_address, "address of the certificate authority");
  flags.add("control-plane-trust-domain", &control_plane_trust_domain,
            "trust domain of the control plane");
  flags.add("control-plane-namespace", &control_plane_namespace, "namespace of the control plane");
  flags.add("sentry-request-jwt-audiences", &sentry_request_jwt_audiences,
            "audiences of the JWT asked for with the certificate; the trust domain if empty");
  flags.add("enable-mtls", &enable_mtls, "use mutual TLS between sidecars");
  flags.add("placement-host-address", &placement_host_address,
            "addresses of placement, comma separated");
  flags.add("scheduler-host-address", &scheduler_host_address, "addresses of the scheduler");
  flags.add("scheduler-job-streams", &scheduler_job_streams,
            "streams that wait for jobs at the scheduler");
  flags.add("actors-disseminate-timeout", &actors_disseminate_timeout,
            "longest round of placement before the stream is begun anew");
}

void FlagValues::add_runtime() {
  flags.add("config", &config, "configuration files, or the name of one in Kubernetes");
  flags.add("resources-path", &resources_path, "folders with resource files");
  flags.add("hot-reload-reconcile-interval", &hot_reload_reconcile_interval,
            "how often resources are listed in case a change was missed; 0 for the default");
  flags.add("disable-builtin-k8s-secret-store", &disable_builtin_k8s_secret_store,
            "have no secret store that nobody configured");
  flags.add("dapr-graceful-shutdown-seconds", &dapr_graceful_shutdown_seconds,
            "seconds an orderly end may take");
  flags.add("dapr-block-shutdown-duration", &dapr_block_shutdown_duration,
            "keep serving this long after a signal, or until the application is unhealthy");
  flags.add("enable-api-logging", &enable_api_logging, "log every call of the APIs");
  flags.add("log-level", &log_level, "debug, info, warn, error or fatal");
  flags.add("log-file", &log_file, "file that logs are appended to");
  flags.add("log-as-json", &log_as_json, "write logs as JSON");
  flags.add("version", &version, "print the version and end");
  flags.add("build-info", &build_info, "print version and revision and end");
  flags.add("wait", &wait, "wait until a sidecar on this machine is ready, and end");
}

void FlagValues::add_deprecated() {
  const auto old = [this](const char* name, auto* target, const char* advice) {
    flags.add(name, target, "");
    flags.deprecate(name, advice);
  };
  old("components-path", &components_path, "use --resources-path");
  old("app-ssl", &app_ssl, "use '--app-protocol https|grpcs'");
  old("dapr-http-max-request-size", &dapr_http_max_request_size, "use '--max-body-size 4Mi'");
  old("dapr-http-read-buffer-size", &dapr_http_read_buffer_size, "use '--read-buffer-size 4Ki'");
  old("reminders-service", &reminders_service, "flag no longer has any effect");
  old("actors-service", &actors_service, "flag no longer has any effect");
}

}  // namespace outrigger::options
