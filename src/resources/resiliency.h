#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "resources/common.h"
#include "resources/yaml.h"

namespace outrigger::resources {

/// Status codes, both ends included.
struct CodeRange {
  std::int32_t first = 0, last = 0;

  bool operator==(const CodeRange&) const = default;
  [[nodiscard]] bool contains(std::int32_t code) const noexcept {
    return code >= first && code <= last;
  }
};

struct RetryPolicy {
  enum class Kind : std::uint8_t { constant, exponential };

  Kind kind = Kind::constant;
  /// The delay of a constant policy; an exponential one does not use it (it starts with 500 ms).
  std::chrono::nanoseconds duration = std::chrono::seconds(5);
  /// The longest delay of an exponential policy.
  std::chrono::nanoseconds max_interval = std::chrono::seconds(60);
  /// How long an exponential policy goes on; no document sets it. 0: for ever.
  std::chrono::nanoseconds max_elapsed = std::chrono::minutes(15);
  /// -1: no limit; 0: no retry.
  std::int64_t max_retries = -1;
  /// nullopt: every failure is retried.
  std::optional<std::vector<CodeRange>> http_status_codes, grpc_status_codes;

  bool operator==(const RetryPolicy&) const = default;
};

struct CircuitBreakerPolicy {
  /// Let through while half open; 0 means 1.
  std::uint32_t max_requests = 0;
  /// 0: counts are never cleared while closed.
  std::chrono::nanoseconds interval{0};
  /// 0 means 60 s.
  std::chrono::nanoseconds timeout{0};
  /// A CEL expression, not compiled here; empty means consecutiveFailures > 5.
  std::string trip;

  bool operator==(const CircuitBreakerPolicy&) const = default;
};

/// How much an application may be asked by invocation; ours, upstream passes over it.
struct LimitPolicy {
  /// Calls that run at once; 0: any number.
  std::int32_t max_concurrency = 0;
  /// 0: any number.
  double requests_per_second = 0;
  /// As many may come at once before the rate counts; 0: as many as in a second, at least one.
  std::int32_t burst = 0;

  bool operator==(const LimitPolicy&) const = default;
  [[nodiscard]] double burst_size() const noexcept {
    return burst > 0 ? static_cast<double>(burst) : std::max(1.0, requests_per_second);
  }
};

/// When a replica of an application is passed over for a while; ours, too.
struct EjectionPolicy {
  /// In a row.
  std::int32_t failures = 5;
  /// The first time; the n-th time in a row takes n times as long, up to ten.
  std::chrono::nanoseconds duration = std::chrono::seconds(30);
  /// Of the replicas that were called lately, so many percent may be out at once.
  std::int32_t max_percent = 50;

  bool operator==(const EjectionPolicy&) const = default;
};

/// Names of policies; empty: none.
struct PolicyNames {
  std::string timeout, retry, circuit_breaker;

  bool operator==(const PolicyNames&) const = default;
};

struct AppTarget {
  static constexpr std::int32_t kCacheSize = 100;

  PolicyNames policies;
  std::int32_t circuit_breaker_cache_size = kCacheSize;
  /// Names of policies; empty: none.
  std::string limit, ejection;

  bool operator==(const AppTarget&) const = default;
};

struct ActorTarget {
  static constexpr std::int32_t kCacheSize = 5000;
  enum class Scope : std::uint8_t { type, id, both };

  PolicyNames policies;
  /// Of no meaning without a circuit breaker.
  Scope circuit_breaker_scope = Scope::type;
  std::int32_t circuit_breaker_cache_size = kCacheSize;

  bool operator==(const ActorTarget&) const = default;
};

struct ComponentTarget {
  PolicyNames inbound, outbound;

  bool operator==(const ComponentTarget&) const = default;
};

/// kind Resiliency, apiVersion dapr.io/v1alpha1. Checked when read: durations, policy kinds,
/// status codes, scopes. Whether the policies that targets name exist is not an error upstream
/// either; such a name means no policy.
struct Resiliency {
  static constexpr std::string_view kKind = "Resiliency";
  static constexpr std::string_view kApiVersion = "dapr.io/v1alpha1";

  Origin origin;
  std::string name;
  std::string namespace_name;
  std::map<std::string, std::chrono::nanoseconds> timeouts;
  std::map<std::string, RetryPolicy> retries;
  std::map<std::string, CircuitBreakerPolicy> circuit_breakers;
  std::map<std::string, LimitPolicy> limits;
  std::map<std::string, EjectionPolicy> ejections;
  std::map<std::string, AppTarget> apps;
  std::map<std::string, ActorTarget> actors;
  std::map<std::string, ComponentTarget> components;
  std::vector<std::string> scopes;

  bool operator==(const Resiliency&) const = default;
};

[[nodiscard]] Result<Resiliency> parse_resiliency(const yaml::Node& document, Report& report);

}  // namespace outrigger::resources
