#include "components/middleware/sentinel_rules.h"

#include <span>
#include <variant>

#include "base/json.h"
#include "base/log.h"
#include "base/strings.h"

namespace outrigger::components::middleware::sentinel {
namespace {

const Logger log("dapr.contrib");

// Far more than is of use; each costs memory.
constexpr std::uint32_t kBucketsMax = 10'000;

template <class Rule>
struct Member {
  std::string_view name;
  std::variant<std::string Rule::*, double Rule::*, std::int32_t Rule::*, std::uint32_t Rule::*,
               std::int64_t Rule::*, std::uint64_t Rule::*>
      target;
};

bool read(std::string_view raw, std::string& out) {
  auto text = json::string_value(raw);
  if (text) out = *std::move(text);
  return text.has_value();
}
bool read(std::string_view raw, double& out) {
  const auto number = json::double_value(raw);
  out = number.value_or(0);
  return number.has_value();
}
template <class Integer>
bool read(std::string_view raw, Integer& out) {
  const auto number =
      json::type_of(raw) == json::Type::number ? parse_int<Integer>(raw) : std::optional<Integer>();
  out = number.value_or(0);
  return number.has_value();
}

template <class Rule>
Result<Rule> read_rule(std::string_view raw, std::span<const Member<Rule>> table) {
  Rule rule;
  std::string_view wrong;
  json::ObjectReader members(raw);
  while (members.next()) {
    for (const auto& member : table) {
      if (!members.key_is(member.name) || members.value() == "null") continue;
      const bool fits = std::visit([&](auto target) { return read(members.value(), rule.*target); },
                                   member.target);
      if (!fits) wrong = member.name;
    }
  }
  if (!members.ok()) return fail(Code::invalid_argument, "a rule is not an object");
  if (wrong.empty()) return rule;
  return fail(Code::invalid_argument, "the member " + std::string(wrong) + " is not of its type");
}

/// What is wrong with a rule; "" if nothing is.
std::string_view fault(const FlowRule& rule) {
  if (rule.resource.empty()) return "empty Resource";
  if (rule.threshold < 0) return "negative Threshold";
  if (rule.token_calculate_strategy < 0 || rule.token_calculate_strategy > 2) {
    return "invalid TokenCalculateStrategy";
  }
  if (rule.control_behavior < 0 || rule.control_behavior > 1) return "invalid ControlBehavior";
  if (rule.relation_strategy < 0 || rule.relation_strategy > 1) return "invalid RelationStrategy";
  if (rule.relation_strategy == FlowRule::associated && rule.ref_resource.empty()) {
    return "RefResource must be non empty when RelationStrategy is AssociatedResource";
  }
  if (rule.token_calculate_strategy == FlowRule::warm_up) {
    if (rule.warm_up_period_sec == 0) return "WarmUpPeriodSec must be great than 0";
    if (rule.warm_up_cold_factor == 1) return "WarmUpColdFactor must be great than 1";
  }
  if (rule.token_calculate_strategy == FlowRule::memory_adaptive) {
    if (rule.low_mem_usage_threshold <= 0 || rule.high_mem_usage_threshold <= 0 ||
        rule.high_mem_usage_threshold >= rule.low_mem_usage_threshold) {
      return "HighMemUsageThreshold must be more than 0 and less than LowMemUsageThreshold";
    }
    if (rule.mem_low_water_mark_bytes <= 0 ||
        rule.mem_high_water_mark_bytes <= rule.mem_low_water_mark_bytes) {
      return "MemLowWaterMarkBytes must be more than 0 and less than MemHighWaterMarkBytes";
    }
  }
  return "";
}

std::string_view fault(const BreakerRule& rule) {
  if (rule.resource.empty()) return "empty resource name";
  if (rule.strategy > BreakerRule::error_count) return "invalid Strategy";
  if (rule.stat_interval_ms == 0) return "invalid StatIntervalMs";
  if (rule.retry_timeout_ms == 0) return "invalid RetryTimeoutMs";
  if (rule.threshold < 0) return "invalid Threshold";
  if (rule.strategy == BreakerRule::slow_request_ratio && rule.threshold > 1) {
    return "invalid slow request ratio threshold (valid range: [0.0, 1.0])";
  }
  if (rule.strategy == BreakerRule::error_ratio && rule.threshold > 1) {
    return "invalid error ratio threshold (valid range: [0.0, 1.0])";
  }
  if (rule.stat_sliding_window_bucket_count > kBucketsMax) {
    return "StatSlidingWindowBucketCount is above 10000";
  }
  return "";
}

std::string_view fault(const IsolationRule& rule) {
  if (rule.resource.empty()) return "empty resource of isolation rule";
  if (rule.metric_type != 0) return "unsupported metric type";
  if (rule.threshold == 0) return "zero threshold";
  return "";
}

std::string_view fault(const SystemRule& rule) {
  if (rule.trigger_count < 0) return "negative threshold";
  if (rule.metric_type > SystemRule::cpu_usage) return "invalid metric type";
  if (rule.metric_type == SystemRule::cpu_usage && rule.trigger_count > 1) {
    return "invalid CPU usage, valid range is [0.0, 1.0]";
  }
  return "";
}

std::string_view fault(const HotSpotRule& rule) {
  return rule.resource.empty() ? "empty resource name" : "";
}

template <class Rule, std::size_t count>
Result<std::vector<Rule>> read_rules(std::string_view text, const Member<Rule> (&table)[count]) {
  std::vector<Rule> rules;
  json::ArrayReader elements(text);
  while (elements.next()) {
    OUT_TRY(auto rule, read_rule<Rule>(elements.value(), table));
    const auto wrong = fault(rule);
    if (wrong.empty()) {
      rules.push_back(std::move(rule));
    } else {
      log.warn("Ignoring invalid sentinel rule ", elements.value(), ": ", wrong);
    }
  }
  if (elements.ok()) return rules;
  return fail(Code::invalid_argument, "not a JSON array of rules");
}

constexpr Member<FlowRule> kFlow[] = {
    {"resource", &FlowRule::resource},
    {"tokenCalculateStrategy", &FlowRule::token_calculate_strategy},
    {"controlBehavior", &FlowRule::control_behavior},
    {"threshold", &FlowRule::threshold},
    {"relationStrategy", &FlowRule::relation_strategy},
    {"refResource", &FlowRule::ref_resource},
    {"maxQueueingTimeMs", &FlowRule::max_queueing_time_ms},
    {"warmUpPeriodSec", &FlowRule::warm_up_period_sec},
    {"warmUpColdFactor", &FlowRule::warm_up_cold_factor},
    {"statIntervalInMs", &FlowRule::stat_interval_ms},
    {"lowMemUsageThreshold", &FlowRule::low_mem_usage_threshold},
    {"highMemUsageThreshold", &FlowRule::high_mem_usage_threshold},
    {"memLowWaterMarkBytes", &FlowRule::mem_low_water_mark_bytes},
    {"memHighWaterMarkBytes", &FlowRule::mem_high_water_mark_bytes},
};
constexpr Member<BreakerRule> kBreaker[] = {
    {"resource", &BreakerRule::resource},
    {"strategy", &BreakerRule::strategy},
    {"retryTimeoutMs", &BreakerRule::retry_timeout_ms},
    {"minRequestAmount", &BreakerRule::min_request_amount},
    {"statIntervalMs", &BreakerRule::stat_interval_ms},
    {"statSlidingWindowBucketCount", &BreakerRule::stat_sliding_window_bucket_count},
    {"maxAllowedRtMs", &BreakerRule::max_allowed_rt_ms},
    {"threshold", &BreakerRule::threshold},
    {"probeNum", &BreakerRule::probe_num},
};
constexpr Member<IsolationRule> kIsolation[] = {
    {"resource", &IsolationRule::resource},
    {"metricType", &IsolationRule::metric_type},
    {"threshold", &IsolationRule::threshold},
};
constexpr Member<SystemRule> kSystem[] = {
    {"metricType", &SystemRule::metric_type},
    {"triggerCount", &SystemRule::trigger_count},
    {"strategy", &SystemRule::strategy},
};
constexpr Member<HotSpotRule> kHotSpot[] = {{"resource", &HotSpotRule::resource}};

}  // namespace

Result<std::vector<FlowRule>> read_flow_rules(std::string_view json) {
  return read_rules(json, kFlow);
}
Result<std::vector<BreakerRule>> read_breaker_rules(std::string_view json) {
  return read_rules(json, kBreaker);
}
Result<std::vector<IsolationRule>> read_isolation_rules(std::string_view json) {
  return read_rules(json, kIsolation);
}
Result<std::vector<SystemRule>> read_system_rules(std::string_view json) {
  return read_rules(json, kSystem);
}
Result<std::vector<HotSpotRule>> read_hot_spot_rules(std::string_view json) {
  return read_rules(json, kHotSpot);
}

}  // namespace outrigger::components::middleware::sentinel
