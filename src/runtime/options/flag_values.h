#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/flags.h"

namespace outrigger::options {

/// The flags of daprd as they were written: the defaults before parsing, untyped where upstream
/// checks the text only later. Not copyable, for the flags point into it.
struct FlagValues {
  FlagValues();
  FlagValues(const FlagValues&) = delete;
  FlagValues& operator=(const FlagValues&) = delete;

  std::string mode = "standalone";
  std::string dapr_http_port = "3500";
  std::string dapr_listen_addresses;
  std::string dapr_public_port;
  std::string dapr_public_listen_address;
  std::string dapr_grpc_port = "50001";
  std::string dapr_internal_grpc_port;
  std::string dapr_internal_grpc_listen_address;
  std::string app_port;
  std::string profile_port = "7777";
  std::string app_protocol = "http";
  std::string components_path;
  std::vector<std::string> resources_path;
  std::vector<std::string> config;
  std::string app_id;
  std::string control_plane_address;
  std::string sentry_address;
  std::string control_plane_trust_domain = "localhost";
  std::string control_plane_namespace = "default";
  std::vector<std::string> sentry_request_jwt_audiences;
  std::string allowed_origins;
  bool enable_profiling = false;
  bool version = false;
  bool build_info = false;
  bool wait = false;
  int app_max_concurrency = -1;
  bool enable_mtls = false;
  bool app_ssl = false;
  int dapr_http_max_request_size = 4;
  std::string max_body_size = "4Mi";
  int dapr_http_read_buffer_size = 4;
  std::string read_buffer_size = "4Ki";
  std::string unix_domain_socket;
  int dapr_graceful_shutdown_seconds = 5;
  std::chrono::nanoseconds dapr_block_shutdown_duration{0};
  bool enable_api_logging = false;
  bool disable_builtin_k8s_secret_store = false;
  bool enable_app_health_check = false;
  std::string app_health_check_path = "/healthz";
  int app_health_probe_interval = 5;
  int app_health_probe_timeout = 500;
  int app_health_threshold = 3;
  std::string app_channel_address = "127.0.0.1";
  std::vector<std::string> disable_init_endpoints;
  std::string placement_host_address;
  std::vector<std::string> scheduler_host_address;
  unsigned scheduler_job_streams = 3;
  std::chrono::nanoseconds actors_disseminate_timeout = std::chrono::seconds(30);
  std::chrono::nanoseconds hot_reload_reconcile_interval{0};
  std::chrono::nanoseconds app_binding_options_timeout = std::chrono::seconds(3);
  std::string reminders_service;
  std::string actors_service;
  std::string log_level = "info";
  std::string log_file;
  bool log_as_json = false;
  std::string metrics_port = "9090";
  std::string metrics_listen_address = "0.0.0.0";
  bool enable_metrics = true;

  Flags flags{"daprd"};

  /// The flags that were given and do nothing yet.
  [[nodiscard]] std::vector<std::string> without_effect() const;
};

}  // namespace outrigger::options
