#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/duration.h"
#include "base/result.h"

namespace outrigger {

/// A point of wall-clock time, UTC, 1677-09-21 to 2262-04-11.
using WallTime = std::chrono::sys_time<std::chrono::nanoseconds>;

[[nodiscard]] WallTime wall_now() noexcept;

/// Seconds and nanoseconds since 1970, held within WallTime's range: for numbers that came from
/// outside, where a plain conversion would overflow.
[[nodiscard]] WallTime wall_time(std::int64_t seconds, std::int64_t nanos = 0) noexcept;

/// "2026-08-21T13:04:05Z": whole seconds, UTC.
[[nodiscard]] std::string format_rfc3339(WallTime time);
/// The same for times beyond WallTime's range, the years 0 to 9999.
[[nodiscard]] std::string format_rfc3339(std::chrono::sys_seconds time);
/// "2026-08-21T13:04:05.12Z": as many digits of the fraction as are needed, UTC.
[[nodiscard]] std::string format_rfc3339_nano(WallTime time);
/// The same in the machine's time zone, "2026-08-21T15:04:05.12+02:00". Quick enough for logs.
void append_rfc3339_nano_local(std::string& out, WallTime time);
/// "Fri, 21 Aug 2026 13:04:05 GMT", for HTTP.
[[nodiscard]] std::string format_http_date(WallTime time);

/// RFC 3339 with any fraction and offset. Times outside WallTime's range become its ends, so that
/// the year 9999 means "never".
[[nodiscard]] Result<WallTime> parse_rfc3339(std::string_view text);

/// Calendar steps as Go's AddDate (31 January plus one month is 2 or 3 March), then the rest.
/// Stops at the ends of WallTime's range.
[[nodiscard]] WallTime add(WallTime time, const CalendarDuration& duration) noexcept;

/// A point in time from an ISO 8601 duration (without repetitions) or a Go duration, both counted
/// from `now`, or from RFC 3339.
[[nodiscard]] Result<WallTime> parse_time(std::string_view text, WallTime now);

}  // namespace outrigger
