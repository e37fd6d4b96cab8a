#pragma once

#include <optional>

#include "runtime/cel/functions.h"
#include "runtime/cel/value.h"

/// Type conversions and the parts of times, as cel-go 0.20 does them. No operand is an error.
namespace outrigger::cel {

/// to_bool ... to_uint, type.
[[nodiscard]] Value convert(Function function, const Value& operand);

/// full_year ... milliseconds of a timestamp (in a zone, or in its own offset) or a duration.
[[nodiscard]] Value time_part(Function function, const Value& time, const Value* zone);

/// Go's strconv.ParseFloat without underscores; nullopt if it is no number or too large.
[[nodiscard]] std::optional<double> parse_go_double(std::string_view text);
/// Go's fmt %g in the shortest form: "1e+06", "0.5", "+Inf".
[[nodiscard]] std::string format_go_double(double value);

}  // namespace outrigger::cel
