#include "runtime/cel/zone.h"

#include <cstdlib>
#include <fstream>
#include <mutex>

#include "base/strings.h"

namespace outrigger::cel {
namespace {

constexpr std::size_t kFileBytesMax = 1 << 20;

// Numbers of a TZif file (RFC 8536): big-endian, two's complement.
class Reader {
 public:
  explicit Reader(std::string_view data) noexcept : data_(data) {}
  [[nodiscard]] bool has(std::size_t bytes) const noexcept { return data_.size() >= bytes; }
  std::string_view take(std::size_t bytes) noexcept {
    const auto part = data_.substr(0, bytes);
    data_.remove_prefix(std::min(bytes, data_.size()));
    return part;
  }
  std::int64_t number(std::size_t bytes) noexcept {
    std::uint64_t value = 0;
    const auto part = take(bytes);
    for (const char c : part) value = value << 8 | static_cast<unsigned char>(c);
    if (bytes == 4) return static_cast<std::int32_t>(static_cast<std::uint32_t>(value));
    return static_cast<std::int64_t>(value);
  }
  [[nodiscard]] std::string_view rest() const noexcept { return data_; }

 private:
  std::string_view data_;
};

struct Zone {
  struct Change {
    std::int64_t at;
    std::int64_t offset;
  };
  std::int64_t first_offset = 0;
  std::vector<Change> changes;
  std::string rule;  // The POSIX TZ text for times after the last change.
};

struct Header {
  std::size_t version, utc_flags, standard_flags, leaps, times, types, characters;
};

std::optional<Header> read_header(Reader& reader) {
  if (!reader.has(44) || reader.take(4) != "TZif") return std::nullopt;
  const char version = reader.take(1).front();
  reader.take(15);
  const auto count = [&] { return static_cast<std::size_t>(reader.number(4)); };
  Header header{};
  header.version = version == '\0' ? 1 : static_cast<std::size_t>(version - '0');
  header.utc_flags = count();
  header.standard_flags = count();
  header.leaps = count();
  header.times = count();
  header.types = count();
  header.characters = count();
  const bool sane = header.utc_flags < 1000 && header.standard_flags < 1000 &&
                    header.leaps < 10'000 && header.times < 100'000 && header.types < 1000 &&
                    header.characters < 10'000 && header.types > 0;
  if (!sane) return std::nullopt;
  return header;
}

std::size_t body_size(const Header& header, std::size_t time_size) noexcept {
  return header.times * (time_size + 1) + header.types * 6 + header.characters +
         header.leaps * (time_size + 4) + header.standard_flags + header.utc_flags;
}

std::optional<Zone> parse_zone(std::string_view file) {
  Reader reader(file);
  auto header = read_header(reader);
  std::size_t time_size = 4;
  if (header && header->version >= 2) {
    reader.take(body_size(*header, 4));
    header = read_header(reader);
    time_size = 8;
  }
  if (!header || !reader.has(body_size(*header, time_size))) return std::nullopt;
  Reader body(reader.take(body_size(*header, time_size)));
  Zone zone;
  for (std::size_t i = 0; i < header->times; ++i) {
    zone.changes.push_back({.at = body.number(time_size), .offset = 0});
  }
  const auto indexes = body.take(header->times);
  std::vector<std::int64_t> offsets;
  for (std::size_t i = 0; i < header->types; ++i) {
    offsets.push_back(body.number(4));
    body.take(2);
  }
  for (std::size_t i = 0; i < header->times; ++i) {
    const auto type = static_cast<unsigned char>(indexes[i]);
    if (type >= offsets.size()) return std::nullopt;
    zone.changes[i].offset = offsets[type];
  }
  zone.first_offset = offsets.front();
  const auto footer = reader.rest();
  if (footer.starts_with('\n')) zone.rule = footer.substr(1, footer.find('\n', 1) - 1);
  return zone;
}

// A POSIX TZ text with rules of the form Mm.w.d, the only one that zone files use today.
class PosixRule {
 public:
  explicit PosixRule(std::string_view text) noexcept : text_(text) {}

  std::optional<std::int64_t> offset_at(std::int64_t seconds) {
    std::int64_t standard = 0;
    if (!name() || !clock(standard)) return std::nullopt;
    standard = -standard;
    if (text_.empty()) return standard;
    if (!name()) return std::nullopt;
    std::int64_t summer = standard + 3600;
    if (!text_.starts_with(',')) {
      if (!clock(summer)) return std::nullopt;
      summer = -summer;
    }
    const std::chrono::sys_days day{std::chrono::days(floor_days(seconds + standard))};
    const auto year = std::chrono::year_month_day(day).year();
    std::int64_t start = 0;
    std::int64_t end = 0;
    if (!date(year, start) || !date(year, end)) return std::nullopt;
    start -= standard;
    end -= summer;
    const bool inside =
        start < end ? seconds >= start && seconds < end : seconds >= start || seconds < end;
    return inside ? summer : standard;
  }

 private:
  static std::int64_t floor_days(std::int64_t seconds) noexcept {
    return seconds >= 0 ? seconds / 86'400 : -((-seconds + 86'399) / 86'400);
  }
  bool literal(char expected) noexcept {
    if (!text_.starts_with(expected)) return false;
    text_.remove_prefix(1);
    return true;
  }
  bool name() noexcept {
    if (literal('<')) {
      const auto end = text_.find('>');
      if (end == std::string_view::npos) return false;
      text_.remove_prefix(end + 1);
      return true;
    }
    std::size_t size = 0;
    while (size < text_.size() && to_lower(text_[size]) >= 'a' && to_lower(text_[size]) <= 'z') {
      ++size;
    }
    text_.remove_prefix(size);
    return size >= 3;
  }
  bool digits(std::int64_t& value) noexcept {
    value = 0;
    std::size_t size = 0;
    for (; size < 4 && size < text_.size() && text_[size] >= '0' && text_[size] <= '9'; ++size) {
      value = value * 10 + (text_[size] - '0');
    }
    text_.remove_prefix(size);
    return size > 0;
  }
  // [+-]hh[:mm[:ss]] in seconds.
  bool clock(std::int64_t& seconds) noexcept {
    const bool negative = text_.starts_with('-');
    if (negative || text_.starts_with('+')) text_.remove_prefix(1);
    std::int64_t part = 0;
    if (!digits(part)) return false;
    seconds = part * 3600;
    for (const std::int64_t unit : {60, 1}) {
      if (!literal(':')) break;
      if (!digits(part)) return false;
      seconds += part * unit;
    }
    if (negative) seconds = -seconds;
    return true;
  }
  // ",Mm.w.d[/time]" in that year as local seconds since 1970.
  bool date(std::chrono::year year, std::int64_t& seconds) noexcept {
    std::int64_t month = 0, week = 0, weekday = 0, time = 7200;
    if (!literal(',') || !literal('M') || !digits(month) || !literal('.') || !digits(week) ||
        !literal('.') || !digits(weekday) || (literal('/') && !clock(time))) {
      return false;
    }
    const std::chrono::month in(static_cast<unsigned>(month));
    const std::chrono::weekday on(static_cast<unsigned>(weekday));
    if (!in.ok() || !on.ok() || week < 1 || week > 5) return false;
    const std::chrono::sys_days day =
        week == 5 ? std::chrono::sys_days(year / in / on[std::chrono::last])
                  : std::chrono::sys_days(year / in / on[static_cast<unsigned>(week)]);
    seconds = std::int64_t{day.time_since_epoch().count()} * 86'400 + time;
    return true;
  }

  std::string_view text_;
};

std::int64_t offset_at(const Zone& zone, std::int64_t seconds) {
  if (zone.changes.empty() || seconds >= zone.changes.back().at) {
    if (!zone.rule.empty()) {
      if (const auto offset = PosixRule(zone.rule).offset_at(seconds)) return *offset;
    }
    return zone.changes.empty() ? zone.first_offset : zone.changes.back().offset;
  }
  const auto after = std::ranges::upper_bound(zone.changes, seconds, {}, &Zone::Change::at);
  return after == zone.changes.begin() ? zone.first_offset : std::prev(after)->offset;
}

std::optional<Zone> load(const std::string& name) {
  const char* folder = std::getenv("ZONEINFO");
  const std::string root = folder == nullptr ? "/usr/share/zoneinfo" : folder;
  std::ifstream file(root + "/" + name, std::ios::binary);
  std::string content(kFileBytesMax, '\0');
  if (!file.read(content.data(), static_cast<std::streamsize>(content.size())) && !file.eof()) {
    return std::nullopt;
  }
  content.resize(static_cast<std::size_t>(file.gcount()));
  return parse_zone(content);
}

}  // namespace

Result<std::int64_t> named_zone_offset(std::string_view name, std::int64_t unix_seconds) {
  if (name.empty() || name == "UTC") return 0;
  static std::mutex mutex;
  static std::map<std::string, std::optional<Zone>, std::less<>> zones;
  const std::lock_guard lock(mutex);
  auto found = zones.find(name);
  if (found == zones.end()) {
    // A name is a path below the database's folder, and must stay there.
    const bool path = name.starts_with('/') || name.contains("..") || name.contains('\\') ||
                      name.contains('\0') || name.size() > 100;
    if (path || zones.size() >= kZonesMax) {
      return fail(Code::invalid_argument, "unknown time zone " + quoted(name));
    }
    found = zones.emplace(std::string(name), load(std::string(name))).first;
  }
  if (!found->second) return fail(Code::invalid_argument, "unknown time zone " + quoted(name));
  return offset_at(*found->second, unix_seconds);
}

}  // namespace outrigger::cel
