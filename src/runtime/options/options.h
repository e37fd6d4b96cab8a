#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/env.h"
#include "base/log.h"
#include "base/result.h"

/// What the sidecar was told on its command line and in its environment, checked and typed.
/// Names, defaults and rules are those of upstream's daprd (facts/flags.tsv).
namespace outrigger::options {

enum class Mode : std::uint8_t { standalone, kubernetes };
[[nodiscard]] std::string_view to_string(Mode mode) noexcept;

/// How the application is spoken to.
enum class AppProtocol : std::uint8_t { http, https, h2c, grpc, grpcs };
[[nodiscard]] std::string_view to_string(AppProtocol protocol) noexcept;
/// http, https and h2c.
[[nodiscard]] bool is_http(AppProtocol protocol) noexcept;
/// https and grpcs; the certificate of the application is not checked.
[[nodiscard]] bool has_tls(AppProtocol protocol) noexcept;

/// Probes of the application; absent from Options if they are off.
struct AppHealthCheck {
  std::string path = "/healthz";
  std::chrono::nanoseconds interval = std::chrono::seconds(5);
  std::chrono::nanoseconds timeout = std::chrono::milliseconds(500);
  /// Consecutive failures that make it unhealthy.
  int threshold = 3;
};

struct App {
  std::string id;
  std::string address = "127.0.0.1";
  /// 0: there is no application to call.
  int port = 0;
  AppProtocol protocol = AppProtocol::http;
  /// Calls at a time; 0 means no limit.
  int concurrency_max = 0;
  std::optional<AppHealthCheck> health_check;
  /// Limit of the calls that ask for input bindings.
  std::chrono::nanoseconds binding_options_timeout = std::chrono::seconds(3);
  /// Calls at start that are left out.
  bool skip_config_call = false;
  bool skip_subscribe_call = false;
};

struct Listeners {
  int http_port = 3500;
  int grpc_port = 50001;
  /// Of the two API ports; one empty address means all interfaces.
  std::vector<std::string> addresses = {""};
  /// The folder of the API's Unix sockets, which then replace the ports; empty: none.
  std::string unix_folder;
  std::optional<int> public_port;
  std::string public_address;
  /// Sidecar to sidecar; nullopt: the stable port of stable_port(), or any free one.
  std::optional<int> internal_port;
  std::string internal_address;
  int profile_port = 7777;
  bool profiling = false;
  bool metrics = true;
  int metrics_port = 9090;
  std::string metrics_address = "0.0.0.0";
  /// Bytes of a request's body; 0 or less: no limit.
  std::int64_t body_bytes_max = 4 << 20;
  /// Bytes of a request's head.
  std::int64_t head_bytes_max = 4 << 10;
  /// Origins allowed by CORS, comma separated; empty: CORS is off.
  std::string allowed_origins;
  bool http2_cleartext = true;
};

struct ControlPlane {
  std::string operator_address;
  std::string sentry_address;
  std::string trust_domain = "localhost";
  std::string control_namespace = "default";
  /// PEM text, from the environment only.
  std::string trust_anchors;
  std::vector<std::string> jwt_audiences;
  /// nullopt if the variable is not set; set and empty is an error of whoever needs it.
  std::optional<std::string> sentry_token_file;
  std::string sentry_local_identity;
  bool mtls = false;
  /// Addresses of placement, comma separated; from --placement-host-address, else from the
  /// deprecated --actors-service if that says "placement:...". Empty: actors are off.
  std::string placement_addresses;
  std::vector<std::string> scheduler_addresses;
  unsigned scheduler_streams = 3;
  std::chrono::nanoseconds dissemination_timeout = std::chrono::seconds(30);
};

/// OTEL_* variables, as they are (the traces-specific one if both are set); empty if unset.
struct OtelEnvironment {
  std::string endpoint, protocol, headers, timeout, resource_attributes, service_name;
  bool insecure = false;
};

struct Options {
  Mode mode = Mode::standalone;
  App app;
  Listeners listen;
  ControlPlane control;
  std::vector<std::string> config;
  std::vector<std::string> resource_paths;
  bool builtin_kubernetes_secret_store = true;
  /// nullopt: as the Configuration says.
  std::optional<bool> api_logging;
  std::chrono::nanoseconds graceful_shutdown = std::chrono::seconds(5);
  /// nullopt: shutdown is not held up.
  std::optional<std::chrono::nanoseconds> block_shutdown;
  /// 0: the reconciler's own default.
  std::chrono::nanoseconds hot_reload_interval{0};
  LogOptions log;
  /// Flags that were given and do nothing yet, for the log.
  std::vector<std::string> flags_without_effect;
  OtelEnvironment otel;
  /// NAMESPACE; nullopt if it is not set.
  std::optional<std::string> own_namespace;
  std::string pod_name;
  /// Asked of API callers, and sent to the application; empty: none.
  std::string api_token;
  std::string app_api_token;
  std::string host_ip;
  /// Names that components may read with envRef.
  std::vector<std::string> env_keys;
  std::string pluggable_socket_folder = "/tmp/dapr-components-sockets";
  bool skip_container_user_check = false;
};

/// What the program is to do: run, or say something and end with exit code 0.
enum class Action : std::uint8_t { run, version, build_info, wait, help };

struct CommandLine {
  Action action = Action::run;
  /// How to log, known even if `options` is an error.
  LogOptions log;
  /// For standard error before all else: uses of deprecated flags.
  std::vector<std::string> notices;
  /// For Action::help (standard error, as upstream does).
  std::string usage;
  /// The port of --dapr-http-port as text, which is all that Action::wait needs.
  std::string http_port;
  /// Meaningful for Action::run. The error names the flag and is fatal (exit code 1).
  Result<Options> options = Options{};
};

/// The tag of errors of the command line's form: unknown flags, missing or malformed values. For
/// these the usage goes to standard error, then the message, and the exit code is 2. All others
/// are fatal errors with exit code 1.
inline constexpr std::string_view kUsageError = "USAGE";

/// Reads the arguments (without the program's name) and the environment.
[[nodiscard]] Result<CommandLine> parse_command_line(std::span<const std::string> arguments,
                                                     const Environment& environment);

/// The same for those who only want to run: the options or the first error.
[[nodiscard]] Result<Options> parse_options(std::span<const std::string> arguments,
                                            const Environment& environment);

/// The text of --help.
[[nodiscard]] std::string usage();

/// Every flag's name and its default as --help prints it ("" for a zero value), sorted.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> flag_defaults();

/// What --build-info prints.
[[nodiscard]] std::string build_info_text();

/// The internal port an application gets when none is given: the same after each restart in the
/// same folder by the same user on the same host, in [47300, 65535). The caller checks that it is
/// free.
[[nodiscard]] int stable_port(std::string_view app_id, std::string_view folder, unsigned user_id,
                              std::string_view host_name);

/// The variables daprd sets in its own environment at start, which components may refer to.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> own_variables(
    const Options& options, int internal_port, std::string_view host_address);

}  // namespace outrigger::options
