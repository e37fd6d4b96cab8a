#pragma once

#include "base/loop.h"

namespace outrigger::control {

/// How long one may count on a lease that others take when it runs out. Its time runs from before
/// it was asked for, so it is over here before it is over in the engine. No clock: times are given.
class Tenure {
 public:
  explicit Tenure(Duration time_to_live) noexcept : time_to_live_(time_to_live) {}
  /// The lease was taken or renewed by what the engine was asked at this time.
  void renewed(TimePoint asked) noexcept { until_ = asked + time_to_live_; }
  /// Never, before the first time.
  [[nodiscard]] bool runs(TimePoint now) const noexcept { return now < until_; }
  [[nodiscard]] TimePoint until() const noexcept { return until_; }

 private:
  Duration time_to_live_;
  TimePoint until_;
};

}  // namespace outrigger::control
