#include "runtime/cel/clock.h"

#include "base/strings.h"
#include "runtime/cel/zone.h"

namespace outrigger::cel {
namespace {

constexpr std::int64_t kDay = 86'400;

// Reads text from the left; every function is false at the first thing that does not fit.
class Reader {
 public:
  explicit Reader(std::string_view text) noexcept : text_(text) {}

  bool number(std::size_t digits_min, std::size_t digits_max, int low, int high, int& value) {
    value = 0;
    std::size_t count = 0;
    while (count < digits_max && count < text_.size() && text_[count] >= '0' &&
           text_[count] <= '9') {
      value = value * 10 + (text_[count++] - '0');
    }
    text_.remove_prefix(count);
    return count >= digits_min && value >= low && value <= high;
  }
  bool two(int low, int high, int& value) { return number(2, 2, low, high, value); }
  bool literal(char expected) noexcept {
    if (!text_.starts_with(expected)) return false;
    text_.remove_prefix(1);
    return true;
  }
  bool fraction(std::int32_t& nanos) noexcept {
    if (!literal('.') && !literal(',')) return true;
    std::int32_t scale = 100'000'000;
    std::size_t count = 0;
    for (; count < text_.size() && text_[count] >= '0' && text_[count] <= '9'; ++count) {
      nanos += (text_[count] - '0') * scale;
      scale /= 10;
    }
    text_.remove_prefix(count);
    return count > 0;
  }
  bool offset(std::int32_t& seconds) {
    if (literal('Z')) return text_.empty();
    const bool negative = text_.starts_with('-');
    if (!literal('-') && !literal('+')) return false;
    int hours = 0;
    int minutes = 0;
    if (!two(0, 24, hours) || !literal(':') || !two(0, 60, minutes)) return false;
    seconds = (hours * 60 + minutes) * 60 * (negative ? -1 : 1);
    return text_.empty();
  }

 private:
  std::string_view text_;
};

void append_padded(std::string& out, int value, int digits) {
  std::string text = std::to_string(value);
  if (static_cast<int>(text.size()) < digits) text.insert(0, digits - text.size(), '0');
  out += text;
}

void append_fraction(std::string& out, std::int32_t nanos) {
  if (nanos == 0) return;
  out += '.';
  append_padded(out, nanos, 9);
  while (out.back() == '0') out.pop_back();
}

}  // namespace

std::optional<Timestamp> parse_timestamp(std::string_view text) {
  Reader read(text);
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  Timestamp time;
  const bool fits = read.number(4, 4, 0, 9999, year) && read.literal('-') &&
                    read.two(1, 12, month) && read.literal('-') && read.two(1, 31, day) &&
                    read.literal('T') && read.number(1, 2, 0, 23, hour) && read.literal(':') &&
                    read.two(0, 59, minute) && read.literal(':') && read.two(0, 59, second) &&
                    read.fraction(time.nanos) && read.offset(time.offset_seconds);
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!fits || !date.ok()) return std::nullopt;
  const std::int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  time.seconds = days * kDay + hour * 3600 + minute * 60 + second - time.offset_seconds;
  return time;
}

CivilTime civil_time(std::int64_t seconds, std::int64_t offset_seconds) noexcept {
  const std::int64_t local = seconds + offset_seconds;
  std::int64_t days = local / kDay;
  std::int64_t rest = local % kDay;
  if (rest < 0) {
    rest += kDay;
    --days;
  }
  const std::chrono::sys_days at{std::chrono::days(days)};
  const std::chrono::year_month_day date(at);
  const std::chrono::sys_days new_year{date.year() / 1 / 1};
  CivilTime civil;
  civil.year = static_cast<int>(date.year());
  civil.month = static_cast<int>(static_cast<unsigned>(date.month()));
  civil.day = static_cast<int>(static_cast<unsigned>(date.day()));
  civil.day_of_year = static_cast<int>((at - new_year).count());
  civil.weekday = static_cast<int>(std::chrono::weekday(at).c_encoding());
  civil.hour = static_cast<int>(rest / 3600);
  civil.minute = static_cast<int>(rest / 60 % 60);
  civil.second = static_cast<int>(rest % 60);
  return civil;
}

std::string format_timestamp(const Timestamp& time) {
  const CivilTime civil = civil_time(time.seconds, time.offset_seconds);
  std::string out;
  if (civil.year < 0) out += '-';
  append_padded(out, civil.year < 0 ? -civil.year : civil.year, 4);
  const std::pair<char, int> parts[] = {{'-', civil.month},
                                        {'-', civil.day},
                                        {'T', civil.hour},
                                        {':', civil.minute},
                                        {':', civil.second}};
  for (const auto& [separator, value] : parts) {
    out += separator;
    append_padded(out, value, 2);
  }
  append_fraction(out, time.nanos);
  if (time.offset_seconds == 0) return out += 'Z';
  const int minutes = std::abs(time.offset_seconds) / 60;
  out += time.offset_seconds < 0 ? '-' : '+';
  append_padded(out, minutes / 60, 2);
  out += ':';
  append_padded(out, minutes % 60, 2);
  return out;
}

Result<std::int64_t> zone_offset(std::string_view zone, std::int64_t seconds) {
  const auto colon = zone.find(':');
  if (colon == std::string_view::npos) return named_zone_offset(zone, seconds);
  const auto hours = parse_int<std::int32_t>(zone.substr(0, colon));
  const auto minutes = parse_int<std::int32_t>(zone.substr(colon + 1));
  if (!hours || !minutes || std::abs(*hours) > 1000 || std::abs(*minutes) > 100'000) {
    return fail(Code::invalid_argument, "no time zone " + quoted(zone));
  }
  const std::int64_t sign = zone.starts_with('-') ? -1 : 1;
  return (std::int64_t{*hours} * 60 + sign * *minutes) * 60;
}

}  // namespace outrigger::cel
