#include "control/scheduler/time_zone.h"

#include <chrono>
#include <fstream>
#include <limits>
#include <mutex>

#include "base/env.h"

namespace outrigger::control::scheduler {
namespace {

constexpr std::int64_t kDay = 86'400;
constexpr std::int64_t kFirst = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kLast = std::numeric_limits<std::int64_t>::max();

/// No zone of the data base comes near; a larger file is none.
constexpr std::size_t kFileBytesMax = std::size_t{1} << 20;

std::unexpected<Error> malformed() {
  return fail(Code::unknown, "malformed time zone information");
}

std::int64_t days_to(int year, int month, int day) {
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  return std::chrono::sys_days(date).time_since_epoch().count();
}

int year_of(std::int64_t utc_seconds) {
  // Outside the calendar's range no schedule is reckoned.
  const std::int64_t clamped =
      std::clamp<std::int64_t>(utc_seconds, -900'000'000'000, 900'000'000'000);
  const auto days = std::chrono::floor<std::chrono::days>(
      std::chrono::sys_seconds(std::chrono::seconds(clamped)));
  return static_cast<int>(std::chrono::year_month_day(days).year());
}

/// Takes the parts of a TZ text from the left.
class TailScanner {
 public:
  explicit TailScanner(std::string_view text) : text_(text) {}
  [[nodiscard]] bool empty() const noexcept { return text_.empty(); }
  [[nodiscard]] bool begins(char c) const noexcept { return !text_.empty() && text_[0] == c; }
  bool take(char c) {
    if (!begins(c)) return false;
    text_.remove_prefix(1);
    return true;
  }
  bool name() {
    if (take('<')) {
      const auto end = text_.find('>');
      if (end == std::string_view::npos) return false;
      text_.remove_prefix(end + 1);
      return true;
    }
    std::size_t length = 0;
    while (length < text_.size() && letter(text_[length])) ++length;
    text_.remove_prefix(length);
    return length >= 3;
  }
  bool number(int low, int high, int& value) {
    value = 0;
    std::size_t digits = 0;
    while (digits < text_.size() && text_[digits] >= '0' && text_[digits] <= '9' && digits < 4) {
      value = value * 10 + (text_[digits] - '0');
      ++digits;
    }
    text_.remove_prefix(digits);
    return digits > 0 && value >= low && value <= high;
  }
  /// [+-]h[h][:mm[:ss]]; hours up to a week, as Go takes them.
  bool clock(std::int64_t& seconds) {
    const bool negative = begins('-');
    if (negative || begins('+')) text_.remove_prefix(1);
    int hours = 0;
    int minutes = 0;
    int rest = 0;
    if (!number(0, 24 * 7, hours)) return false;
    if (take(':') && !number(0, 59, minutes)) return false;
    if (take(':') && !number(0, 59, rest)) return false;
    seconds = (std::int64_t{hours} * 60 + minutes) * 60 + rest;
    if (negative) seconds = -seconds;
    return true;
  }

 private:
  static bool letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
  std::string_view text_;
};

}  // namespace

/// Takes big-endian numbers from the left of a TZif file.
class TimeZone::Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}
  [[nodiscard]] bool ok() const noexcept { return ok_; }
  std::string_view take(std::size_t count) {
    if (count > bytes_.size()) {
      ok_ = false;
      return {};
    }
    const auto taken = bytes_.substr(0, count);
    bytes_.remove_prefix(count);
    return taken;
  }
  std::int64_t number(std::size_t width) {
    std::uint64_t value = 0;
    for (const char c : take(width)) value = value << 8 | static_cast<std::uint8_t>(c);
    if (width == 4) return static_cast<std::int32_t>(static_cast<std::uint32_t>(value));
    return static_cast<std::int64_t>(value);
  }
  [[nodiscard]] std::string_view rest() const noexcept { return bytes_; }

 private:
  std::string_view bytes_;
  bool ok_ = true;
};

std::int64_t TimeZone::Rule::in_year(int year) const noexcept {
  const bool leap = std::chrono::year(year).is_leap();
  std::int64_t date = days_to(year, 1, 1);
  switch (kind) {
    case Kind::julian: date += day - 1 + (leap && day >= 60 ? 1 : 0); break;
    case Kind::day: date += day; break;
    case Kind::month_week_day: {
      const std::int64_t first = days_to(year, month, 1);
      const int weekday = static_cast<int>(((first + 4) % 7 + 7) % 7);
      std::int64_t offset = (day - weekday + 7) % 7 + std::int64_t{week - 1} * 7;
      const int next_year = month == 12 ? year + 1 : year;
      const std::int64_t end = days_to(next_year, month == 12 ? 1 : month + 1, 1);
      if (first + offset >= end) offset -= 7;
      date = first + offset;
      break;
    }
  }
  return date * kDay + seconds;
}

bool TimeZone::parse_tail(std::string_view text, Tail& tail) {
  TailScanner scan(text);
  std::int64_t west = 0;
  if (!scan.name() || !scan.clock(west)) return false;
  tail.standard = -west;
  if (scan.empty()) return true;
  if (!scan.name()) return false;
  tail.changes = true;
  tail.summer = tail.standard + 3600;
  if (!scan.empty() && !scan.begins(',')) {
    if (!scan.clock(west)) return false;
    tail.summer = -west;
  }
  const auto rule = [&scan](Rule& out) {
    if (!scan.take(',')) return false;
    bool read = false;
    if (scan.take('M')) {
      out.kind = Rule::Kind::month_week_day;
      read = scan.number(1, 12, out.month) && scan.take('.') && scan.number(1, 5, out.week) &&
             scan.take('.') && scan.number(0, 6, out.day);
    } else if (scan.take('J')) {
      out.kind = Rule::Kind::julian;
      read = scan.number(1, 365, out.day);
    } else {
      out.kind = Rule::Kind::day;
      read = scan.number(0, 365, out.day);
    }
    return read && (!scan.take('/') || scan.clock(out.seconds));
  };
  return rule(tail.to_summer) && rule(tail.to_standard) && scan.empty();
}

Result<std::shared_ptr<const TimeZone>> TimeZone::parse(std::string_view bytes) {
  Reader reader(bytes);
  std::size_t width = 4;
  std::size_t counts[6] = {};
  const auto head = [&reader, &counts]() -> char {
    if (reader.take(4) != "TZif") return 0;
    const auto version = reader.take(16);
    for (auto& count : counts) count = static_cast<std::size_t>(reader.number(4)) & 0xFFFFFF;
    return reader.ok() ? (version[0] == 0 ? '1' : version[0]) : '\0';
  };
  // Their order in the file: UTC flags, standard flags, leap seconds, changes, kinds, characters.
  const char version = head();
  if (version == 0) return malformed();
  if (version != '1') {
    reader.take(counts[3] * 5 + counts[4] * 6 + counts[5] + counts[2] * 8 + counts[1] + counts[0]);
    width = 8;
    if (head() == 0) return malformed();
  }
  auto zone = std::make_shared<TimeZone>();
  for (std::size_t i = 0; i < counts[3] && reader.ok(); ++i) {
    zone->changes_.push_back(reader.number(width));
  }
  const auto kinds = reader.take(counts[3]);
  std::vector<std::int64_t> offsets;
  std::size_t first = 0;
  for (std::size_t i = 0; i < counts[4] && reader.ok(); ++i) {
    offsets.push_back(reader.number(4));
    const bool summer = reader.number(1) != 0;
    reader.take(1);
    if (summer && first == i) ++first;
  }
  reader.take(counts[5] + counts[2] * (width + 4) + counts[1] + counts[0]);
  if (!reader.ok() || offsets.empty()) return malformed();
  // Before the first change: the first kind that is not summer time.
  zone->offsets_ = {offsets[first < offsets.size() ? first : 0]};
  for (const char kind : kinds) {
    const auto index = static_cast<std::uint8_t>(kind);
    if (index >= offsets.size()) return malformed();
    zone->offsets_.push_back(offsets[index]);
  }
  if (!std::ranges::is_sorted(zone->changes_)) return malformed();
  std::string_view tail = reader.rest();
  if (width == 8 && tail.size() > 2 && tail.front() == '\n' && tail.back() == '\n') {
    zone->has_tail_ = parse_tail(tail.substr(1, tail.size() - 2), zone->tail_);
  }
  return zone;
}

std::shared_ptr<const TimeZone> TimeZone::utc() {
  static const auto zone = std::make_shared<const TimeZone>();
  return zone;
}

Result<std::shared_ptr<const TimeZone>> TimeZone::load(std::string_view name) {
  if (name.empty() || name == "UTC" || name == "Local") return utc();
  if (name.contains("..") || name.contains('\\') || name[0] == '/') {
    return fail(Code::unknown, "time: invalid location name");
  }
  // Only what exists is kept, so it does not grow beyond the data base.
  static std::mutex mutex;
  static std::map<std::string, std::shared_ptr<const TimeZone>, std::less<>> known;
  const std::lock_guard lock(mutex);
  if (const auto found = known.find(name); found != known.end()) return found->second;
  OUT_TRY(auto zone, read(name));
  known.emplace(name, zone);
  return zone;
}

Result<std::shared_ptr<const TimeZone>> TimeZone::read(std::string_view name) {
  std::vector<std::string> folders = {"/usr/share/zoneinfo", "/usr/share/lib/zoneinfo",
                                      "/usr/lib/locale/TZ", "/etc/zoneinfo"};
  if (auto own = process_environment()("ZONEINFO"); own && !own->empty()) {
    folders.insert(folders.begin(), *own);
  }
  for (const auto& folder : folders) {
    std::string path = folder + "/";
    path += name;
    // A folder can be opened too, but not read.
    std::ifstream file(path, std::ios::binary);
    std::string bytes(kFileBytesMax, '\0');
    if (!file.read(bytes.data(), static_cast<std::streamsize>(bytes.size())) &&
        file.gcount() == 0) {
      continue;
    }
    return parse(std::string_view(bytes).substr(0, static_cast<std::size_t>(file.gcount())));
  }
  return fail(Code::unknown, "unknown time zone " + std::string(name));
}

TimeZone::Period TimeZone::tail_at(std::int64_t utc_seconds, std::int64_t begin) const noexcept {
  if (!tail_.changes) return {begin, kLast, tail_.standard};
  // The changes around the moment are those of its year and the years beside it.
  const int year = year_of(utc_seconds);
  Period found{begin, kLast, tail_.standard};
  std::int64_t latest = kFirst;
  for (int y = year - 1; y <= year + 1; ++y) {
    const std::pair<std::int64_t, std::int64_t> changes[] = {
        {tail_.to_summer.in_year(y) - tail_.standard, tail_.summer},
        {tail_.to_standard.in_year(y) - tail_.summer, tail_.standard}};
    for (const auto& [when, offset] : changes) {
      if (when > utc_seconds) {
        found.end = std::min(found.end, when);
      } else if (when >= latest) {
        latest = when;
        found.begin = std::max(begin, when);
        found.offset = offset;
      }
    }
  }
  return found;
}

TimeZone::Period TimeZone::at(std::int64_t utc_seconds) const noexcept {
  const auto after = std::ranges::upper_bound(changes_, utc_seconds);
  const auto index = static_cast<std::size_t>(after - changes_.begin());
  const std::int64_t begin = index == 0 ? kFirst : changes_[index - 1];
  if (after == changes_.end() && has_tail_) return tail_at(utc_seconds, begin);
  return {begin, after == changes_.end() ? kLast : *after, offsets_[index]};
}

std::int64_t TimeZone::to_utc(std::int64_t local_seconds) const noexcept {
  // A first guess as if the clock showed UTC, mended where a change lies between.
  const Period guess = at(local_seconds);
  const std::int64_t utc = local_seconds - guess.offset;
  if (utc >= guess.begin && utc < guess.end) return utc;
  return local_seconds - at(utc).offset;
}

}  // namespace outrigger::control::scheduler
