#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/result.h"

namespace outrigger::net::grpc {

/// The value of `grpc-timeout`: one to eight digits and a unit out of H M S m u n. More than a
/// duration can hold becomes its maximum. Code::internal, with the wording of grpc-go, if
/// malformed.
Result<std::chrono::nanoseconds> parse_timeout(std::string_view text);

/// In the finest unit that needs no more than eight digits, rounded up; "0n" if none is left.
std::string format_timeout(std::chrono::nanoseconds timeout);

}  // namespace outrigger::net::grpc
