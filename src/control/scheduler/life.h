#pragma once

#include "control/scheduler/job.h"
#include "control/scheduler/schedule.h"

namespace outrigger::control::scheduler {

/// When a stored job wants to be woken.
struct Waking {
  WallTime due;
  /// Of a job that counts from its last trigger: no lawful wait is longer, so one that seems to be
  /// comes from a clock that was set back. 0: the time is one of the calendar.
  std::chrono::nanoseconds wait_max{0};
  bool operator==(const Waking&) const = default;
};

/// A job's way through its triggers, without a clock and without a store. As upstream: triggers
/// that were missed are made up for, one after the other; a retry waits for the policy's interval,
/// counted from the time that the trigger before was due at; the trigger after retries is due when
/// the schedule says, as if there had been none.
class Life {
 public:
  /// From the records. `due` is when the job was woken, which tells a retry's time. A counter of
  /// another partition id is ignored. Fails if the schedule cannot be read.
  static Result<Life> resume(StoredJob job, std::optional<Counter> counter, WallTime due);

  /// nullopt: the job is over, both records are to be deleted.
  [[nodiscard]] std::optional<Waking> next() const;

  /// The trigger has been accepted, or has failed. Changes counter() and next().
  void succeeded();
  void failed();

  [[nodiscard]] const Counter& counter() const noexcept { return counter_; }
  [[nodiscard]] const StoredJob& job() const noexcept { return job_; }
  /// Gives away what only the one who delivers needs.
  [[nodiscard]] Job take_job() noexcept { return std::move(job_.job); }

  /// A schedule that never matches: woken at this time, that is to say not at all.
  static constexpr WallTime kNever = WallTime::max();

 private:
  Life() = default;
  [[nodiscard]] std::optional<WallTime> scheduled() const;
  void tick();
  bool try_again();

  StoredJob job_;
  Counter counter_;
  std::optional<Schedule> schedule_;
  std::optional<FailurePolicy> policy_;
  std::optional<std::uint32_t> repeats_;
  std::optional<WallTime> next_;
};

/// When `waking` comes true for somebody whose clock shows `now`.
[[nodiscard]] WallTime due_at(const Waking& waking, WallTime now) noexcept;

}  // namespace outrigger::control::scheduler
