#include "runtime/actors/schedule.h"

#include <gtest/gtest.h>

namespace outrigger::runtime::actors {
namespace {

using namespace std::chrono_literals;

const WallTime kNow = parse_rfc3339("2026-08-21T13:00:00Z").value();

Schedule parsed(const ScheduleText& text) {
  auto schedule = Schedule::parse(text, kNow, "type||id||name");
  EXPECT_TRUE(schedule) << schedule.error().message();
  return *schedule;
}
std::string error_of(const ScheduleText& text) {
  auto schedule = Schedule::parse(text, kNow, "type||id||name");
  return schedule ? "" : schedule.error().message();
}

TEST(Schedule, WithoutAnythingItFiresOnceAndNow) {
  Schedule schedule = parsed({});
  EXPECT_EQ(schedule.next(), kNow);
  EXPECT_TRUE(schedule.active());
  EXPECT_FALSE(schedule.advance());
}

TEST(Schedule, DueTimesAreDurationsOrTimes) {
  EXPECT_EQ(parsed({.due_time = "1m30s"}).next(), kNow + 90s);
  EXPECT_EQ(parsed({.due_time = "PT10S"}).next(), kNow + 10s);
  EXPECT_EQ(parsed({.due_time = "2026-08-21T15:00:05+02:00"}).next(), kNow + 5s);
  EXPECT_EQ(parsed({.due_time = "0h0m0s"}).next(), kNow);
  EXPECT_EQ(parsed({.due_time = "150ms"}).next(), kNow + 150ms);
}

TEST(Schedule, PeriodsCountFromWhenItShouldHaveFired) {
  Schedule schedule = parsed({.due_time = "1s", .period = "4s"});
  ASSERT_TRUE(schedule.advance());
  EXPECT_EQ(schedule.next(), kNow + 5s);
  ASSERT_TRUE(schedule.advance());
  EXPECT_EQ(schedule.next(), kNow + 9s);
}

TEST(Schedule, RepetitionsAreHowOftenItFires) {
  Schedule schedule = parsed({.period = "R3/PT1S"});
  EXPECT_TRUE(schedule.advance());
  EXPECT_TRUE(schedule.advance());
  EXPECT_FALSE(schedule.advance());
  EXPECT_FALSE(parsed({.period = "R1/PT1S"}).advance());
  EXPECT_TRUE(parsed({.period = "R999999999999/PT1S"}).advance());
}

TEST(Schedule, CalendarStepsAreGos) {
  Schedule schedule = parsed({.due_time = "2027-01-31T00:00:00Z", .period = "P1M"});
  ASSERT_TRUE(schedule.advance());
  EXPECT_EQ(format_rfc3339(schedule.next()), "2027-03-03T00:00:00Z");
}

TEST(Schedule, ItsTimeToLiveBeginsWhenItIsDue) {
  Schedule schedule = parsed({.due_time = "10s", .period = "4s", .ttl = "6s"});
  EXPECT_EQ(schedule.expires(), kNow + 16s);
  EXPECT_TRUE(schedule.active());
  ASSERT_TRUE(schedule.advance());
  EXPECT_TRUE(schedule.active());
  ASSERT_TRUE(schedule.advance());
  EXPECT_FALSE(schedule.active());
}

TEST(Schedule, ErrorsAreUpstreams) {
  EXPECT_TRUE(error_of({.due_time = "soon"}).starts_with("error parsing timer due time: "));
  EXPECT_TRUE(error_of({.period = "x"}).starts_with("invalid timer period: parse error: "));
  EXPECT_EQ(error_of({.period = "R0/PT1S"}), "invalid timer period: has zero repetitions");
  EXPECT_TRUE(error_of({.ttl = "??"}).starts_with("error parsing timer TTL: "));
  EXPECT_TRUE(error_of({.ttl = "2020-01-01T00:00:00Z"})
                  .starts_with("timer type||id||name has already expired: dueTime: "));
  EXPECT_TRUE(error_of({.due_time = "1h", .ttl = "2026-08-21T13:30:00Z"})
                  .starts_with("timer type||id||name has already expired: "));
}

TEST(Cron, APeriodBecomesAnIntervalAndACount) {
  EXPECT_EQ(cron_of_period("")->schedule, std::nullopt);
  EXPECT_EQ(cron_of_period("5s")->schedule, "@every 5s");
  EXPECT_EQ(cron_of_period("5s")->repeats, std::nullopt);
  EXPECT_EQ(cron_of_period("R4/PT1M")->schedule, "@every 1m0s");
  EXPECT_EQ(cron_of_period("R4/PT1M")->repeats, 4U);
  // The wire has 32 bits for them, of which upstream keeps the low ones.
  EXPECT_EQ(cron_of_period("R999999999999/PT1S")->repeats, 3567587327U);
  EXPECT_EQ(cron_of_period("PT1H30M")->schedule, "@every 1h30m0s");
  for (const char* bad : {"P1D", "P1M", "P2Y", "x", "R5/P1W"}) {
    ASSERT_FALSE(cron_of_period(bad)) << bad;
    EXPECT_EQ(cron_of_period(bad).error().message(),
              std::string("unsupported period format: ") + bad);
  }
}

}  // namespace
}  // namespace outrigger::runtime::actors
