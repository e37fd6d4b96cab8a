#pragma once

#include <functional>
#include <memory>

#include "base/loop.h"
#include "base/task.h"

namespace outrigger::control {

/// Which one of a service's replicas leads. Belongs to one loop.
///
/// At most one replica leads at a time as long as clocks run at the same speed: a leader counts the
/// time of its lease from before it asked for it, so it stands down before the others may stand up.
class Leadership {
 public:
  virtual ~Leadership() = default;
  /// Stands for election from now on. `changed(leads)` is called on this loop whenever it begins or
  /// ceases to lead, never inside this call.
  virtual void start(std::function<void(bool leads)> changed) = 0;
  /// Whether it leads this very moment.
  [[nodiscard]] virtual bool leads() const = 0;
  /// Gives the leadership up, so that another replica need not wait for the lease to run out.
  virtual Task<void> close() = 0;
};

/// Of a service that has no other replicas.
std::unique_ptr<Leadership> make_sole_leadership();

/// What a lease is kept in: an engine that all replicas see. One owner on one loop.
class LeaseStore {
 public:
  virtual ~LeaseStore() = default;
  /// Takes or renews the lease for `time_to_live` from when the engine does it. False: another
  /// replica has it.
  virtual Task<Result<bool>> acquire(Duration time_to_live) = 0;
  /// Gives it back if it is ours.
  virtual Task<Result<>> release() = 0;
  virtual Task<void> close() = 0;
};

struct LeaseTimes {
  /// How long a leader that is gone is waited for.
  Duration time_to_live = std::chrono::seconds(6);
  /// Between two renewals, and between two tries to become leader.
  Duration interval = std::chrono::seconds(2);
};

/// Elects by a lease. The store is closed by close(). `now`: for tests, a clock that is set by
/// hand.
std::unique_ptr<Leadership> make_leased_leadership(
    std::unique_ptr<LeaseStore> store, LeaseTimes times = {},
    std::function<TimePoint()> now = &std::chrono::steady_clock::now);

}  // namespace outrigger::control
