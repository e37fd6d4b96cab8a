#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

/// The rules of Sentinel, as JSON arrays of them are written. Members that are not there keep the
/// values here; names match in any case.
namespace outrigger::components::middleware::sentinel {

/// How many requests for a resource may pass.
struct FlowRule {
  std::string resource;
  enum Strategy : std::int32_t { direct = 0, warm_up = 1, memory_adaptive = 2 };
  std::int32_t token_calculate_strategy = direct;
  enum Behavior : std::int32_t { reject = 0, throttling = 1 };
  std::int32_t control_behavior = reject;
  double threshold = 0;  ///< Requests in `stat_interval_ms`.
  enum Relation : std::int32_t { current = 0, associated = 1 };
  std::int32_t relation_strategy = current;  ///< Whose requests count: `ref_resource`'s?
  std::string ref_resource;
  std::uint32_t max_queueing_time_ms = 0;
  std::uint32_t warm_up_period_sec = 0;
  std::uint32_t warm_up_cold_factor = 0;
  std::uint32_t stat_interval_ms = 0;  ///< 0: a second.
  std::int64_t low_mem_usage_threshold = 0;
  std::int64_t high_mem_usage_threshold = 0;
  std::int64_t mem_low_water_mark_bytes = 0;
  std::int64_t mem_high_water_mark_bytes = 0;
};

/// When a resource is left alone for a while.
struct BreakerRule {
  std::string resource;
  enum Strategy : std::uint32_t { slow_request_ratio = 0, error_ratio = 1, error_count = 2 };
  std::uint32_t strategy = slow_request_ratio;
  std::uint32_t retry_timeout_ms = 0;
  std::uint64_t min_request_amount = 0;
  std::uint32_t stat_interval_ms = 0;
  std::uint32_t stat_sliding_window_bucket_count = 0;
  std::uint64_t max_allowed_rt_ms = 0;
  double threshold = 0;
  std::uint64_t probe_num = 0;
};

/// How many requests for a resource may run at a time.
struct IsolationRule {
  std::string resource;
  std::int32_t metric_type = 0;
  std::uint32_t threshold = 0;
};

/// When no resource gets any more requests.
struct SystemRule {
  enum Metric : std::uint32_t {
    load = 0,
    average_rt = 1,
    concurrency = 2,
    inbound_qps = 3,
    cpu_usage = 4
  };
  std::uint32_t metric_type = load;
  double trigger_count = 0;
  enum Strategy : std::int32_t { none = -1, bbr = 1 };
  std::int32_t strategy = 0;
};

/// How many requests with the same argument may pass. HTTP requests have no arguments here.
struct HotSpotRule {
  std::string resource;
};

/// The valid rules of a JSON array; those that are not valid are named in the log and left out, as
/// upstream does. Code::invalid_argument if the text is not an array of such rules.
Result<std::vector<FlowRule>> read_flow_rules(std::string_view json);
Result<std::vector<BreakerRule>> read_breaker_rules(std::string_view json);
Result<std::vector<IsolationRule>> read_isolation_rules(std::string_view json);
Result<std::vector<SystemRule>> read_system_rules(std::string_view json);
Result<std::vector<HotSpotRule>> read_hot_spot_rules(std::string_view json);

struct Rules {
  std::vector<FlowRule> flow;
  std::vector<BreakerRule> breakers;
  std::vector<IsolationRule> isolation;
  std::vector<SystemRule> system;
};

}  // namespace outrigger::components::middleware::sentinel
