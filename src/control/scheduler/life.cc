#include "control/scheduler/life.h"

namespace outrigger::control::scheduler {
namespace {

WallTime after(WallTime time, std::chrono::nanoseconds wait) noexcept {
  return add(time, CalendarDuration{.rest = wait});
}

}  // namespace

WallTime due_at(const Waking& waking, WallTime now) noexcept {
  if (waking.wait_max.count() <= 0) return waking.due;
  return std::min(waking.due, after(now, waking.wait_max));
}

Result<Life> Life::resume(StoredJob job, std::optional<Counter> counter, WallTime due) {
  Life life;
  life.policy_ = job.job.failure_policy;
  life.repeats_ = job.job.repeats;
  if (job.job.schedule) {
    OUT_TRY(life.schedule_, Schedule::parse(*job.job.schedule));
  }
  life.counter_.partition_id = job.partition_id;
  if (counter && counter->partition_id == job.partition_id) life.counter_ = *counter;
  life.job_ = std::move(job);
  life.tick();
  if (life.next_ && life.counter_.attempts > 0) life.next_ = due;
  return life;
}

std::optional<WallTime> Life::scheduled() const {
  if (!schedule_) {
    if (counter_.count >= 1) return std::nullopt;
    return job_.due_time.value_or(WallTime());
  }
  if (repeats_ && counter_.count >= *repeats_) return std::nullopt;
  if (!counter_.last_trigger) {
    if (job_.due_time) return job_.due_time;
    return schedule_->next(job_.start.value_or(WallTime())).value_or(kNever);
  }
  const WallTime next = schedule_->next(*counter_.last_trigger).value_or(kNever);
  if (job_.expiration && next > *job_.expiration) return std::nullopt;
  return next;
}

void Life::tick() {
  next_ = std::nullopt;
  if (repeats_ && counter_.count >= *repeats_) return;
  const auto next = scheduled();
  if (next && job_.expiration && *next > *job_.expiration) return;
  next_ = next;
}

std::optional<Waking> Life::next() const {
  if (!next_) return std::nullopt;
  Waking waking{.due = *next_};
  const bool first_of_calendar = !counter_.last_trigger && job_.due_time.has_value();
  if (counter_.attempts > 0 && policy_) {
    waking.wait_max = policy_->interval.value_or(std::chrono::nanoseconds(0));
  } else if (schedule_ && !first_of_calendar) {
    waking.wait_max = schedule_->interval().value_or(std::chrono::nanoseconds(0));
  }
  return waking;
}

void Life::succeeded() {
  if (const auto when = scheduled()) counter_.last_trigger = when;
  ++counter_.count;
  counter_.attempts = 0;
  tick();
}

bool Life::try_again() {
  if (!policy_ || policy_->kind != FailurePolicy::Kind::constant) {
    counter_.last_trigger = next_;
    return false;
  }
  if (!policy_->retries_max || *policy_->retries_max >= counter_.attempts) {
    if (next_) next_ = after(*next_, policy_->interval.value_or(std::chrono::nanoseconds(0)));
    return true;
  }
  if (const auto when = scheduled()) counter_.last_trigger = when;
  return false;
}

void Life::failed() {
  // For ever is longer than the counter counts.
  if (counter_.attempts < std::numeric_limits<std::uint32_t>::max()) ++counter_.attempts;
  if (try_again()) return;
  ++counter_.count;
  counter_.attempts = 0;
  tick();
}

}  // namespace outrigger::control::scheduler
