#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "base/loop.h"
#include "resources/resiliency.h"

namespace outrigger::runtime::resiliency {

/// Whether a call that ended so says something about the one that was asked, and not about the call
/// or the caller.
[[nodiscard]] bool speaks_against_replica(Code code) noexcept;

/// Which replicas of one application fail again and again, so that calls go to others for a while
/// (docs/resiliency.md). An addition of ours. Any thread.
class Outliers {
 public:
  /// `on_ejected(address, for how long)` is called on the thread of record(), without a lock held.
  using OnEjected = std::function<void(std::string_view address, Duration time)>;
  explicit Outliers(const resources::EjectionPolicy& policy, OnEjected on_ejected = {});

  /// A call to that replica has ended.
  void record(std::string_view address, bool failed, TimePoint now);
  /// Whether it is not to be asked now, if there is another one.
  [[nodiscard]] bool ejected(std::string_view address, TimePoint now) const;

  [[nodiscard]] const resources::EjectionPolicy& policy() const noexcept { return policy_; }

 private:
  struct Replica {
    std::int32_t failures = 0;   ///< In a row.
    std::int32_t ejections = 0;  ///< Since it was well for as long as the last one lasted.
    TimePoint until{};
    Duration lasted{0};
    TimePoint heard{};
  };
  [[nodiscard]] bool may_eject(TimePoint now);
  /// Whether there is room now.
  bool forget_old(TimePoint now);

  const resources::EjectionPolicy policy_;
  const OnEjected on_ejected_;
  /// Until when anything may be ejected, as a count of the clock: nothing is, usually.
  std::atomic<TimePoint::rep> until_{0};
  mutable std::mutex mutex_;
  TimePoint cleaned_{};
  std::map<std::string, Replica, std::less<>> replicas_;
};

}  // namespace outrigger::runtime::resiliency
