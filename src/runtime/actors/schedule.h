#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/time_format.h"

namespace outrigger::runtime::actors {

/// What a timer or reminder was asked to be, as the application wrote it: durations of Go or ISO
/// 8601, times of RFC 3339. Empty: not given.
struct ScheduleText {
  std::string due_time;
  std::string period;
  std::string ttl;
};

/// When a timer fires: first when it is due, then after each period, counted from when it should
/// have fired, so that a slow actor does not shift it; until its repetitions or its time are over.
class Schedule {
 public:
  /// `key` is for the error's text; the errors are upstream's, Code::unknown.
  static Result<Schedule> parse(const ScheduleText& text, WallTime now, std::string_view key);

  [[nodiscard]] WallTime next() const noexcept { return next_; }
  /// False: it has expired before its next time.
  [[nodiscard]] bool active() const noexcept { return !expires_ || next_ < *expires_; }
  [[nodiscard]] std::optional<WallTime> expires() const noexcept { return expires_; }
  /// It has fired: sets the next time. False if there is none.
  [[nodiscard]] bool advance() noexcept;

 private:
  WallTime next_;
  CalendarDuration period_;
  std::int64_t repetitions_ = -1;  // Those that are left; -1: no limit.
  std::optional<WallTime> expires_;
};

/// A reminder's period as the scheduler takes it.
struct CronText {
  std::optional<std::string> schedule;  ///< "@every 5s".
  std::optional<std::uint32_t> repeats;
};
/// Code::unknown for what is no period, or one with years, months or days.
[[nodiscard]] Result<CronText> cron_of_period(std::string_view period);

}  // namespace outrigger::runtime::actors
