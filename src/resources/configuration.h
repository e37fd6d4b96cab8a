#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/env.h"
#include "base/result.h"
#include "resources/common.h"

namespace outrigger::resources {

struct PipelineHandler {
  struct Selector {
    std::string field, value;
    bool operator==(const Selector&) const = default;
  };
  std::string name, type, version;
  std::vector<Selector> selector;

  bool operator==(const PipelineHandler&) const = default;
};

struct Tracing {
  struct Otel {
    /// "grpc" or "http".
    std::string protocol;
    std::string endpoint_address;
    bool is_secure = true;
    /// "name=value".
    std::vector<std::string> headers;
    std::optional<std::chrono::nanoseconds> timeout;

    bool operator==(const Otel&) const = default;
  };

  /// As written; empty if not given.
  std::string sampling_rate;
  bool print_to_stdout = false;
  std::string zipkin_endpoint_address;
  Otel otel;

  bool operator==(const Tracing&) const = default;
  /// The number; 0.0001 if none is given or it is no number. 0 turns tracing off.
  [[nodiscard]] double rate() const;
};

struct Metrics {
  struct Http {
    std::optional<bool> increased_cardinality, exclude_verbs;
    std::vector<std::string> path_matching;
    bool operator==(const Http&) const = default;
  };
  struct Label {
    std::string name;
    /// The label's new value, and the expression that the old one must match.
    std::map<std::string, std::string> regex;
    bool operator==(const Label&) const = default;
  };
  struct Rule {
    std::string name;
    std::vector<Label> labels;
    bool operator==(const Rule&) const = default;
  };

  std::optional<bool> enabled, record_error_codes;
  std::optional<Http> http;
  /// Milliseconds.
  std::optional<std::vector<std::int64_t>> latency_distribution_buckets;
  std::vector<Rule> rules;

  bool operator==(const Metrics&) const = default;
  [[nodiscard]] bool is_enabled() const noexcept { return enabled.value_or(true); }
  [[nodiscard]] bool records_error_codes() const noexcept {
    return record_error_codes.value_or(false);
  }
  [[nodiscard]] bool has_increased_cardinality() const noexcept {
    return !http || http->increased_cardinality.value_or(true);
  }
  [[nodiscard]] bool excludes_verbs() const noexcept {
    return http && http->exclude_verbs.value_or(false);
  }
  /// Those configured, or upstream's.
  [[nodiscard]] std::vector<std::int64_t> latency_buckets() const;
};

/// Which secrets of one store the app may read.
struct SecretScope {
  std::string store_name;
  /// "allow", "deny" in any case, or empty (allow).
  std::string default_access;
  /// Sorted.
  std::vector<std::string> allowed_secrets, denied_secrets;

  bool operator==(const SecretScope&) const = default;
  [[nodiscard]] bool allows(std::string_view secret) const;
};

struct AccessControl {
  struct Operation {
    std::string name, action;
    std::vector<std::string> http_verbs;
    bool operator==(const Operation&) const = default;
  };
  struct Policy {
    std::string app_id, default_action, trust_domain, namespace_name;
    std::vector<Operation> operations;
    bool operator==(const Policy&) const = default;
  };

  std::string default_action = "allow";
  std::string trust_domain = "public";
  std::vector<Policy> policies;

  bool operator==(const AccessControl&) const = default;
  /// Each policy needs an app id, a trust domain and a namespace: upstream's error if not.
  [[nodiscard]] Result<> check() const;
};

struct NameResolution {
  std::string component, version;
  /// spec.nameResolution.configuration as JSON; empty if there is none.
  std::string configuration_json;
  /// If it is a map: its members, strings as they are and other values as JSON.
  std::map<std::string, std::string> settings;

  bool operator==(const NameResolution&) const = default;
};

struct Mtls {
  struct TokenValidator {
    std::string name;
    std::map<std::string, std::string> options;
    bool operator==(const TokenValidator&) const = default;
  };
  bool enabled = false;
  /// Go durations as written; empty if not given (24h and 15m are sentry's defaults).
  std::string workload_cert_ttl, allowed_clock_skew;
  std::string sentry_address, control_plane_trust_domain;
  std::vector<TokenValidator> token_validators;

  bool operator==(const Mtls&) const = default;
};

struct ApiRule {
  std::string name, version;
  /// "http" or "grpc" in any case.
  std::string protocol;

  bool operator==(const ApiRule&) const = default;
};
/// "<version>/<name>" of the rules for that protocol ("http" or "grpc").
[[nodiscard]] std::set<std::string> api_keys(const std::vector<ApiRule>& rules,
                                             std::string_view protocol);

struct Workflow {
  struct Limit {
    std::string name;
    std::int32_t max_concurrent = 0;
    bool operator==(const Limit&) const = default;
  };
  struct Retention {
    std::optional<std::chrono::nanoseconds> any_terminal, completed, failed, terminated;
    bool operator==(const Retention&) const = default;
  };
  /// Of this sidecar; 0 or less: no limit.
  std::int32_t max_concurrent_workflow_invocations = 0, max_concurrent_activity_invocations = 0;
  /// Of all replicas; 0 or less: no limit.
  std::int32_t global_max_concurrent_workflow_invocations = 0;
  std::int32_t global_max_concurrent_activity_invocations = 0;
  std::vector<Limit> workflow_limits, activity_limits;
  /// nullopt: nothing is ever purged.
  std::optional<Retention> retention;

  bool operator==(const Workflow&) const = default;
};

struct ApiLogging {
  bool enabled = false, obfuscate_urls = false, omit_health_checks = false;
  bool operator==(const ApiLogging&) const = default;
};

struct Feature {
  std::string name;
  bool enabled = false;
  bool operator==(const Feature&) const = default;
};

/// kind Configuration: what one sidecar is told besides its flags. A default object is upstream's
/// configuration when no file is given.
struct Configuration {
  Configuration();

  Origin origin;
  std::string name, namespace_name;
  std::vector<PipelineHandler> http_pipeline, app_http_pipeline;
  Tracing tracing;
  /// spec.metric with spec.metrics on top.
  Metrics metrics;
  std::optional<Mtls> mtls;
  std::vector<SecretScope> secret_scopes;
  /// Ours (spec.secrets.pollInterval): how often the secrets that components use are asked for
  /// again; nullopt: never.
  std::optional<std::chrono::nanoseconds> secrets_poll_interval;
  /// nullopt (`accessControl:` with nothing after it): no access control.
  std::optional<AccessControl> access_control;
  std::optional<NameResolution> name_resolution;
  /// Those of the file, then upstream's defaults that it does not name.
  std::vector<Feature> features;
  std::vector<ApiRule> allowed_apis, denied_apis;
  /// Component types ("state.redis", "state.redis/v1") that must not be loaded.
  std::vector<std::string> denied_components;
  ApiLogging api_logging;
  bool wasm_strict_sandbox = false;
  Workflow workflow;

  bool operator==(const Configuration&) const = default;
  [[nodiscard]] bool feature_enabled(std::string_view feature) const;
  /// In the order of the file, each once.
  [[nodiscard]] std::vector<std::string> enabled_features() const;
  /// The scope of that secret store, or nullptr: then every secret may be read.
  [[nodiscard]] const SecretScope* secret_scope(std::string_view store) const;
};

}  // namespace outrigger::resources
