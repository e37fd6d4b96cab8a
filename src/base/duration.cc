#include "base/duration.h"

#include <cstdint>
#include <cstdlib>
#include <limits>

#include "base/strings.h"

namespace outrigger {
namespace {

using std::chrono::nanoseconds;

constexpr std::uint64_t kLimit = 1ULL << 63;  // Of the absolute value, reached only when negative.

struct Unit {
  std::string_view name;
  std::uint64_t nanos;
};
constexpr Unit kUnits[] = {
    {"ns", 1},         {"us", 1'000},        {"\u00b5s", 1'000},    {"\u03bcs", 1'000},
    {"ms", 1'000'000}, {"s", 1'000'000'000}, {"m", 60'000'000'000}, {"h", 3'600'000'000'000},
};

std::unexpected<Error> bad_duration(std::string_view what, std::string_view text) {
  return fail(Code::invalid_argument, "time: " + std::string(what) + " duration " + quoted(text));
}

constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

std::string_view take_digits(std::string_view& text) {
  std::size_t count = 0;
  while (count < text.size() && is_digit(text[count])) ++count;
  const auto digits = text.substr(0, count);
  text.remove_prefix(count);
  return digits;
}

/// The nanoseconds of "<whole>.<fraction>" units, or nullopt if they are too many. Digits of the
/// fraction that no longer fit are dropped, as Go does.
std::optional<std::uint64_t> scaled(std::string_view whole, std::string_view fraction,
                                    std::uint64_t unit) {
  std::uint64_t value = 0;
  for (const char c : whole) {
    if (value > kLimit / 10) return std::nullopt;
    value = value * 10 + static_cast<std::uint64_t>(c - '0');
    if (value > kLimit) return std::nullopt;
  }
  if (value > kLimit / unit) return std::nullopt;
  value *= unit;
  std::uint64_t part = 0;
  double scale = 1;
  for (const char c : fraction) {
    if (part > (kLimit - 1) / 10) break;
    const std::uint64_t next = part * 10 + static_cast<std::uint64_t>(c - '0');
    if (next > kLimit) break;
    part = next;
    scale *= 10;
  }
  if (part > 0) {
    value +=
        static_cast<std::uint64_t>(static_cast<double>(part) * (static_cast<double>(unit) / scale));
    if (value > kLimit) return std::nullopt;
  }
  return value;
}

void append_fraction(std::string& out, std::uint64_t value, int digits) {
  char buffer[16];
  int length = 0;
  for (int i = digits - 1; i >= 0; --i) {
    buffer[i] = static_cast<char>('0' + value % 10);
    value /= 10;
    if (length == 0 && buffer[i] != '0') length = i + 1;
  }
  if (length > 0) {
    out += '.';
    out.append(buffer, static_cast<std::size_t>(length));
  }
}

std::unexpected<Error> bad_iso(std::string_view text) {
  return fail(Code::invalid_argument, "unsupported ISO8601 duration format: " + std::string(text));
}

/// Adds `count` units; false if the sum does not fit.
bool add_units(nanoseconds& to, int count, std::int64_t unit) {
  std::int64_t product = 0;
  std::int64_t sum = 0;
  if (__builtin_mul_overflow(static_cast<std::int64_t>(count), unit, &product)) return false;
  if (__builtin_add_overflow(to.count(), product, &sum)) return false;
  to = nanoseconds(sum);
  return true;
}

bool add_days(int& days, int count, int unit) {
  int product = 0;
  return !__builtin_mul_overflow(count, unit, &product) &&
         !__builtin_add_overflow(days, product, &days);
}

/// One part "<count><letter>" of an ISO 8601 duration; false if it makes none.
bool add_part(CalendarDuration& to, char letter, bool in_time, std::string_view digits) {
  const auto count = parse_int<int>(digits);
  if (!count) return false;
  constexpr std::int64_t kSecond = 1'000'000'000;
  switch (letter) {
    case 'Y': to.years = *count; return !in_time;
    case 'W': return !in_time && add_days(to.days, *count, 7);
    case 'D': return !in_time && add_days(to.days, *count, 1);
    case 'H': return in_time && add_units(to.rest, *count, 3600 * kSecond);
    case 'S': return in_time && add_units(to.rest, *count, kSecond);
    default: break;
  }
  if (in_time) return add_units(to.rest, *count, 60 * kSecond);
  to.months = *count;
  return true;
}

}  // namespace

Result<nanoseconds> parse_duration(std::string_view text) {
  const std::string_view all = text;
  bool negative = false;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    negative = text[0] == '-';
    text.remove_prefix(1);
  }
  if (text == "0") return nanoseconds(0);
  if (text.empty()) return bad_duration("invalid", all);
  std::uint64_t total = 0;
  while (!text.empty()) {
    const auto whole = take_digits(text);
    std::string_view fraction;
    if (!text.empty() && text[0] == '.') {
      text.remove_prefix(1);
      fraction = take_digits(text);
    }
    if (whole.empty() && fraction.empty()) return bad_duration("invalid", all);
    std::size_t length = 0;
    while (length < text.size() && text[length] != '.' && !is_digit(text[length])) ++length;
    if (length == 0) return bad_duration("missing unit in", all);
    const auto name = text.substr(0, length);
    text.remove_prefix(length);
    const Unit* unit = nullptr;
    for (const Unit& candidate : kUnits) {
      if (candidate.name == name) unit = &candidate;
    }
    if (unit == nullptr) return bad_duration("unknown unit " + quoted(name) + " in", all);
    const auto value = scaled(whole, fraction, unit->nanos);
    if (!value || total + *value > kLimit) return bad_duration("invalid", all);
    total += *value;
  }
  if (negative) return nanoseconds(static_cast<std::int64_t>(0 - total));
  if (total > kLimit - 1) return bad_duration("invalid", all);
  return nanoseconds(static_cast<std::int64_t>(total));
}

std::string format_duration(nanoseconds duration) {
  if (duration.count() == 0) return "0s";
  const bool negative = duration.count() < 0;
  auto value = static_cast<std::uint64_t>(duration.count());
  if (negative) value = 0 - value;
  std::string out = negative ? "-" : "";
  if (value < 1'000'000'000) {
    const auto write = [&](std::uint64_t unit, int digits, std::string_view name) {
      append_uint(out, value / unit);
      append_fraction(out, value % unit, digits);
      out += name;
    };
    if (value < 1'000) {
      write(1, 0, "ns");
    } else if (value < 1'000'000) {
      write(1'000, 3, "\u00b5s");
    } else {
      write(1'000'000, 6, "ms");
    }
    return out;
  }
  const std::uint64_t seconds = value / 1'000'000'000;
  if (seconds >= 3600) {
    append_uint(out, seconds / 3600);
    out += 'h';
  }
  if (seconds >= 60) {
    append_uint(out, seconds / 60 % 60);
    out += 'm';
  }
  append_uint(out, seconds % 60);
  append_fraction(out, value % 1'000'000'000, 9);
  out += 's';
  return out;
}

Result<CalendarDuration> parse_iso8601_duration(std::string_view text) {
  const std::string_view all = text;
  CalendarDuration result;
  if (text.size() < 2) return bad_iso(all);
  if (text[0] == 'R') {
    const auto slash = text.find('/');
    const auto digits = text.substr(1, slash == std::string_view::npos ? slash : slash - 1);
    const auto count = parse_int<std::int64_t>(digits);
    if (!count) return bad_iso(all);
    // Upstream's -1 is "no limit".
    if (*count != -1) result.repetitions = count;
    if (slash == std::string_view::npos || slash + 1 == text.size()) return result;
    text.remove_prefix(slash + 1);
  }
  if (text[0] != 'P') return bad_iso(all);
  text.remove_prefix(1);
  bool in_time = false;
  std::size_t start = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == 'T') {
      if (start != i) return bad_iso(all);
      in_time = true;
      start = i + 1;
    } else if (std::string_view("YWDHSM").find(c) != std::string_view::npos) {
      if (!add_part(result, c, in_time, text.substr(start, i - start))) return bad_iso(all);
      start = i + 1;
    }
  }
  return result;
}

Result<CalendarDuration> parse_calendar_duration(std::string_view text) {
  if (auto iso = parse_iso8601_duration(text)) return iso;
  const auto duration = parse_duration(text);
  if (!duration) {
    return fail(Code::invalid_argument, "unsupported duration format: " + std::string(text));
  }
  return CalendarDuration{.rest = *duration};
}

}  // namespace outrigger
