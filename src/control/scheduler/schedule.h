#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "base/time_format.h"
#include "control/scheduler/time_zone.h"

namespace outrigger::control::scheduler {

/// When a job recurs. Cron with six fields, seconds first: second minute hour day-of-month month
/// day-of-week, each a list of numbers, ranges, "*" or "?" and steps, months and days of the week
/// also by their English names of three letters; if neither day field is "*" either may match. Or
/// @yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly, or "@every <Go duration>".
/// "TZ=<zone> " or "CRON_TZ=<zone> " before it (not before @every) says whose clock is meant; UTC
/// otherwise.
class Schedule {
 public:
  /// The error has upstream's text.
  static Result<Schedule> parse(std::string_view text);

  /// The first time after this one; nullopt if there is none within five years (30 February).
  [[nodiscard]] std::optional<WallTime> next(WallTime after) const;
  /// Of "@every"; nullopt for cron.
  [[nodiscard]] std::optional<std::chrono::nanoseconds> interval() const noexcept { return every_; }

 private:
  struct Walk;
  static Result<Schedule> parse_descriptor(std::string_view text);
  [[nodiscard]] bool day_matches(int day, int weekday) const noexcept;
  [[nodiscard]] static bool has(std::uint64_t bits, int value) noexcept {
    return (bits >> value & 1) != 0;
  }

  std::optional<std::chrono::nanoseconds> every_;
  std::shared_ptr<const TimeZone> zone_;
  /// A bit a value; the top one says that the field had a star.
  std::uint64_t second_ = 0, minute_ = 0, hour_ = 0, day_ = 0, month_ = 0, weekday_ = 0;
};

}  // namespace outrigger::control::scheduler
