#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace outrigger::cel {

/// Everything that is called, operators included.
enum class Function : std::uint8_t {
  conditional,
  logical_and,
  logical_or,
  logical_not,
  equals,
  not_equals,
  add,
  subtract,
  multiply,
  divide,
  modulo,
  negate,
  less,
  less_equals,
  greater,
  greater_equals,
  index,
  in,
  size,
  type,
  to_bool,
  to_bytes,
  to_double,
  to_duration,
  to_dyn,
  to_int,
  to_string,
  to_timestamp,
  to_uint,
  contains,
  ends_with,
  starts_with,
  matches,
  full_year,
  month,
  day_of_year,
  day_of_month,
  date,
  day_of_week,
  hours,
  minutes,
  seconds,
  milliseconds,
};

/// One way to call a function. `signature` is the types of the arguments, '>' and the result's:
/// b bool, i int, u uint, d double, s string, y bytes, t timestamp, n duration, * dyn, A and B
/// parameters, L list of, M map of two, T type of.
struct Overload {
  Function function;
  std::string_view name;
  bool member;
  std::string_view signature;
  /// Compares two different numeric types: upstream's checker takes these inside and after a
  /// comprehension only.
  bool cross_numeric = false;
};

/// All overloads, in the order in which cel-go tries them: the first that fits decides what a type
/// becomes that is not known yet.
[[nodiscard]] std::span<const Overload> overloads() noexcept;

}  // namespace outrigger::cel
