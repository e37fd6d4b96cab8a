#include "runtime/resiliency/limit.h"

#include <algorithm>
#include <cmath>

namespace outrigger::runtime::resiliency {
namespace {

// When a running call will end nobody knows.
constexpr Duration kWaitForOthers = std::chrono::seconds(1);

std::int64_t nanos(Duration duration) noexcept {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(duration).count();
}

}  // namespace

Limit::Limit(const resources::LimitPolicy& policy, Target metrics)
    : policy_(policy), metrics_(std::move(metrics)) {
  if (policy_.requests_per_second <= 0) return;
  constexpr double kNanosMax = 9e18;
  interval_ = static_cast<std::int64_t>(std::min(1e9 / policy_.requests_per_second, kNanosMax));
  // A burst of one is no call early.
  const double tolerance = static_cast<double>(interval_) * (policy_.burst_size() - 1);
  tolerance_ = static_cast<std::int64_t>(std::min(tolerance, kNanosMax));
}

std::unexpected<Duration> Limit::refuse(Duration wait) const {
  metrics_.activated(Target::Policy::limit);
  return std::unexpected(wait);
}

std::expected<Limit::Pass, Duration> Limit::enter(TimePoint now) {
  if (policy_.max_concurrency > 0 &&
      running_.fetch_add(1, std::memory_order_relaxed) >= policy_.max_concurrency) {
    running_.fetch_sub(1, std::memory_order_relaxed);
    return refuse(kWaitForOthers);
  }
  Pass pass(policy_.max_concurrency > 0 ? this : nullptr);
  if (interval_ == 0) return pass;
  const std::int64_t at = nanos(now.time_since_epoch());
  std::int64_t next = next_.load(std::memory_order_relaxed);
  for (;;) {
    const std::int64_t early = next - at;
    if (early > tolerance_) {
      return refuse(std::chrono::nanoseconds(early - tolerance_));
    }
    const std::int64_t base = std::max(next, at);
    std::int64_t after = 0;
    if (__builtin_add_overflow(base, interval_, &after)) after = INT64_MAX;
    if (next_.compare_exchange_weak(next, after, std::memory_order_relaxed)) return pass;
  }
}

std::int64_t retry_after_seconds(Duration wait) noexcept {
  return std::max<std::int64_t>(1, std::chrono::ceil<std::chrono::seconds>(wait).count());
}

}  // namespace outrigger::runtime::resiliency
