#include "base/duration.h"

#include "base/pch_test.h"

namespace outrigger {
namespace {

using std::chrono::nanoseconds;
constexpr auto kMin = std::numeric_limits<std::int64_t>::min();
constexpr auto kMax = std::numeric_limits<std::int64_t>::max();

TEST(Duration, ParsesWhatGoParses) {
  const std::pair<const char*, std::int64_t> cases[] = {
      {"0", 0},
      {"-0", 0},
      {"+5s", 5'000'000'000},
      {"-1.5h", -5'400'000'000'000},
      {"1h15m30.918273645s", 4'530'918'273'645},
      {".5s", 500'000'000},
      {"5.s", 5'000'000'000},
      {"3\u00b5s", 3000},
      {"3\u03bcs", 3000},
      {"3us", 3000},
      {"9223372036854775807ns", kMax},
      {"-9223372036854775808ns", kMin},
      {"2562047h47m16.854775807s", kMax},
      {"1.00000000000000000001h", 3'600'000'000'000},
      {"0.3333333333333333333h", 1'200'000'000'000},
      {"0.9223372036854775807h", 3'320'413'933'267},
  };
  for (const auto& [text, nanos] : cases) {
    const auto parsed = parse_duration(text);
    ASSERT_TRUE(parsed) << text;
    EXPECT_EQ(parsed->count(), nanos) << text;
  }
}

TEST(Duration, RefusesWithGosWords) {
  const std::pair<const char*, const char*> cases[] = {
      {"", R"(time: invalid duration "")"},
      {"1", R"(time: missing unit in duration "1")"},
      {".s", R"(time: invalid duration ".s")"},
      {"1x", R"(time: unknown unit "x" in duration "1x")"},
      {"1 s", R"(time: unknown unit " s" in duration "1 s")"},
      {"9223372036854775808ns", R"(time: invalid duration "9223372036854775808ns")"},
      {"2562047h47m16.854775808s", R"(time: invalid duration "2562047h47m16.854775808s")"},
      {"9999999h", R"(time: invalid duration "9999999h")"},
      {"-", R"(time: invalid duration "-")"},
      {"1s1", R"(time: missing unit in duration "1s1")"},
      {"1.2.3s", R"(time: missing unit in duration "1.2.3s")"},
      {"99999999999999999999s", R"(time: invalid duration "99999999999999999999s")"},
  };
  for (const auto& [text, message] : cases) {
    const auto parsed = parse_duration(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().message(), message);
  }
}

TEST(Duration, PrintsAsGoDoes) {
  const std::pair<std::int64_t, const char*> cases[] = {
      {0, "0s"},
      {-1, "-1ns"},
      {999, "999ns"},
      {1000, "1\u00b5s"},
      {1100, "1.1\u00b5s"},
      {1'500'000, "1.5ms"},
      {999'999'999, "999.999999ms"},
      {1'000'000'000, "1s"},
      {60'000'000'000, "1m0s"},
      {3'600'000'000'000, "1h0m0s"},
      {3'661'000'000'001, "1h1m1.000000001s"},
      {kMax, "2562047h47m16.854775807s"},
      {kMin, "-2562047h47m16.854775808s"},
  };
  for (const auto& [nanos, text] : cases) EXPECT_EQ(format_duration(nanoseconds(nanos)), text);
}

TEST(Duration, IsoDurationsHaveCalendarPartsAndRepetitions) {
  using std::chrono::hours;
  using std::chrono::minutes;
  using std::chrono::seconds;
  EXPECT_EQ(*parse_iso8601_duration("P1Y2M3DT4H5M6S"),
            (CalendarDuration{1, 2, 3, hours(4) + minutes(5) + seconds(6), std::nullopt}));
  EXPECT_EQ(*parse_iso8601_duration("P2W1D"), (CalendarDuration{0, 0, 15, nanoseconds(0), {}}));
  EXPECT_EQ(*parse_iso8601_duration("R5/PT30M"), (CalendarDuration{0, 0, 0, minutes(30), 5}));
  EXPECT_EQ(*parse_iso8601_duration("R3"), (CalendarDuration{0, 0, 0, nanoseconds(0), 3}));
  EXPECT_EQ(*parse_iso8601_duration("R3/"), (CalendarDuration{0, 0, 0, nanoseconds(0), 3}));
  EXPECT_EQ(*parse_iso8601_duration("R0/PT1S"), (CalendarDuration{0, 0, 0, seconds(1), 0}));
  EXPECT_EQ(parse_iso8601_duration("R-1/PT1S")->repetitions, std::nullopt);
  EXPECT_EQ(parse_iso8601_duration("R999999999999/PT1S")->repetitions, 999999999999);
  EXPECT_EQ(*parse_iso8601_duration("PT"), CalendarDuration{});
  EXPECT_EQ(*parse_iso8601_duration("PT5"), CalendarDuration{});
}

TEST(Duration, MalformedIsoDurationsAreRefused) {
  for (const char* bad :
       {"", "P", "1Y", "R/PT1S", "R", "Rx/PT1S", "R5/X", "PT1Y", "P1H", "PY", "P1.5D", "P1T5S",
        "R99999999999999999999/PT1S", "PT99999999999S", "p1Y"}) {
    const auto parsed = parse_iso8601_duration(bad);
    EXPECT_FALSE(parsed) << bad;
  }
  EXPECT_EQ(parse_iso8601_duration("1Y").error().message(),
            "unsupported ISO8601 duration format: 1Y");
}

TEST(Duration, SumsThatDoNotFitAreRefused) {
  EXPECT_FALSE(parse_iso8601_duration("PT2147483647H2147483647H"));
  EXPECT_FALSE(parse_iso8601_duration("P2147483647D1D"));
  EXPECT_FALSE(parse_iso8601_duration("P2147483647W"));
}

TEST(Duration, CalendarDurationsMayBeWrittenInEitherForm) {
  EXPECT_EQ(parse_calendar_duration("PT1S")->rest, std::chrono::seconds(1));
  EXPECT_EQ(parse_calendar_duration("1h1m")->rest, std::chrono::minutes(61));
  EXPECT_EQ(parse_calendar_duration("x").error().message(), "unsupported duration format: x");
}

}  // namespace
}  // namespace outrigger
