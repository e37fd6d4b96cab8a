#include "control/core/options.h"

#include <cstdio>

#include "base/strings.h"

namespace outrigger::control {
namespace {

Result<int> parse_port(std::string_view text, std::string_view flag) {
  const auto port = parse_int<int>(text);
  if (port && *port >= 0 && *port <= 65535) return *port;
  return fail(Code::invalid_argument, "invalid value for --" + std::string(flag) + ": \"" +
                                          std::string(text) + "\" is not a port");
}

}  // namespace

CommonFlags::CommonFlags(std::string program, int default_port, Identity identity)
    : flags(std::move(program)), port(default_port) {
  std::string own = process_environment()("NAMESPACE").value_or("");
  if (own.empty()) own = "default";
  sentry_address = "dapr-sentry." + own + ".svc:443";
  flags.add("port", &port, "port of the gRPC service");
  flags.add("listen-address", &listen_address, "address of the gRPC service; empty: all");
  flags.add("healthz-port", &healthz_port, "port of the health endpoint");
  flags.add("healthz-listen-address", &healthz_listen_address,
            "address of the health endpoint; empty: all");
  flags.add("trust-domain", &trust_domain, "trust domain of the control plane");
  if (identity == Identity::from_sentry) {
    flags.add("tls-enabled", &tls_enabled, "use mutual TLS on the gRPC service");
    flags.add("trust-anchors-file", &trust_anchors_file, "file with the trust anchors");
    flags.add("sentry-address", &sentry_address, "address of the certificate authority");
  }
  flags.add("mode", &mode, "standalone or kubernetes");
  flags.add("log-level", &log_level_, "debug, info, warn, error or fatal");
  flags.add("log-file", &log_file_, "file that logs are appended to");
  flags.add("log-as-json", &log_as_json_, "write logs as JSON");
  flags.add("metrics-port", &metrics_port_, "port for metrics");
  flags.add("metrics-listen-address", &metrics_listen_address_, "address of the metrics port");
  flags.add("enable-metrics", &enable_metrics_, "serve Prometheus metrics");
}

Result<CommonOptions> CommonFlags::check() const {
  CommonOptions options;
  const auto level = parse_log_level(log_level_);
  if (!level) return fail(Code::invalid_argument, "invalid value for --log-level: " + log_level_);
  options.log = {.app_id = {}, .level = *level, .as_json = log_as_json_, .file = log_file_};
  OUT_TRY(options.port, parse_port(std::to_string(port), "port"));
  OUT_TRY(options.healthz_port, parse_port(std::to_string(healthz_port), "healthz-port"));
  OUT_TRY(options.metrics_port, parse_port(metrics_port_, "metrics-port"));
  options.listen_address = listen_address;
  options.healthz_listen_address = healthz_listen_address;
  options.metrics = enable_metrics_;
  options.metrics_listen_address = metrics_listen_address_;
  if (mode != "standalone" && mode != "kubernetes") {
    return fail(Code::invalid_argument,
                "invalid value for --mode: " + mode + " (standalone or kubernetes)");
  }
  if (tls_enabled) {
    options.tls = CommonOptions::Tls{.trust_domain = trust_domain,
                                     .trust_anchors_file = trust_anchors_file,
                                     .sentry_address = sentry_address};
  }
  return options;
}

std::optional<CommonOptions> CommonFlags::parse(std::span<const std::string> arguments,
                                                int& exit_code) {
  const auto wish = flags.parse(arguments);
  if (!wish || *wish == Flags::Wish::help) {
    std::fprintf(stderr, "%s", flags.usage().c_str());
    if (!wish) std::fprintf(stderr, "%s\n", wish.error().message().c_str());
    exit_code = wish ? 0 : 2;
    return std::nullopt;
  }
  for (const std::string& notice : flags.notices()) std::fprintf(stderr, "%s\n", notice.c_str());
  auto options = check();
  if (options) {
    auto configured = configure_logging(options->log);
    if (configured) return *std::move(options);
    options = std::unexpected(std::move(configured).error());
  }
  std::fprintf(stderr, "%s\n", options.error().message().c_str());
  exit_code = 1;
  return std::nullopt;
}

}  // namespace outrigger::control
