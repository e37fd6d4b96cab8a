#include "runtime/resiliency/backoff.h"

#include "base/random.h"

namespace outrigger::runtime::resiliency {
namespace {

using Kind = resources::RetryPolicy::Kind;

// Of exponential policies; no document can change them (facts/wire_notes.md, section 16).
constexpr Duration kFirstInterval = std::chrono::milliseconds(500);
constexpr double kMultiplier = 1.5;
constexpr double kJitter = 0.5;

Duration scaled(Duration interval, double by) {
  return Duration(static_cast<Duration::rep>(static_cast<double>(interval.count()) * by));
}

}  // namespace

Backoff::Backoff(const resources::RetryPolicy& policy, TimePoint now)
    : policy_(policy), began_(now), interval_(kFirstInterval) {}

std::optional<Duration> Backoff::next(TimePoint now) {
  if (policy_.max_retries >= 0 && retries_ >= policy_.max_retries) return std::nullopt;
  ++retries_;
  if (policy_.kind == Kind::constant) return policy_.duration;
  const Duration pause = scaled(interval_, 1 - kJitter + 2 * kJitter * fast_random_unit());
  // Multiplied only while it cannot pass the limit, nor the range of the type.
  interval_ = interval_ >= scaled(policy_.max_interval, 1 / kMultiplier)
                  ? policy_.max_interval
                  : scaled(interval_, kMultiplier);
  if (policy_.max_elapsed > Duration::zero() && now - began_ + pause > policy_.max_elapsed) {
    return std::nullopt;
  }
  return pause;
}

}  // namespace outrigger::runtime::resiliency
