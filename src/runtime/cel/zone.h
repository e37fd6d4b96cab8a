#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace outrigger::cel {

/// How far a zone of the time zone database ("Europe/Berlin") is east of UTC at that time, in
/// seconds. "" and "UTC" need no database. Zones are read once from /usr/share/zoneinfo (or from
/// where ZONEINFO points) and kept, at most kZonesMax of them. Any thread.
Result<std::int64_t> named_zone_offset(std::string_view name, std::int64_t unix_seconds);

/// More than the database has; a bound for expressions that make names up.
inline constexpr std::size_t kZonesMax = 1000;

}  // namespace outrigger::cel
