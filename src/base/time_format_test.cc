#include "base/time_format.h"

#include "base/pch_test.h"

namespace outrigger {
namespace {

WallTime at(std::int64_t nanos) { return WallTime(std::chrono::nanoseconds(nanos)); }

TEST(TimeFormat, ReadsRfc3339AsGoDoes) {
  const std::pair<const char*, std::int64_t> cases[] = {
      {"2026-08-21T13:04:05Z", 1787317445000000000},
      {"2026-08-21T13:04:05.123456789+02:00", 1787310245123456789},
      {"2026-08-21T13:04:05,5Z", 1787317445500000000},
      {"2026-08-21T13:04:05.1234567891Z", 1787317445123456789},
      {"2026-08-21T1:04:05Z", 1787274245000000000},
      {"2026-08-21T13:04:05+24:60", 1787227445000000000},
      {"2026-08-21T13:04:05-00:00", 1787317445000000000},
      {"1969-12-31T23:59:59.5Z", -500000000},
  };
  for (const auto& [text, nanos] : cases) {
    const auto parsed = parse_rfc3339(text);
    ASSERT_TRUE(parsed) << text;
    EXPECT_EQ(parsed->time_since_epoch().count(), nanos) << text;
  }
}

TEST(TimeFormat, RefusesWhatIsNoTime) {
  for (const char* bad :
       {"", "2026", "2026-08-21", "2026-08-21 13:04:05Z", "2026-02-29T00:00:00Z",
        "2026-00-01T00:00:00Z", "2026-01-00T00:00:00Z", "2026-13-01T00:00:00Z",
        "2024-02-29T24:00:00Z", "2026-08-21t13:04:05z", "2026-08-21T13:04:05.Z",
        "2026-08-21T13:04:05", "2026-08-21T13:04:05+0200", "2026-08-21T13:04:60Z",
        "2026-08-21T13:04:05+25:00", "2026-08-21T13:04:05Zx", "2026-08-21T13:04:05+02:00x"}) {
    EXPECT_FALSE(parse_rfc3339(bad)) << bad;
  }
}

TEST(TimeFormat, TimesOutOfRangeMeanItsEnds) {
  EXPECT_EQ(parse_rfc3339("9999-12-31T23:59:59Z"), WallTime::max());
  EXPECT_EQ(parse_rfc3339("0000-01-01T00:00:00Z"), WallTime::min());
  EXPECT_EQ(wall_time(27'366'756'990), WallTime::max());
  EXPECT_EQ(wall_time(-27'366'756'990), WallTime::min());
  EXPECT_EQ(wall_time(9'223'372'036, 854'775'808), WallTime::max());
  EXPECT_EQ(wall_time(1, 2), at(1'000'000'002));
}

TEST(TimeFormat, TheEndsOfTheRangeAreWrittenAndRead) {
  EXPECT_EQ(format_rfc3339(WallTime::min()), "1677-09-21T00:12:43Z");
  EXPECT_EQ(format_rfc3339(WallTime::max()), "2262-04-11T23:47:16Z");
  for (const WallTime end : {WallTime::min(), WallTime::max()}) {
    EXPECT_EQ(parse_rfc3339(format_rfc3339_nano(end)), end) << format_rfc3339_nano(end);
  }
  EXPECT_EQ(wall_time(-1, 1), WallTime(std::chrono::nanoseconds(-999'999'999)));
}

TEST(TimeFormat, WritesAsManyDigitsAsAreNeeded) {
  EXPECT_EQ(format_rfc3339(at(1787317445123456789)), "2026-08-21T13:04:05Z");
  EXPECT_EQ(format_rfc3339_nano(at(1787317445123456789)), "2026-08-21T13:04:05.123456789Z");
  EXPECT_EQ(format_rfc3339_nano(at(1787317445500000000)), "2026-08-21T13:04:05.5Z");
  EXPECT_EQ(format_rfc3339_nano(at(1787317445000000000)), "2026-08-21T13:04:05Z");
  const std::chrono::sys_seconds far_away{std::chrono::seconds(253'402'300'799)};
  EXPECT_EQ(format_rfc3339(far_away), "9999-12-31T23:59:59Z");
  EXPECT_EQ(format_rfc3339_nano(at(-1)), "1969-12-31T23:59:59.999999999Z");
  EXPECT_EQ(format_http_date(at(784111777000000000)), "Sun, 06 Nov 1994 08:49:37 GMT");
}

TEST(TimeFormat, LocalTimeReadsBackAsTheSameInstant) {
  const WallTime now = wall_now();
  std::string text;
  append_rfc3339_nano_local(text, now);
  EXPECT_EQ(parse_rfc3339(text), now) << text;
}

TEST(TimeFormat, CalendarStepsOverflowIntoTheNextMonthAsInGo) {
  const WallTime start = *parse_rfc3339("2026-01-31T01:02:03.000000004Z");
  EXPECT_EQ(format_rfc3339_nano(add(start, {.months = 1})), "2026-03-03T01:02:03.000000004Z");
  EXPECT_EQ(format_rfc3339_nano(add(start, {.years = 1, .months = -3, .days = 40})),
            "2026-12-10T01:02:03.000000004Z");
  EXPECT_EQ(format_rfc3339_nano(add(start, {.months = -13})), "2024-12-31T01:02:03.000000004Z");
  EXPECT_EQ(add(start, {.years = 2'000'000'000}), WallTime::max());
  EXPECT_EQ(add(start, {.years = -2'000'000'000, .months = -2'000'000'000}), WallTime::min());
  EXPECT_EQ(add(start, {.days = 2'147'483'647}), WallTime::max());
  EXPECT_EQ(add(start, {.rest = std::chrono::nanoseconds::max()}), WallTime::max());
}

TEST(TimeFormat, ParseTimeTakesDurationsAndTimes) {
  const WallTime now = *parse_rfc3339("2026-01-01T00:00:00Z");
  EXPECT_EQ(format_rfc3339(*parse_time("P1DT1H", now)), "2026-01-02T01:00:00Z");
  EXPECT_EQ(format_rfc3339(*parse_time("90s", now)), "2026-01-01T00:01:30Z");
  EXPECT_EQ(format_rfc3339(*parse_time("2027-05-06T07:08:09Z", now)), "2027-05-06T07:08:09Z");
  EXPECT_EQ(parse_time("R3/PT1S", now).error().message(), "repetitions are not allowed");
  EXPECT_EQ(parse_time("soon", now).error().message(), "unsupported time/duration format: soon");
}

}  // namespace
}  // namespace outrigger
