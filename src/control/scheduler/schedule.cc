#include "control/scheduler/schedule.h"

#include "base/duration.h"
#include "base/strings.h"

namespace outrigger::control::scheduler {
namespace {

constexpr std::uint64_t kStar = std::uint64_t{1} << 63;
constexpr std::int64_t kDay = 86'400;
constexpr std::int64_t kNanos = 1'000'000'000;
/// How far ahead a match is looked for: what no five years have is never.
constexpr int kYearsMax = 5;
/// More than any walk through them takes, whatever a zone's clocks do at midnight.
constexpr unsigned kStepsMax = 100'000;

struct Bounds {
  unsigned low, high;
  std::span<const std::string_view> names;
};
constexpr std::string_view kMonths[] = {"jan", "feb", "mar", "apr", "may", "jun",
                                        "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::string_view kWeekdays[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};
constexpr Bounds kSeconds{0, 59, {}};
constexpr Bounds kMinutes{0, 59, {}};
constexpr Bounds kHours{0, 23, {}};
constexpr Bounds kDaysOfMonth{1, 31, {}};
constexpr Bounds kMonthsOfYear{1, 12, kMonths};
constexpr Bounds kDaysOfWeek{0, 6, kWeekdays};

std::unexpected<Error> bad(std::string message) { return fail(Code::unknown, std::move(message)); }

/// Words as Go's strings.Fields has them.
std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  while (!(text = trim(text)).empty()) {
    const auto end = std::min(text.find_first_of(" \t\n\v\f\r"), text.size());
    words.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return words;
}

Result<unsigned> parse_number(std::string_view text) {
  const std::string shown(text);
  const auto number = parse_int<std::int64_t>(text);
  if (!number) {
    const bool digits =
        !text.empty() && std::ranges::all_of(text.substr(text[0] == '-' ? 1 : 0),
                                             [](char c) { return c >= '0' && c <= '9'; });
    const bool too_large = digits && text != "-";
    return bad("failed to parse int from " + shown + ": strconv.Atoi: parsing " + quoted(text) +
               (too_large ? ": value out of range" : ": invalid syntax"));
  }
  if (*number < 0) {
    return bad("negative number (" + std::to_string(*number) + ") not allowed: " + shown);
  }
  return static_cast<unsigned>(std::min<std::int64_t>(*number, std::numeric_limits<int>::max()));
}

Result<unsigned> parse_name_or_number(std::string_view text, const Bounds& bounds) {
  const std::string lower = to_lower(text);
  for (std::size_t i = 0; i < bounds.names.size(); ++i) {
    if (bounds.names[i] == lower) return bounds.low + static_cast<unsigned>(i);
  }
  return parse_number(text);
}

std::uint64_t bits_of(unsigned low, unsigned high, unsigned step) {
  std::uint64_t bits = 0;
  // The step may be near the end of its type.
  for (std::uint64_t value = low; value <= high; value += step) bits |= std::uint64_t{1} << value;
  return bits;
}

/// number, name, "*", "?", low-high; each perhaps with "/step".
Result<std::uint64_t> parse_range(std::string_view text, const Bounds& bounds) {
  const std::string shown(text);
  const auto stepped = split(text, '/');
  const auto ends = split(stepped[0], '-');
  unsigned low = bounds.low;
  unsigned high = bounds.high;
  unsigned step = 1;
  std::uint64_t star = 0;
  if (ends[0] == "*" || ends[0] == "?") {
    star = kStar;
  } else {
    OUT_TRY(low, parse_name_or_number(ends[0], bounds));
    high = low;
    if (ends.size() == 2) {
      OUT_TRY(high, parse_name_or_number(ends[1], bounds));
    } else if (ends.size() > 2) {
      return bad("too many hyphens: " + shown);
    }
  }
  if (stepped.size() > 2) return bad("too many slashes: " + shown);
  if (stepped.size() == 2) {
    OUT_TRY(step, parse_number(stepped[1]));
    if (ends.size() == 1) high = bounds.high;  // "5/10": from 5 on.
    if (step > 1) star = 0;
  }
  const auto number = [](unsigned value) { return "(" + std::to_string(value) + ")"; };
  if (low < bounds.low) {
    return bad("beginning of range " + number(low) + " below minimum " + number(bounds.low) + ": " +
               shown);
  }
  if (high > bounds.high) {
    return bad("end of range " + number(high) + " above maximum " + number(bounds.high) + ": " +
               shown);
  }
  if (low > high) {
    return bad("beginning of range " + number(low) + " beyond end of range " + number(high) + ": " +
               shown);
  }
  if (step == 0) return bad("step of range should be a positive number: " + shown);
  return bits_of(low, high, step) | star;
}

Result<std::uint64_t> parse_field(std::string_view text, const Bounds& bounds) {
  std::uint64_t bits = 0;
  for (const auto part : split(text, ',')) {
    if (part.empty()) continue;
    OUT_TRY(const auto more, parse_range(part, bounds));
    bits |= more;
  }
  return bits;
}

std::chrono::year_month_day date_of(std::int64_t days) {
  return std::chrono::sys_days(std::chrono::days(days));
}

std::int64_t floor_div(std::int64_t value, std::int64_t by) {
  return value / by - (value % by < 0 ? 1 : 0);
}

}  // namespace

/// A moment on its way forward, as UTC seconds and as a local clock shows it.
struct Schedule::Walk {
  explicit Walk(const TimeZone& in, std::int64_t seconds) : zone(in) { set(seconds); }

  void set(std::int64_t seconds) {
    ++steps;
    utc = seconds;
    const std::int64_t local = utc + zone.at(utc).offset;
    days = floor_div(local, kDay);
    rest = local - days * kDay;
    const auto date = date_of(days);
    year = static_cast<int>(date.year());
    month = static_cast<int>(static_cast<unsigned>(date.month()));
    day = static_cast<int>(static_cast<unsigned>(date.day()));
  }
  /// To this local time; days and months may overflow into the next larger unit.
  void set_local(std::int64_t day_number, std::int64_t seconds) {
    set(zone.to_utc(day_number * kDay + seconds));
  }
  void start_of_month() { set_local(days - (day - 1), 0); }
  /// The same clock time a month later.
  void next_month() {
    const std::chrono::year_month_day first{
        std::chrono::year(month == 12 ? year + 1 : year),
        std::chrono::month(static_cast<unsigned>(month % 12 + 1)), std::chrono::day(1)};
    set_local(std::chrono::sys_days(first).time_since_epoch().count() + day - 1, rest);
  }
  [[nodiscard]] int hour() const { return static_cast<int>(rest / 3600); }
  [[nodiscard]] int minute() const { return static_cast<int>(rest / 60 % 60); }
  [[nodiscard]] int second() const { return static_cast<int>(rest % 60); }
  [[nodiscard]] int weekday() const {
    return static_cast<int>(
        std::chrono::weekday(std::chrono::sys_days(std::chrono::days(days))).c_encoding());
  }

  const TimeZone& zone;
  std::int64_t utc = 0;
  std::int64_t days = 0;
  std::int64_t rest = 0;
  int year = 0, month = 0, day = 0;
  unsigned steps = 0;
};

bool Schedule::day_matches(int day, int weekday) const noexcept {
  const bool by_day = has(day_, day);
  const bool by_weekday = has(weekday_, weekday);
  if ((day_ & kStar) != 0 || (weekday_ & kStar) != 0) return by_day && by_weekday;
  return by_day || by_weekday;
}

std::optional<WallTime> Schedule::next(WallTime after) const {
  if (every_) return add(after, CalendarDuration{.rest = *every_});
  // A field of commas only.
  if (second_ == 0 || minute_ == 0 || hour_ == 0) return std::nullopt;
  Walk at(*zone_, floor_div(after.time_since_epoch().count(), kNanos) + 1);
  const int year_max = at.year + kYearsMax;
  bool moved = false;
  for (;;) {
    bool wrapped = false;
    if (at.year > year_max) return std::nullopt;
    while (!wrapped && !has(month_, at.month)) {
      if (!moved) at.start_of_month();
      moved = true;
      at.next_month();
      wrapped = at.month == 1;
    }
    if (wrapped) continue;
    while (!wrapped && !day_matches(at.day, at.weekday())) {
      if (!moved) at.set_local(at.days, 0);
      moved = true;
      at.set_local(at.days + 1, at.rest);
      // Where midnight is skipped or comes twice.
      if (at.hour() > 12) {
        at.set(at.utc + (24 - at.hour()) * std::int64_t{3600});
      } else if (at.hour() != 0) {
        at.set(at.utc - at.hour() * std::int64_t{3600});
      }
      wrapped = at.day == 1;
      if (at.steps > kStepsMax) return std::nullopt;
    }
    if (wrapped) continue;
    while (!wrapped && !has(hour_, at.hour())) {
      if (!moved) at.set_local(at.days, at.hour() * std::int64_t{3600});
      moved = true;
      at.set(at.utc + 3600);
      wrapped = at.hour() == 0;
    }
    if (wrapped) continue;
    while (!wrapped && !has(minute_, at.minute())) {
      if (!moved) at.set(at.utc - at.second());
      moved = true;
      at.set(at.utc + 60);
      wrapped = at.minute() == 0;
    }
    if (wrapped) continue;
    while (!wrapped && !has(second_, at.second())) {
      moved = true;
      at.set(at.utc + 1);
      wrapped = at.second() == 0;
    }
    if (!wrapped) break;
  }
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max() / kNanos;
  if (at.utc >= kMax) return std::nullopt;
  return WallTime(std::chrono::nanoseconds(at.utc * kNanos));
}

Result<Schedule> Schedule::parse_descriptor(std::string_view text) {
  Schedule schedule;
  constexpr std::string_view kEvery = "@every ";
  if (text.starts_with(kEvery)) {
    auto duration = parse_duration(text.substr(kEvery.size()));
    if (!duration) {
      return bad("failed to parse duration " + std::string(text) + ": " +
                 duration.error().message());
    }
    schedule.every_ = *duration;
    return schedule;
  }
  constexpr std::pair<std::string_view, std::string_view> kNamed[] = {
      {"@yearly", "0 0 0 1 1 *"}, {"@annually", "0 0 0 1 1 *"}, {"@monthly", "0 0 0 1 * *"},
      {"@weekly", "0 0 0 * * 0"}, {"@daily", "0 0 0 * * *"},    {"@midnight", "0 0 0 * * *"},
      {"@hourly", "0 0 * * * *"}};
  for (const auto& [name, fields] : kNamed) {
    if (name == text) return parse(fields);
  }
  return bad("unrecognized descriptor: " + std::string(text));
}

Result<Schedule> Schedule::parse(std::string_view text) {
  if (text.empty()) return bad("empty spec string");
  auto zone = TimeZone::utc();
  if (text.starts_with("TZ=") || text.starts_with("CRON_TZ=")) {
    const std::string_view all = text;
    const auto space = text.find_first_of(" \t\n\v\f\r");
    if (space == std::string_view::npos) {
      return bad("timezone prefix " + std::string(all) + " is not followed by a schedule");
    }
    const auto equals = text.find('=');
    const auto name = text.substr(equals + 1, space - equals - 1);
    auto loaded = TimeZone::load(name);
    if (!loaded) {
      return bad("provided bad location " + std::string(name) + ": " + loaded.error().message());
    }
    zone = *std::move(loaded);
    text = trim(text.substr(space));
    if (text.starts_with("@every ")) {
      return bad("timezone is not supported for @every schedules: " + std::string(all));
    }
  }
  if (text.starts_with('@')) {
    OUT_TRY(auto named, parse_descriptor(text));
    named.zone_ = std::move(zone);
    return named;
  }
  const auto fields = words_of(text);
  if (fields.size() != 6) {
    std::string shown;
    for (const auto field : fields) {
      if (!shown.empty()) shown += ' ';
      shown += field;
    }
    return bad("expected exactly 6 fields, found " + std::to_string(fields.size()) + ": [" + shown +
               "]");
  }
  Schedule schedule;
  OUT_TRY(schedule.second_, parse_field(fields[0], kSeconds));
  OUT_TRY(schedule.minute_, parse_field(fields[1], kMinutes));
  OUT_TRY(schedule.hour_, parse_field(fields[2], kHours));
  OUT_TRY(schedule.day_, parse_field(fields[3], kDaysOfMonth));
  OUT_TRY(schedule.month_, parse_field(fields[4], kMonthsOfYear));
  OUT_TRY(schedule.weekday_, parse_field(fields[5], kDaysOfWeek));
  schedule.zone_ = std::move(zone);
  return schedule;
}

}  // namespace outrigger::control::scheduler
