#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "base/env.h"
#include "base/flags.h"
#include "base/log.h"

namespace outrigger::control {

/// What every control-plane service is told by its flags (facts/flags.tsv).
struct CommonOptions {
  LogOptions log;
  int port = 0;
  /// Empty: all interfaces.
  std::string listen_address;
  int healthz_port = 8080;
  std::string healthz_listen_address;
  bool metrics = true;
  int metrics_port = 9090;
  std::string metrics_listen_address = "0.0.0.0";
  /// Of the gRPC server's connections.
  std::chrono::nanoseconds keepalive_time{0};
  std::chrono::nanoseconds keepalive_timeout{0};
  /// --tls-enabled: the gRPC port has mutual TLS, with an identity from sentry.
  struct Tls {
    std::string trust_domain;
    std::string trust_anchors_file;
    std::string sentry_address;
  };
  std::optional<Tls> tls;
};

/// The flags that all services have, on top of which each adds its own.
class CommonFlags {
 public:
  /// Where a service has its identity from: sentry tells it, or it is sentry.
  enum class Identity : std::uint8_t { from_sentry, own };
  /// `port`: the default of --port.
  CommonFlags(std::string program, int port, Identity identity = Identity::from_sentry);

  Flags flags;
  int port;
  std::string listen_address;
  int healthz_port = 8080;
  std::string healthz_listen_address;
  bool tls_enabled = false;
  std::string trust_domain = "localhost";
  std::string trust_anchors_file = "/var/run/secrets/dapr.io/tls/ca.crt";
  std::string sentry_address;
  std::string mode = "standalone";

  /// Reads the command line. nullopt: it was a question (--help) or a mistake, which has been
  /// answered, and the process is to end with `exit_code`.
  std::optional<CommonOptions> parse(std::span<const std::string> arguments, int& exit_code);

 private:
  std::string log_level_ = "info";
  std::string log_file_;
  bool log_as_json_ = false;
  std::string metrics_port_ = "9090";
  std::string metrics_listen_address_ = "0.0.0.0";
  bool enable_metrics_ = true;

  Result<CommonOptions> check() const;
};

}  // namespace outrigger::control
