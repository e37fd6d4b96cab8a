#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace outrigger {

/// Go's time.ParseDuration: a sign and numbers with units, "1h15m30.918273645s", "-1.5h", "300ms";
/// units ns us µs ms s m h. "0" needs no unit. The error has Go's text.
[[nodiscard]] Result<std::chrono::nanoseconds> parse_duration(std::string_view text);

/// Go's Duration.String(): "1h15m30.918273645s", "1.5ms", "0s".
[[nodiscard]] std::string format_duration(std::chrono::nanoseconds duration);

/// A duration whose years, months and days mean calendar steps (base/time_format.h: add()).
struct CalendarDuration {
  int years = 0;
  int months = 0;
  int days = 0;
  std::chrono::nanoseconds rest{0};
  /// From the prefix "R<n>/"; nullopt means no limit was given.
  std::optional<std::int64_t> repetitions;

  bool operator==(const CalendarDuration&) const = default;
  [[nodiscard]] bool is_zero() const noexcept {
    return years == 0 && months == 0 && days == 0 && rest.count() == 0;
  }
};

/// ISO 8601 with an optional "R<n>/": "P1Y2M3W4DT5H6M7S", "R5/PT10S", "R3" alone. Whole numbers
/// only. Text after the last complete part is ignored, as upstream does.
[[nodiscard]] Result<CalendarDuration> parse_iso8601_duration(std::string_view text);

/// ISO 8601, else Go's form: what timers, reminders, jobs and TTLs accept.
[[nodiscard]] Result<CalendarDuration> parse_calendar_duration(std::string_view text);

}  // namespace outrigger
