#include "runtime/cel/conversions.h"

#include <charconv>
#include <cmath>
#include <limits>

#include "base/duration.h"
#include "base/strings.h"
#include "runtime/cel/clock.h"
#include "runtime/cel/operations.h"

namespace outrigger::cel {
namespace {

using Kind = Value::Kind;

constexpr std::int64_t kNanos = 1'000'000'000;
constexpr double kTwoTo63 = 9223372036854775808.0;
constexpr double kTwoTo64 = 18446744073709551616.0;

Value conversion_error(const Value& from, std::string_view to) {
  return Value::error("type conversion error from '" + std::string(from.type_name()) + "' to '" +
                      std::string(to) + "'");
}

Value to_int(const Value& from) {
  switch (from.kind()) {
    case Kind::integer: return from;
    case Kind::duration: return Value::integer(from.as_int());
    case Kind::timestamp: return Value::integer(from.as_timestamp().seconds);
    case Kind::unsigned_integer:
      if (from.as_uint() >> 63 != 0) return Value::error("integer overflow");
      return Value::integer(static_cast<std::int64_t>(from.as_uint()));
    case Kind::real: {
      const double value = from.as_real();
      if (!(value > -kTwoTo63 && value < kTwoTo63)) return Value::error("integer overflow");
      return Value::integer(static_cast<std::int64_t>(value));
    }
    case Kind::text:
      if (const auto value = parse_int<std::int64_t>(from.view())) return Value::integer(*value);
      return conversion_error(from, "int");
    default: return no_such_overload();
  }
}

Value to_uint(const Value& from) {
  switch (from.kind()) {
    case Kind::unsigned_integer: return from;
    case Kind::integer:
      if (from.as_int() < 0) return Value::error("unsigned integer overflow");
      return Value::unsigned_integer(static_cast<std::uint64_t>(from.as_int()));
    case Kind::real: {
      const double value = from.as_real();
      if (!(value >= 0 && value < kTwoTo64)) return Value::error("unsigned integer overflow");
      return Value::unsigned_integer(static_cast<std::uint64_t>(value));
    }
    case Kind::text: {
      const bool digits = !from.view().empty() && from.view().front() != '+';
      const auto value = digits ? parse_int<std::uint64_t>(from.view()) : std::nullopt;
      return value ? Value::unsigned_integer(*value) : conversion_error(from, "uint");
    }
    default: return no_such_overload();
  }
}

Value to_double(const Value& from) {
  switch (from.kind()) {
    case Kind::real: return from;
    case Kind::integer: return Value::real(static_cast<double>(from.as_int()));
    case Kind::unsigned_integer: return Value::real(static_cast<double>(from.as_uint()));
    case Kind::text:
      if (const auto value = parse_go_double(from.view())) return Value::real(*value);
      return conversion_error(from, "double");
    default: return no_such_overload();
  }
}

Value to_bool(const Value& from) {
  if (from.is(Kind::boolean)) return from;
  if (!from.is(Kind::text)) return no_such_overload();
  const auto value = parse_bool(from.view());
  return value ? Value::boolean(*value) : conversion_error(from, "bool");
}

Value to_bytes(const Value& from) {
  if (from.is(Kind::bytes)) return from;
  if (from.is(Kind::text)) return Value::bytes(std::string(from.view()));
  return no_such_overload();
}

std::string seconds_text(std::int64_t nanos) {
  const double seconds = static_cast<double>(nanos / kNanos) +
                         static_cast<double>(nanos % kNanos) / static_cast<double>(kNanos);
  char buffer[64];
  const auto end =
      std::to_chars(buffer, buffer + sizeof(buffer), seconds, std::chars_format::fixed);
  return std::string(buffer, end.ptr) + "s";
}

Value to_text(const Value& from) {
  switch (from.kind()) {
    case Kind::text: return from;
    case Kind::boolean: return Value::text(from.as_bool() ? "true" : "false");
    case Kind::integer: return Value::text(std::to_string(from.as_int()));
    case Kind::unsigned_integer: return Value::text(std::to_string(from.as_uint()));
    case Kind::real: return Value::text(format_go_double(from.as_real()));
    case Kind::timestamp: return Value::text(format_timestamp(from.as_timestamp()));
    case Kind::duration: return Value::text(seconds_text(from.as_int()));
    case Kind::bytes:
      if (is_utf8(from.view())) return Value::text(std::string(from.view()));
      return Value::error("invalid UTF-8 in bytes, cannot convert to string");
    default: return no_such_overload();
  }
}

Value to_timestamp(const Value& from) {
  if (from.is(Kind::timestamp)) return from;
  std::optional<Timestamp> time;
  if (from.is(Kind::integer)) {
    time = Timestamp{.seconds = from.as_int()};
  } else if (from.is(Kind::text)) {
    time = parse_timestamp(from.view());
  } else {
    return no_such_overload();
  }
  if (!time) return conversion_error(from, "google.protobuf.Timestamp");
  if (time->seconds < kTimestampMin || time->seconds > kTimestampMax) {
    return Value::error("timestamp overflow");
  }
  return Value::timestamp(*time);
}

Value to_duration(const Value& from) {
  if (from.is(Kind::duration)) return from;
  if (from.is(Kind::text)) {
    if (const auto value = parse_duration(from.view())) return Value::duration(value->count());
  }
  // Upstream declares duration(int) but cannot do it.
  return conversion_error(from, "google.protobuf.Duration");
}

}  // namespace

Value convert(Function function, const Value& operand) {
  switch (function) {
    case Function::to_bool: return to_bool(operand);
    case Function::to_bytes: return to_bytes(operand);
    case Function::to_double: return to_double(operand);
    case Function::to_duration: return to_duration(operand);
    case Function::to_int: return to_int(operand);
    case Function::to_string: return to_text(operand);
    case Function::to_timestamp: return to_timestamp(operand);
    case Function::to_uint: return to_uint(operand);
    case Function::type: return Value::type(std::string(operand.type_name()));
    default: return operand;
  }
}

namespace {

Value duration_part(Function function, std::int64_t nanos) {
  switch (function) {
    case Function::hours: return Value::integer(nanos / (3600 * kNanos));
    case Function::minutes: return Value::integer(nanos / (60 * kNanos));
    case Function::seconds: return Value::integer(nanos / kNanos);
    case Function::milliseconds: return Value::integer(nanos / 1'000'000);
    default: return no_such_overload();
  }
}

}  // namespace

Value time_part(Function function, const Value& time, const Value* zone) {
  if (time.is(Kind::duration) && zone == nullptr) return duration_part(function, time.as_int());
  if (!time.is(Kind::timestamp)) return no_such_overload();
  const Timestamp& at = time.as_timestamp();
  std::int64_t offset = at.offset_seconds;
  if (zone != nullptr) {
    if (!zone->is(Kind::text)) return no_such_overload();
    const auto found = zone_offset(zone->view(), at.seconds);
    if (!found) return Value::error(found.error().message());
    offset = *found;
  }
  const CivilTime civil = civil_time(at.seconds, offset);
  switch (function) {
    case Function::full_year: return Value::integer(civil.year);
    case Function::month: return Value::integer(civil.month - 1);
    case Function::day_of_year: return Value::integer(civil.day_of_year);
    case Function::day_of_month: return Value::integer(civil.day - 1);
    case Function::date: return Value::integer(civil.day);
    case Function::day_of_week: return Value::integer(civil.weekday);
    case Function::hours: return Value::integer(civil.hour);
    case Function::minutes: return Value::integer(civil.minute);
    case Function::seconds: return Value::integer(civil.second);
    case Function::milliseconds: return Value::integer(at.nanos / 1'000'000);
    default: return no_such_overload();
  }
}

namespace {

// Go demands the exponent of a hexadecimal number, and C++ does not know the 0x.
std::optional<double> parse_hex(std::string_view text) {
  double value = 0;
  if (!text.contains('p') && !text.contains('P')) return std::nullopt;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value, std::chars_format::hex);
  if (error != std::errc{} || stop != end) return std::nullopt;
  return value;
}

}  // namespace

std::optional<double> parse_go_double(std::string_view text) {
  double sign = 1;
  if (text.starts_with('-') || text.starts_with('+')) {
    if (text.front() == '-') sign = -1;
    text.remove_prefix(1);
  }
  if (equals_fold(text, "inf") || equals_fold(text, "infinity")) return sign * INFINITY;
  if (equals_fold(text, "nan")) return sign > 0 ? std::optional<double>(NAN) : std::nullopt;
  if (starts_with_fold(text, "0x")) {
    const auto value = parse_hex(text.substr(2));
    return value ? std::optional(sign * *value) : std::nullopt;
  }
  const bool number =
      !text.empty() && (text.front() == '.' || (text.front() >= '0' && text.front() <= '9'));
  if (!number) return std::nullopt;
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (stop != end) return std::nullopt;
  if (error == std::errc::result_out_of_range) {
    const auto exponent = text.find_first_of("eE");
    const bool tiny = exponent != std::string_view::npos && text[exponent + 1] == '-';
    if (!tiny) return std::nullopt;
    return sign * 0.0;
  }
  if (error != std::errc{}) return std::nullopt;
  return sign * value;
}

std::string format_go_double(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  // The shortest digits, then Go's choice between the two notations.
  char buffer[64];
  const auto end =
      std::to_chars(buffer, buffer + sizeof(buffer), value, std::chars_format::scientific);
  const std::string_view scientific(buffer, static_cast<std::size_t>(end.ptr - buffer));
  const auto at = scientific.find('e');
  const int exponent = parse_int<int>(scientific.substr(at + 1)).value_or(0);
  constexpr int kExponentMax = 6;
  if (exponent < -4 || exponent >= kExponentMax) return std::string(scientific);
  const auto fixed =
      std::to_chars(buffer, buffer + sizeof(buffer), value, std::chars_format::fixed);
  return std::string(buffer, fixed.ptr);
}

}  // namespace outrigger::cel
