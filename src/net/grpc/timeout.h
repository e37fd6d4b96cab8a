#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/result.h"

namespace outrigger::net::grpc {

/// A hundred years: so far ahead a point in time can still be reckoned in nanoseconds.
inline constexpr std::chrono::nanoseconds kLongestTimeout = std::chrono::hours(24 * 365 * 100);

/// The value of `grpc-timeout`: one to eight digits and a unit out of H M S m u n. More than
/// kLongestTimeout becomes that. Code::internal, with the wording of grpc-go, if malformed.
Result<std::chrono::nanoseconds> parse_timeout(std::string_view text);

/// In the finest unit that needs no more than eight digits, rounded up; "0n" if none is left.
std::string format_timeout(std::chrono::nanoseconds timeout);

}  // namespace outrigger::net::grpc
