#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "runtime/cel/value.h"

/// CEL's points in time, years 1 to 9999 (base/time_format.h has a smaller range and no offsets).
namespace outrigger::cel {

/// 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z.
inline constexpr std::int64_t kTimestampMin = -62'135'596'800;
inline constexpr std::int64_t kTimestampMax = 253'402'300'799;

/// RFC 3339 with any fraction; nullopt if it is not that. The range is not checked.
[[nodiscard]] std::optional<Timestamp> parse_timestamp(std::string_view text);
/// RFC 3339 with as many digits of the fraction as are needed, in the timestamp's own offset.
[[nodiscard]] std::string format_timestamp(const Timestamp& time);

/// The parts of a point in time as a wall clock shows them.
struct CivilTime {
  int year = 0;
  int month = 0;        ///< 1 to 12.
  int day = 0;          ///< 1 to 31.
  int day_of_year = 0;  ///< From 0.
  int weekday = 0;      ///< 0 is Sunday.
  int hour = 0;
  int minute = 0;
  int second = 0;
};
[[nodiscard]] CivilTime civil_time(std::int64_t seconds, std::int64_t offset_seconds) noexcept;

/// How far the zone is east of UTC at that time, in seconds. `zone` is "+02:00", "-07:30", "UTC",
/// or a name of the time zone database if the machine has one.
Result<std::int64_t> zone_offset(std::string_view zone, std::int64_t seconds);

}  // namespace outrigger::cel
