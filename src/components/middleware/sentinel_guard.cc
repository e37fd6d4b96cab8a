#include "components/middleware/sentinel_guard.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <limits>

namespace outrigger::components::middleware::sentinel {
namespace {

// Upstream's statistics: ten seconds in halves of one; a rule looks at one second unless it says
// otherwise.
constexpr std::uint32_t kBucketMs = 500;
constexpr std::uint32_t kBuckets = 20;
constexpr std::uint32_t kSamples = 2;
constexpr std::uint32_t kColdFactor = 3;
// Thresholds above it mean "no limit", and arithmetic with them stays within its types.
constexpr double kThresholdMax = 1e12;
constexpr double kEqual = 1e-8;

double bounded(double value) { return std::clamp(value, 0.0, kThresholdMax); }

}  // namespace

/// How a flow rule stands.
struct Guard::Flow {
  FlowRule rule;
  Resource* counted = nullptr;  // Whose requests count.
  std::unique_ptr<Window> own;  // For an interval that the resource's window cannot show.
  std::uint32_t samples = kSamples;
  double last_passed_ms = -1e15;
  double warning_token = 0, max_token = 0, slope = 0, stored_tokens = 0;
  Millis last_filled = 0;

  [[nodiscard]] const Window& window() const;
};

struct Guard::Breaker {
  explicit Breaker(const BreakerRule& of)
      : rule(of), window(bucket_count(of), of.stat_interval_ms) {}
  static std::uint32_t bucket_count(const BreakerRule& rule) {
    const std::uint32_t count = rule.stat_sliding_window_bucket_count;
    return count == 0 || rule.stat_interval_ms % count != 0 ? 1 : count;
  }
  enum class State : std::uint8_t { closed, open, half_open };

  bool try_pass(Millis now, bool& probing) {
    if (state == State::closed) return true;
    if (state == State::half_open) return rule.probe_num > 0;
    if (now < retry_at) return false;
    state = State::half_open;
    probing = true;
    return true;
  }
  void open(Millis now) {
    state = State::open;
    probes = 0;
    retry_at = now + static_cast<Millis>(rule.retry_timeout_ms);
  }
  void complete(Millis rt_ms, bool error, Millis now);
  [[nodiscard]] bool above(const Counts& counts) const {
    const auto bad = static_cast<double>(counts.bad);
    if (rule.strategy == BreakerRule::error_count) return bad >= std::floor(rule.threshold);
    const double ratio = bad / static_cast<double>(counts.completed);
    return ratio > rule.threshold || std::abs(ratio - rule.threshold) < kEqual;
  }

  const BreakerRule rule;
  Window window;
  State state = State::closed;
  Millis retry_at = 0;
  std::uint64_t probes = 0;
};

void Guard::Breaker::complete(Millis rt_ms, bool error, Millis now) {
  const bool slow = static_cast<std::uint64_t>(rt_ms) > rule.max_allowed_rt_ms;
  const bool bad = rule.strategy == BreakerRule::slow_request_ratio ? slow : error;
  Counts& current = window.at(now);
  ++current.completed;
  if (bad) ++current.bad;
  if (state == State::open) return;
  if (state == State::half_open) {
    if (bad) return open(now);
    if (++probes < rule.probe_num) return;
    state = State::closed;
    probes = 0;
    window.clear();
    return;
  }
  const Counts counts = window.sum(now, window.size());
  if (counts.completed >= rule.min_request_amount && above(counts)) open(now);
}

struct Guard::Resource {
  Window window{kBuckets, kBuckets* kBucketMs};
  std::int64_t running = 0;
  std::vector<Flow*> counting;  // Rules with a window of their own.
  std::vector<std::unique_ptr<Flow>> flows;
  std::vector<IsolationRule> isolation;
  std::vector<std::unique_ptr<Breaker>> breakers;

  void passed(Millis now) {
    ++window.at(now).passed;
    for (Flow* flow : counting) ++flow->own->at(now).passed;
    ++running;
  }
  void completed(Millis rt_ms, Millis now) {
    Counts& counts = window.at(now);
    ++counts.completed;
    counts.total_rt_ms += static_cast<std::uint64_t>(rt_ms);
    counts.min_rt_ms = std::min(counts.min_rt_ms, static_cast<std::uint64_t>(rt_ms));
    --running;
  }
};

const Window& Guard::Flow::window() const { return own ? *own : counted->window; }

Guard::Guard(Rules rules, Machine machine)
    : rules_(std::move(rules)),
      machine_(std::move(machine)),
      inbound_(std::make_unique<Resource>()) {
  for (const FlowRule& rule : rules_.flow) {
    auto flow = std::make_unique<Flow>();
    flow->rule = rule;
    const bool other = rule.relation_strategy == FlowRule::associated;
    flow->counted = &make(other ? rule.ref_resource : rule.resource);
    const std::uint32_t interval = rule.stat_interval_ms;
    const bool shared =
        interval >= kBucketMs && interval <= kBuckets * kBucketMs && interval % kBucketMs == 0;
    if (shared) flow->samples = interval / kBucketMs;
    if (interval != 0 && !shared) {
      flow->own = std::make_unique<Window>(1, interval);
      flow->samples = 1;
      flow->counted->counting.push_back(flow.get());
    }
    if (rule.token_calculate_strategy == FlowRule::warm_up) {
      const double factor = rule.warm_up_cold_factor <= 1 ? kColdFactor : rule.warm_up_cold_factor;
      const double worth = bounded(rule.warm_up_period_sec * bounded(rule.threshold));
      flow->warning_token = std::floor(worth / (factor - 1));
      flow->max_token = flow->warning_token + std::floor(2 * worth / (1 + factor));
      flow->slope = (factor - 1) / rule.threshold / (flow->max_token - flow->warning_token);
      // Of thresholds too small to warm up to.
      if (!std::isfinite(flow->slope)) flow->slope = 0;
      flow->rule.warm_up_cold_factor = static_cast<std::uint32_t>(factor);
    }
    make(rule.resource).flows.push_back(std::move(flow));
  }
  for (const auto& rule : rules_.isolation) make(rule.resource).isolation.push_back(rule);
  for (const auto& rule : rules_.breakers) {
    make(rule.resource).breakers.push_back(std::make_unique<Breaker>(rule));
  }
}
Guard::~Guard() = default;

Guard::Resource& Guard::make(const std::string& name) {
  auto& slot = resources_[name];
  if (slot == nullptr) slot = std::make_unique<Resource>();
  return *slot;
}
Guard::Resource* Guard::find(const std::string& name) {
  const auto found = resources_.find(name);
  return found == resources_.end() ? nullptr : found->second.get();
}
bool Guard::names(const std::string& resource) const { return resources_.contains(resource); }

bool Guard::bandwidth_left(Millis now) const {
  // As TCP's BBR: what passed in the best moment, at the best speed.
  const auto running = static_cast<double>(inbound_->running);
  const double best =
      static_cast<double>(inbound_->window.most_completed(now, kSamples)) * 1000.0 / kBucketMs;
  const double rt = static_cast<double>(inbound_->window.sum(now, kSamples).min_rt_ms);
  return running <= 1 || running <= best * rt / 1000.0;
}

bool Guard::system_rule_allows(const SystemRule& rule, Millis now) {
  const Counts counts = inbound_->window.sum(now, kSamples);
  const bool adapts = rule.strategy == SystemRule::bbr;
  switch (rule.metric_type) {
    case SystemRule::inbound_qps: return static_cast<double>(counts.passed) < rule.trigger_count;
    case SystemRule::concurrency:
      return static_cast<double>(inbound_->running) < rule.trigger_count;
    case SystemRule::average_rt: {
      const double average = counts.completed == 0 ? 0.0
                                                   : static_cast<double>(counts.total_rt_ms) /
                                                         static_cast<double>(counts.completed);
      return average < rule.trigger_count;
    }
    case SystemRule::load:
      return machine_.load() <= rule.trigger_count || (adapts && bandwidth_left(now));
    case SystemRule::cpu_usage:
      return machine_.cpu() <= rule.trigger_count || (adapts && bandwidth_left(now));
    default: return true;
  }
}

bool Guard::system_allows(Millis now) {
  return std::ranges::all_of(rules_.system,
                             [&](const SystemRule& rule) { return system_rule_allows(rule, now); });
}

double Guard::threshold_of(Flow& flow, Millis now) {
  const FlowRule& rule = flow.rule;
  if (rule.token_calculate_strategy == FlowRule::direct) return rule.threshold;
  if (rule.token_calculate_strategy == FlowRule::memory_adaptive) {
    const std::int64_t used = machine_.resident();
    const auto low = static_cast<double>(rule.low_mem_usage_threshold);
    const auto high = static_cast<double>(rule.high_mem_usage_threshold);
    if (used <= rule.mem_low_water_mark_bytes) return low;
    if (used >= rule.mem_high_water_mark_bytes) return high;
    const auto span =
        static_cast<double>(rule.mem_high_water_mark_bytes - rule.mem_low_water_mark_bytes);
    return (high - low) / span * static_cast<double>(used - rule.mem_low_water_mark_bytes) + low;
  }
  // Warm-up: tokens gather while little passes, and many tokens mean a cold system.
  const Window& window = flow.window();
  const Millis second = now - now % 1000;
  if (second > flow.last_filled) {
    const double interval_s = static_cast<double>(window.bucket_ms()) * flow.samples / 1000.0;
    const double qps =
        static_cast<double>(window.sum(now - window.bucket_ms(), flow.samples).passed) / interval_s;
    const double gained = static_cast<double>(second - flow.last_filled) * rule.threshold / 1000.0;
    const bool cold = qps < std::floor(rule.threshold) / rule.warm_up_cold_factor;
    const bool fills = flow.stored_tokens < flow.warning_token ||
                       (flow.stored_tokens > flow.warning_token && cold);
    if (fills) flow.stored_tokens += bounded(std::floor(gained));
    flow.stored_tokens = std::min(flow.stored_tokens, flow.max_token);
    flow.stored_tokens = std::max(0.0, flow.stored_tokens - std::floor(qps));
    flow.last_filled = second;
  }
  if (flow.stored_tokens < flow.warning_token || !(rule.threshold > 0)) return rule.threshold;
  const double above = flow.stored_tokens - flow.warning_token;
  return std::nextafter(1.0 / (above * flow.slope + 1.0 / rule.threshold),
                        std::numeric_limits<double>::max());
}

Guard::Verdict Guard::throttle(Flow& flow, double threshold, Millis now) {
  constexpr Verdict kRefused{.kind = Verdict::Kind::refuse, .wait_ms = 0};
  if (!(threshold >= 1)) return kRefused;
  const double interval = flow.rule.stat_interval_ms == 0 ? 1000.0 : flow.rule.stat_interval_ms;
  const double gap = interval / threshold;
  const auto at = static_cast<double>(now);
  if (flow.last_passed_ms + gap <= at) {
    flow.last_passed_ms = at;
    return {};
  }
  const double wait = flow.last_passed_ms + gap - at;
  if (wait > flow.rule.max_queueing_time_ms) return kRefused;
  flow.last_passed_ms += gap;
  return {.kind = Verdict::Kind::wait, .wait_ms = static_cast<Millis>(std::ceil(wait))};
}

Guard::Verdict Guard::pass_flow(Flow& flow, Millis now) {
  const double threshold = threshold_of(flow, now);
  if (flow.rule.control_behavior == FlowRule::throttling) return throttle(flow, threshold, now);
  const auto passed = static_cast<double>(flow.window().sum(now, flow.samples).passed);
  const bool too_many = passed + 1 > threshold;
  return {.kind = too_many ? Verdict::Kind::refuse : Verdict::Kind::pass, .wait_ms = 0};
}

/// Isolation, and then breakers: a probe of one that another refuses is none.
bool Guard::admit(Resource& resource, Millis now) {
  for (const IsolationRule& rule : resource.isolation) {
    if (resource.running + 1 > static_cast<std::int64_t>(rule.threshold)) return false;
  }
  std::vector<Breaker*> probing;
  for (const auto& breaker : resource.breakers) {
    bool probes = false;
    if (!breaker->try_pass(now, probes)) {
      for (Breaker* other : probing) other->state = Breaker::State::open;
      return false;
    }
    if (probes) probing.push_back(breaker.get());
  }
  return true;
}

Guard::Verdict Guard::enter(Entry& entry, Millis now) {
  const std::lock_guard lock(mutex_);
  constexpr Verdict kRefused{.kind = Verdict::Kind::refuse, .wait_ms = 0};
  if (entry.next_rule == 0 && !system_allows(now)) return kRefused;
  if (Resource* resource = find(entry.resource)) {
    while (entry.next_rule < resource->flows.size()) {
      const Verdict verdict = pass_flow(*resource->flows[entry.next_rule++], now);
      if (verdict.kind != Verdict::Kind::pass) return verdict;
    }
    if (!admit(*resource, now)) return kRefused;
    resource->passed(now);
  }
  inbound_->passed(now);
  entry.began = now;
  return {};
}

void Guard::exit(const Entry& entry, bool error, Millis now) {
  const std::lock_guard lock(mutex_);
  const Millis rt_ms = std::max<Millis>(0, now - entry.began);
  inbound_->completed(rt_ms, now);
  Resource* resource = find(entry.resource);
  if (resource == nullptr) return;
  resource->completed(rt_ms, now);
  for (const auto& breaker : resource->breakers) breaker->complete(rt_ms, error, now);
}

namespace {

/// A figure of the machine that is read anew after a while.
template <class T>
class Kept {
 public:
  template <class Read>
  T get(Read read) {
    const auto now = std::chrono::steady_clock::now();
    if (now >= next_) {
      value_ = read(value_);
      next_ = now + std::chrono::seconds(1);
    }
    return value_;
  }

 private:
  T value_{};
  std::chrono::steady_clock::time_point next_;
};

struct CpuTimes {
  double idle = 0, all = 0, share = 0;
};

double read_load(double) {
  double load = 0;
  std::ifstream("/proc/loadavg") >> load;
  return load;
}
CpuTimes read_cpu(CpuTimes before) {
  CpuTimes now;
  std::string word;
  std::ifstream file("/proc/stat");
  file >> word;
  double value = 0;
  for (int i = 0; i < 8 && file >> value; ++i) {
    now.all += value;
    if (i == 3 || i == 4) now.idle += value;  // Idle, and waiting for a disk.
  }
  const double passed = now.all - before.all;
  if (before.all > 0 && passed > 0) now.share = 1 - (now.idle - before.idle) / passed;
  return now;
}
std::int64_t read_resident(std::int64_t) {
  std::int64_t kilobytes = 0;
  std::string word;
  std::ifstream file("/proc/self/status");
  while (file >> word) {
    if (word == "VmRSS:") file >> kilobytes;
  }
  return kilobytes * 1024;
}

}  // namespace

Machine this_machine() {
  // Guard calls them under its lock, one at a time.
  return {.load = [kept = Kept<double>()]() mutable { return kept.get(read_load); },
          .cpu = [kept = Kept<CpuTimes>()]() mutable { return kept.get(read_cpu).share; },
          .resident = [kept = Kept<std::int64_t>()]() mutable { return kept.get(read_resident); }};
}

}  // namespace outrigger::components::middleware::sentinel
