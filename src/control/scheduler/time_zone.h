#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace outrigger::control::scheduler {

/// A time zone as the machine's data base has it: how far local clocks were, are and will be ahead
/// of UTC. Immutable.
class TimeZone {
 public:
  /// A stretch of time with one offset, in seconds of UTC: [begin, end).
  struct Period {
    std::int64_t begin;
    std::int64_t end;
    std::int64_t offset;
  };

  /// By the name of the IANA data base; its file is read once. Thread-safe. "" and
  /// "UTC" are UTC, and so is "Local", as times come to the scheduler in UTC. The error has the
  /// text of Go's time.LoadLocation.
  static Result<std::shared_ptr<const TimeZone>> load(std::string_view name);
  /// From the bytes of a TZif file (RFC 8536), versions 1 to 4.
  static Result<std::shared_ptr<const TimeZone>> parse(std::string_view bytes);
  static std::shared_ptr<const TimeZone> utc();

  [[nodiscard]] Period at(std::int64_t utc_seconds) const noexcept;
  /// The UTC seconds at which local clocks show `local_seconds` (counted as if they were UTC); of
  /// a time that is skipped or shown twice, one of the two candidates, the same as Go's time.Date.
  [[nodiscard]] std::int64_t to_utc(std::int64_t local_seconds) const noexcept;

 private:
  /// When a year's change of clocks is, as the POSIX variable TZ says it.
  struct Rule {
    enum class Kind : std::uint8_t { julian, day, month_week_day } kind = Kind::day;
    int month = 0;
    int week = 0;
    int day = 0;
    std::int64_t seconds = 7200;
    [[nodiscard]] std::int64_t in_year(int year) const noexcept;
  };
  /// What holds after the last change that is listed.
  struct Tail {
    std::int64_t standard = 0;
    std::int64_t summer = 0;
    bool changes = false;
    Rule to_summer;
    Rule to_standard;
  };
  class Reader;

  static Result<std::shared_ptr<const TimeZone>> read(std::string_view name);
  static bool parse_tail(std::string_view text, Tail& tail);
  [[nodiscard]] Period tail_at(std::int64_t utc_seconds, std::int64_t begin) const noexcept;

  std::vector<std::int64_t> changes_;
  /// One more than changes: the first is before all.
  std::vector<std::int64_t> offsets_{0};
  bool has_tail_ = false;
  Tail tail_;
};

}  // namespace outrigger::control::scheduler
