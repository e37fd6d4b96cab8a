#include "runtime/actors/schedule.h"

#include "base/duration.h"

namespace outrigger::runtime::actors {
namespace {

Error in_context(std::string_view what, const Error& why) {
  return {Code::unknown, std::string(what) + why.message()};
}

}  // namespace

Result<Schedule> Schedule::parse(const ScheduleText& text, WallTime now, std::string_view key) {
  Schedule schedule;
  schedule.next_ = now;
  if (!text.due_time.empty()) {
    auto due = parse_time(text.due_time, now);
    if (!due) return fail(in_context("error parsing timer due time: ", due.error()));
    schedule.next_ = *due;
  }
  if (!text.period.empty()) {
    auto period = parse_calendar_duration(text.period);
    if (!period) return fail(in_context("invalid timer period: parse error: ", period.error()));
    if (period->repetitions == 0) {
      return fail(Code::unknown, "invalid timer period: has zero repetitions");
    }
    schedule.repetitions_ = period->repetitions.value_or(-1);
    schedule.period_ = *period;
  }
  if (!text.ttl.empty()) {
    auto expires = parse_time(text.ttl, schedule.next_);
    if (!expires) return fail(in_context("error parsing timer TTL: ", expires.error()));
    if (now > *expires || schedule.next_ > *expires) {
      return fail(Code::unknown, "timer " + std::string(key) + " has already expired: dueTime: " +
                                     format_rfc3339_nano(schedule.next_) + " TTL: " + text.ttl);
    }
    schedule.expires_ = *expires;
  }
  return schedule;
}

bool Schedule::advance() noexcept {
  if (repetitions_ > 0) --repetitions_;
  if (repetitions_ == 0 || period_.is_zero()) return false;
  next_ = add(next_, period_);
  return true;
}

Result<CronText> cron_of_period(std::string_view period) {
  CronText cron;
  if (period.empty()) return cron;
  const auto parsed = parse_calendar_duration(period);
  if (!parsed || parsed->years > 0 || parsed->months > 0 || parsed->days > 0) {
    return fail(Code::unknown, "unsupported period format: " + std::string(period));
  }
  if (parsed->repetitions.value_or(0) > 0) {
    cron.repeats = static_cast<std::uint32_t>(*parsed->repetitions);
  }
  cron.schedule = "@every " + format_duration(parsed->rest);
  return cron;
}

}  // namespace outrigger::runtime::actors
