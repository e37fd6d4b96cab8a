#include "runtime/resiliency/outliers.h"

#include <algorithm>

namespace outrigger::runtime::resiliency {
namespace {

// Who was not heard of for so long does not count among the replicas any more.
constexpr Duration kRemembered = std::chrono::minutes(5);
// All are looked at no more often than so.
constexpr Duration kCleaning = std::chrono::seconds(1);
// Addresses that are kept of one application.
constexpr std::size_t kReplicasMax = 1024;
// An ejection lasts as many times the policy's duration as there were before it, up to this.
constexpr std::int32_t kTimesMax = 10;

}  // namespace

bool speaks_against_replica(Code code) noexcept {
  switch (code) {
    case Code::unavailable:
    case Code::internal:
    case Code::unknown:
    case Code::data_loss:
    case Code::deadline_exceeded: return true;
    default: return false;
  }
}

Outliers::Outliers(const resources::EjectionPolicy& policy, OnEjected on_ejected)
    : policy_(policy), on_ejected_(std::move(on_ejected)) {}

bool Outliers::may_eject(TimePoint now) {
  forget_old(now);
  const auto out =
      std::ranges::count_if(replicas_, [now](const auto& each) { return each.second.until > now; });
  const std::size_t after = static_cast<std::size_t>(out) + 1;
  return after * 100 <= replicas_.size() * static_cast<std::size_t>(policy_.max_percent);
}

bool Outliers::forget_old(TimePoint now) {
  if (now < cleaned_ + kCleaning) return false;
  cleaned_ = now;
  const auto gone = std::erase_if(replicas_, [now](const auto& each) {
    return each.second.until <= now && now - each.second.heard > kRemembered;
  });
  return gone > 0;
}

void Outliers::record(std::string_view address, bool failed, TimePoint now) {
  Duration time{0};
  {
    const std::lock_guard lock(mutex_);
    auto found = replicas_.find(address);
    if (found == replicas_.end()) {
      if (replicas_.size() >= kReplicasMax && !forget_old(now)) return;
      found = replicas_.emplace(address, Replica()).first;
    }
    Replica& replica = found->second;
    replica.heard = now;
    if (!failed) {
      replica.failures = 0;
      if (now - replica.until > replica.lasted) replica.ejections = 0;
      return;
    }
    // What was on its way when it was ejected says nothing new.
    if (replica.until > now) return;
    replica.failures = std::min(replica.failures + 1, policy_.failures);
    if (replica.failures < policy_.failures || !may_eject(now)) return;
    // One more failure when it is back, and it is out again.
    replica.failures = policy_.failures - 1;
    replica.ejections = std::min(replica.ejections + 1, kTimesMax);
    time = std::chrono::duration_cast<Duration>(policy_.duration) * replica.ejections;
    replica.lasted = time;
    replica.until = now + time;
    const auto latest =
        std::max(until_.load(std::memory_order_relaxed), replica.until.time_since_epoch().count());
    until_.store(latest, std::memory_order_relaxed);
  }
  if (on_ejected_) on_ejected_(address, time);
}

bool Outliers::ejected(std::string_view address, TimePoint now) const {
  if (now.time_since_epoch().count() >= until_.load(std::memory_order_relaxed)) return false;
  const std::lock_guard lock(mutex_);
  const auto found = replicas_.find(address);
  return found != replicas_.end() && found->second.until > now;
}

}  // namespace outrigger::runtime::resiliency
