#include "resources/resiliency.h"

#include "base/duration.h"
#include "base/strings.h"

namespace outrigger::resources {
namespace {

using std::chrono::nanoseconds;

// A Go duration, or a whole number of milliseconds.
void read_duration(const Field& field, nanoseconds& out) {
  std::string text;
  field.read(text);
  if (text.empty()) return;
  if (const auto number = parse_int<std::int64_t>(text)) {
    constexpr std::int64_t kMost = nanoseconds::max().count() / 1'000'000;
    if (*number > kMost || *number < -kMost) return field.problem("the duration is too long");
    out = std::chrono::milliseconds(*number);
    return;
  }
  const auto parsed = parse_duration(text);
  if (!parsed) return field.problem(parsed.error().message());
  out = *parsed;
}

struct CodeLimits {
  std::int32_t least, most;
};
constexpr CodeLimits kHttpCodes{100, 599};
constexpr CodeLimits kGrpcCodes{0, 16};

Result<CodeRange> parse_range(std::string_view text, CodeLimits limits) {
  const auto code = [&](std::string_view part) -> Result<std::int32_t> {
    const auto number = parse_int<std::int32_t>(part);
    if (number && *number >= limits.least && *number <= limits.most) return *number;
    return fail(Code::invalid_argument, "invalid pattern \"" + std::string(text) + "\": \"" +
                                            std::string(part) + "\" is no status code from " +
                                            std::to_string(limits.least) + " to " +
                                            std::to_string(limits.most));
  };
  const auto ends = cut(text, "-");
  OUT_TRY(const auto first, code(ends ? ends->first : text));
  OUT_TRY(const auto last, code(ends ? ends->second : text));
  if (last < first) {
    return fail(Code::invalid_argument,
                "invalid pattern \"" + std::string(text) + "\": the end is before the start");
  }
  return CodeRange{.first = first, .last = last};
}

void read_codes(const Field& field, CodeLimits limits, std::optional<std::vector<CodeRange>>& out) {
  std::string text;
  field.read(text);
  if (text.empty()) return;
  out.emplace();
  for (const std::string_view part : split(text, ',')) {
    if (part.empty()) continue;
    const auto range = parse_range(part, limits);
    if (!range) return field.problem(range.error().message());
    out->push_back(*range);
  }
}

void read_retry(const Field& field, RetryPolicy& out) {
  if (!field.is_map()) return;
  std::string kind;
  field["policy"].read(kind);
  const std::string lower = to_lower(kind);
  if (lower == "exponential") {
    out.kind = RetryPolicy::Kind::exponential;
  } else if (!lower.empty() && lower != "constant") {
    field["policy"].problem("expected constant or exponential, found \"" + kind + "\"");
  }
  read_duration(field["duration"], out.duration);
  read_duration(field["maxInterval"], out.max_interval);
  field["maxRetries"].read(out.max_retries);
  if (const Field matching = field["matching"]; matching.is_map()) {
    read_codes(matching["httpStatusCodes"], kHttpCodes, out.http_status_codes);
    read_codes(matching["gRPCStatusCodes"], kGrpcCodes, out.grpc_status_codes);
  }
}

void read_circuit_breaker(const Field& field, CircuitBreakerPolicy& out) {
  if (!field.is_map()) return;
  std::int32_t max_requests = 0;
  field["maxRequests"].read(max_requests);
  if (max_requests < 0) field["maxRequests"].problem("must not be negative");
  out.max_requests = static_cast<std::uint32_t>(max_requests);
  read_duration(field["interval"], out.interval);
  read_duration(field["timeout"], out.timeout);
  field["trip"].read(out.trip);
}

// Of the numbers that a policy of ours has.
constexpr std::int32_t kCountMax = 1'000'000'000;

void read_count(const Field& field, std::int32_t least, std::int32_t most, std::int32_t& out) {
  std::int32_t number = out;
  field.read(number);
  if (number < least || number > most) {
    return field.problem("must be from " + std::to_string(least) + " to " + std::to_string(most));
  }
  out = number;
}

void read_limit(const Field& field, LimitPolicy& out) {
  if (!field.is_map()) return;
  read_count(field["maxConcurrency"], 0, kCountMax, out.max_concurrency);
  read_count(field["burst"], 0, kCountMax, out.burst);
  std::string rate;
  field["requestsPerSecond"].read(rate);
  if (!rate.empty()) {
    const auto number = parse_double(rate);
    if (!number || !(*number > 0) || *number > kCountMax) {
      return field["requestsPerSecond"].problem("must be a number above 0, up to 1000000000");
    }
    out.requests_per_second = *number;
  }
  if (out.max_concurrency == 0 && out.requests_per_second == 0) {
    field.problem("must have a maxConcurrency or requestsPerSecond");
  }
}

void read_ejection(const Field& field, EjectionPolicy& out) {
  if (!field.is_map()) return;
  read_count(field["failures"], 1, kCountMax, out.failures);
  read_count(field["maxPercent"], 1, 100, out.max_percent);
  read_duration(field["duration"], out.duration);
  constexpr auto kLongest = std::chrono::hours(24);
  if (out.duration <= nanoseconds(0) || out.duration > kLongest) {
    field["duration"].problem("must be above 0, up to 24h");
  }
}

void read_names(const Field& field, PolicyNames& out) {
  if (!field.is_map()) return;
  field["timeout"].read(out.timeout);
  field["retry"].read(out.retry);
  field["circuitBreaker"].read(out.circuit_breaker);
}

void read_cache_size(const Field& field, std::int32_t& out) {
  std::int32_t size = 0;
  field.read(size);
  if (size < 0) field.problem("must provide a positive size");
  if (size > 0) out = size;
}

void read_app(const Field& field, AppTarget& out) {
  read_names(field, out.policies);
  read_cache_size(field["circuitBreakerCacheSize"], out.circuit_breaker_cache_size);
  if (!field.is_map()) return;
  field["limit"].read(out.limit);
  field["ejection"].read(out.ejection);
}

void read_actor(const Field& field, ActorTarget& out) {
  read_names(field, out.policies);
  read_cache_size(field["circuitBreakerCacheSize"], out.circuit_breaker_cache_size);
  if (out.policies.circuit_breaker.empty()) return;
  std::string scope;
  field["circuitBreakerScope"].read(scope);
  if (scope == "type") {
    out.circuit_breaker_scope = ActorTarget::Scope::type;
  } else if (scope == "id") {
    out.circuit_breaker_scope = ActorTarget::Scope::id;
  } else if (scope == "both") {
    out.circuit_breaker_scope = ActorTarget::Scope::both;
  } else if (scope.empty()) {
    field.problem("actor circuit breakers must include scope");
  } else {
    field["circuitBreakerScope"].problem("unknown circuit breaker scope \"" + scope + "\"");
  }
}

void read_component(const Field& field, ComponentTarget& out) {
  if (!field.is_map()) return;
  read_names(field["inbound"], out.inbound);
  read_names(field["outbound"], out.outbound);
}

template <class T>
void read_named(const Field& field, std::map<std::string, T>& out, void (*read)(const Field&, T&)) {
  field.members([&](const std::string& name, const Field& value) { read(value, out[name]); });
}

void read_timeout(const Field& field, nanoseconds& out) {
  std::string text;
  field.read(text);
  if (text.empty()) return field.problem("time: invalid duration \"\"");
  read_duration(field, out);
}

}  // namespace

Result<Resiliency> parse_resiliency(const yaml::Node& document, Report& report) {
  const Field root(document, report);
  Header header = read_header(root);
  Resiliency resiliency;
  resiliency.origin = {.file = report.file(), .line = document.line};
  resiliency.name = std::move(header.name);
  resiliency.namespace_name = std::move(header.namespace_name);
  root["scopes"].read(resiliency.scopes);
  if (const Field spec = root["spec"]; spec.is_map()) {
    if (const Field policies = spec["policies"]; policies.is_map()) {
      read_named(policies["timeouts"], resiliency.timeouts, read_timeout);
      read_named(policies["retries"], resiliency.retries, read_retry);
      read_named(policies["circuitBreakers"], resiliency.circuit_breakers, read_circuit_breaker);
      read_named(policies["limits"], resiliency.limits, read_limit);
      read_named(policies["ejections"], resiliency.ejections, read_ejection);
    }
    if (const Field targets = spec["targets"]; targets.is_map()) {
      read_named(targets["apps"], resiliency.apps, read_app);
      read_named(targets["actors"], resiliency.actors, read_actor);
      read_named(targets["components"], resiliency.components, read_component);
    }
  }
  OUT_CHECK(report.result());
  return resiliency;
}

}  // namespace outrigger::resources
