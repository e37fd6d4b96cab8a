#include "base/time_format.h"

#include <cstdint>
#include <ctime>
#include <limits>

namespace outrigger {
namespace {

using std::chrono::nanoseconds;

constexpr std::int64_t kNanos = 1'000'000'000;
constexpr std::int64_t kDay = 86'400;

struct Parts {
  std::int64_t days;     // Since 1970-01-01.
  std::int64_t seconds;  // Of the day.
  std::int64_t nanos;
};

Parts parts_of_seconds(std::int64_t seconds, std::int64_t nanos) {
  std::int64_t days = seconds / kDay;
  std::int64_t rest = seconds % kDay;
  if (rest < 0) {
    rest += kDay;
    --days;
  }
  return {days, rest, nanos};
}

Parts parts_of(WallTime time, std::int64_t offset_seconds) {
  const std::int64_t total = time.time_since_epoch().count();
  std::int64_t seconds = total / kNanos;
  std::int64_t nanos = total % kNanos;
  if (nanos < 0) {
    nanos += kNanos;
    --seconds;
  }
  return parts_of_seconds(seconds + offset_seconds, nanos);
}

std::chrono::year_month_day date_of(std::int64_t days) {
  return std::chrono::sys_days(std::chrono::days(days));
}

void append_padded(std::string& out, std::int64_t value, int digits) {
  char buffer[20];
  for (int i = digits - 1; i >= 0; --i) {
    buffer[i] = static_cast<char>('0' + value % 10);
    value /= 10;
  }
  out.append(buffer, static_cast<std::size_t>(digits));
}

void append_clock(std::string& out, std::int64_t seconds) {
  append_padded(out, seconds / 3600, 2);
  out += ':';
  append_padded(out, seconds / 60 % 60, 2);
  out += ':';
  append_padded(out, seconds % 60, 2);
}

void append_date_time(std::string& out, const Parts& parts, bool with_fraction) {
  const auto date = date_of(parts.days);
  append_padded(out, static_cast<int>(date.year()), 4);
  out += '-';
  append_padded(out, static_cast<unsigned>(date.month()), 2);
  out += '-';
  append_padded(out, static_cast<unsigned>(date.day()), 2);
  out += 'T';
  append_clock(out, parts.seconds);
  if (!with_fraction || parts.nanos == 0) return;
  out += '.';
  append_padded(out, parts.nanos, 9);
  while (out.back() == '0') out.pop_back();
}

/// The zone's offset, asked of the C library once a minute and thread: it changes on whole minutes.
std::int64_t local_offset(WallTime time) {
  thread_local std::int64_t minute = std::numeric_limits<std::int64_t>::min();
  thread_local std::int64_t offset = 0;
  const std::int64_t seconds = time.time_since_epoch().count() / kNanos;
  if (seconds / 60 != minute) {
    const auto at = static_cast<std::time_t>(seconds);
    std::tm local{};
    offset = ::localtime_r(&at, &local) != nullptr ? local.tm_gmtoff : 0;
    minute = seconds / 60;
  }
  return offset;
}

/// Reads fixed-width text from the left.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  bool number(int digits, int low, int high, int& value) {
    value = 0;
    for (int i = 0; i < digits; ++i) {
      if (text_.empty() || text_[0] < '0' || text_[0] > '9') return false;
      value = value * 10 + (text_[0] - '0');
      text_.remove_prefix(1);
    }
    return value >= low && value <= high;
  }
  /// One or two digits: Go takes "T9:00:00Z" as well.
  bool hour(int& value) {
    const bool one_digit = text_.size() > 1 && text_[1] == ':';
    return number(one_digit ? 1 : 2, 0, 23, value);
  }
  bool literal(char expected) {
    if (text_.empty() || text_[0] != expected) return false;
    text_.remove_prefix(1);
    return true;
  }
  /// An optional fraction of a second, after '.' or ','; digits after the ninth do not count.
  bool fraction(std::int64_t& nanos) {
    nanos = 0;
    if (!literal('.') && !literal(',')) return true;
    std::int64_t scale = kNanos / 10;
    std::size_t count = 0;
    for (; count < text_.size() && text_[count] >= '0' && text_[count] <= '9'; ++count) {
      nanos += (text_[count] - '0') * scale;
      scale /= 10;
    }
    text_.remove_prefix(count);
    return count > 0;
  }
  bool offset(std::int64_t& seconds) {
    seconds = 0;
    if (literal('Z')) return text_.empty();
    const bool negative = !text_.empty() && text_[0] == '-';
    if (!negative && (text_.empty() || text_[0] != '+')) return false;
    text_.remove_prefix(1);
    int hours = 0;
    int minutes = 0;
    if (!number(2, 0, 24, hours) || !literal(':') || !number(2, 0, 60, minutes)) return false;
    seconds = (std::int64_t{hours} * 60 + minutes) * 60 * (negative ? -1 : 1);
    return text_.empty();
  }

 private:
  std::string_view text_;
};

}  // namespace

WallTime wall_now() noexcept {
  return std::chrono::time_point_cast<nanoseconds>(std::chrono::system_clock::now());
}

WallTime wall_time(std::int64_t seconds, std::int64_t nanos) noexcept {
  if (seconds < 0 && nanos > 0) {  // The first second of the range begins before it.
    ++seconds;
    nanos -= kNanos;
  }
  std::int64_t total = 0;
  if (__builtin_mul_overflow(seconds, kNanos, &total) ||
      __builtin_add_overflow(total, nanos, &total)) {
    return seconds < 0 ? WallTime::min() : WallTime::max();
  }
  return WallTime(nanoseconds(total));
}

std::string format_rfc3339(WallTime time) {
  return format_rfc3339(std::chrono::floor<std::chrono::seconds>(time));
}

std::string format_rfc3339(std::chrono::sys_seconds time) {
  std::string out;
  append_date_time(out, parts_of_seconds(time.time_since_epoch().count(), 0), false);
  out += 'Z';
  return out;
}

std::string format_rfc3339_nano(WallTime time) {
  std::string out;
  append_date_time(out, parts_of(time, 0), true);
  out += 'Z';
  return out;
}

void append_rfc3339_nano_local(std::string& out, WallTime time) {
  const std::int64_t offset = local_offset(time);
  append_date_time(out, parts_of(time, offset), true);
  if (offset == 0) {
    out += 'Z';
    return;
  }
  const std::int64_t minutes = (offset < 0 ? -offset : offset) / 60;
  out += offset < 0 ? '-' : '+';
  append_padded(out, minutes / 60, 2);
  out += ':';
  append_padded(out, minutes % 60, 2);
}

std::string format_http_date(WallTime time) {
  constexpr std::string_view kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::string_view kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const Parts parts = parts_of(time, 0);
  const auto date = date_of(parts.days);
  const std::chrono::weekday weekday{std::chrono::sys_days(date)};
  std::string out(kDays[weekday.c_encoding()]);
  out += ", ";
  append_padded(out, static_cast<unsigned>(date.day()), 2);
  out += ' ';
  out += kMonths[static_cast<unsigned>(date.month()) - 1];
  out += ' ';
  append_padded(out, static_cast<int>(date.year()), 4);
  out += ' ';
  append_clock(out, parts.seconds);
  out += " GMT";
  return out;
}

Result<WallTime> parse_rfc3339(std::string_view text) {
  Scanner scan(text);
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  std::int64_t nanos = 0;
  std::int64_t offset = 0;
  const bool read = scan.number(4, 0, 9999, year) && scan.literal('-') &&
                    scan.number(2, 1, 12, month) && scan.literal('-') &&
                    scan.number(2, 1, 31, day) && scan.literal('T') && scan.hour(hour) &&
                    scan.literal(':') && scan.number(2, 0, 59, minute) && scan.literal(':') &&
                    scan.number(2, 0, 59, second) && scan.fraction(nanos) && scan.offset(offset);
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!read || !date.ok()) {
    return fail(Code::invalid_argument,
                "'" + std::string(text) + "' is not a time as RFC 3339 has it");
  }
  const std::int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  return wall_time(
      days * kDay + std::int64_t{hour} * 3600 + std::int64_t{minute} * 60 + second - offset, nanos);
}

WallTime add(WallTime time, const CalendarDuration& duration) noexcept {
  const Parts parts = parts_of(time, 0);
  const auto date = date_of(parts.days);
  const std::int64_t months =
      (static_cast<std::int64_t>(static_cast<int>(date.year())) + duration.years) * 12 +
      static_cast<unsigned>(date.month()) - 1 + duration.months;
  const std::int64_t year = months >= 0 ? months / 12 : (months - 11) / 12;
  // The calendar types hold years of 16 bits; WallTime ends far inside.
  if (year > 9999) return WallTime::max();
  if (year < 0) return WallTime::min();
  const std::chrono::year_month_day first{
      std::chrono::year(static_cast<int>(year)),
      std::chrono::month(static_cast<unsigned>(months - year * 12 + 1)), std::chrono::day(1)};
  const std::int64_t days = std::chrono::sys_days(first).time_since_epoch().count() +
                            static_cast<unsigned>(date.day()) - 1 + duration.days;
  const WallTime stepped = wall_time(days * kDay + parts.seconds, parts.nanos);
  std::int64_t total = 0;
  if (__builtin_add_overflow(stepped.time_since_epoch().count(), duration.rest.count(), &total)) {
    return duration.rest.count() < 0 ? WallTime::min() : WallTime::max();
  }
  return WallTime(nanoseconds(total));
}

Result<WallTime> parse_time(std::string_view text, WallTime now) {
  if (const auto iso = parse_iso8601_duration(text)) {
    if (iso->repetitions) return fail(Code::invalid_argument, "repetitions are not allowed");
    return add(now, *iso);
  }
  if (const auto duration = parse_duration(text)) {
    return add(now, CalendarDuration{.rest = *duration});
  }
  if (auto time = parse_rfc3339(text)) return time;
  return fail(Code::invalid_argument, "unsupported time/duration format: " + std::string(text));
}

}  // namespace outrigger
