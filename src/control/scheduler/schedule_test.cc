#include "control/scheduler/schedule.h"

#include <gtest/gtest.h>

namespace outrigger::control::scheduler {
namespace {

WallTime at(std::string_view text) { return parse_rfc3339(text).value(); }

std::string after(std::string_view time, std::string_view spec) {
  const auto schedule = Schedule::parse(spec);
  if (!schedule) return schedule.error().message();
  const auto next = schedule->next(at(time));
  return next ? format_rfc3339_nano(*next) : "never";
}

TEST(Schedule, GoesToTheNextSecondThatMatches) {
  EXPECT_EQ(after("2012-07-09T14:45:00Z", "0 0/15 * * * *"), "2012-07-09T15:00:00Z");
  EXPECT_EQ(after("2012-07-09T14:59:59Z", "0 0/15 * * * *"), "2012-07-09T15:00:00Z");
  EXPECT_EQ(after("2012-07-09T14:59:59.25Z", "* * * * * *"), "2012-07-09T15:00:00Z");
  EXPECT_EQ(after("2012-07-09T23:35:51Z", "15/35 20-35/15 10-12 * * *"), "2012-07-10T10:20:15Z");
  EXPECT_EQ(after("2012-12-31T23:59:45Z", "0 * * * * *"), "2013-01-01T00:00:00Z");
}

TEST(Schedule, KnowsMonthsAndWeekdaysByName) {
  EXPECT_EQ(after("2012-07-09T23:35:00Z", "0 0 0 9 Apr-Oct ?"), "2012-08-09T00:00:00Z");
  EXPECT_EQ(after("2012-07-09T23:35:00Z", "0 0 0 * FEB mon"), "2013-02-04T00:00:00Z");
}

TEST(Schedule, EitherDayFieldMayMatchUnlessOneIsAStar) {
  EXPECT_EQ(after("2012-07-09T23:35:00Z", "0 0 0 */5 Oct Mon"), "2012-10-01T00:00:00Z");
  EXPECT_EQ(after("2012-07-14T00:00:00Z", "0 0 0 1,15 * Mon"), "2012-07-15T00:00:00Z");
  EXPECT_EQ(after("2012-07-14T00:00:00Z", "0 0 0 1,16 * *"), "2012-07-16T00:00:00Z");
}

TEST(Schedule, KnowsLeapYearsAndMonthEnds) {
  EXPECT_EQ(after("2012-07-09T23:35:00Z", "0 0 0 29 Feb ?"), "2016-02-29T00:00:00Z");
  EXPECT_EQ(after("2026-01-31T12:00:00Z", "0 0 12 31 * *"), "2026-03-31T12:00:00Z");
}

TEST(Schedule, WhatFiveYearsDoNotHaveIsNever) {
  EXPECT_EQ(after("2026-01-01T00:00:00Z", "0 0 0 30 Feb *"), "never");
  EXPECT_EQ(after("2026-01-01T00:00:00Z", ", * * * * *"), "never");
  EXPECT_EQ(after("2026-01-01T00:00:00Z", "0 0 0 * , *"), "never");
}

TEST(Schedule, KnowsTheNamesOfCommonSchedules) {
  constexpr std::string_view kNow = "2026-07-09T14:45:10Z";
  EXPECT_EQ(after(kNow, "@yearly"), "2027-01-01T00:00:00Z");
  EXPECT_EQ(after(kNow, "@annually"), "2027-01-01T00:00:00Z");
  EXPECT_EQ(after(kNow, "@monthly"), "2026-08-01T00:00:00Z");
  EXPECT_EQ(after(kNow, "@weekly"), "2026-07-12T00:00:00Z");
  EXPECT_EQ(after(kNow, "@daily"), "2026-07-10T00:00:00Z");
  EXPECT_EQ(after(kNow, "@midnight"), "2026-07-10T00:00:00Z");
  EXPECT_EQ(after(kNow, "@hourly"), "2026-07-09T15:00:00Z");
  EXPECT_EQ(after("2026-07-09T14:45:10.5Z", "@every 1h30m"), "2026-07-09T16:15:10.5Z");
  EXPECT_EQ(after(kNow, "@every 10ms"), "2026-07-09T14:45:10.01Z");
}

TEST(Schedule, ReckonsInTheZoneThatIsNamed) {
  // A clock that is set forward skips a trigger of the hour that does not exist.
  EXPECT_EQ(after("2012-03-11T05:00:00Z", "TZ=America/New_York 0 30 2 11 Mar ?"),
            "2013-03-11T06:30:00Z");
  EXPECT_EQ(after("2012-03-11T06:00:00Z", "TZ=America/New_York 0 0 * * * ?"),
            "2012-03-11T07:00:00Z");
  EXPECT_EQ(after("2012-03-11T06:00:00Z", "CRON_TZ=America/New_York 0 0 0 * * *"),
            "2012-03-12T04:00:00Z");
  EXPECT_EQ(after("2026-07-09T14:45:10Z", "TZ=Asia/Kolkata @daily"), "2026-07-09T18:30:00Z");
  // Beyond the changes that the data base lists.
  EXPECT_EQ(after("2055-07-01T00:00:00Z", "TZ=Europe/Berlin 0 0 12 * * *"), "2055-07-01T10:00:00Z");
  EXPECT_EQ(after("2055-12-01T00:00:00Z", "TZ=Europe/Berlin 0 0 12 * * *"), "2055-12-01T11:00:00Z");
  EXPECT_EQ(after("2026-07-09T14:45:10Z", "TZ=Local 0 0 12 * * *"), "2026-07-10T12:00:00Z");
}

TEST(Schedule, RefusesWhatIsNoneInUpstreamsWords) {
  const auto error = [](std::string_view spec) { return after("2026-01-01T00:00:00Z", spec); };
  EXPECT_EQ(error(""), "empty spec string");
  EXPECT_EQ(error("5 * * * *"), "expected exactly 6 fields, found 5: [5 * * * *]");
  EXPECT_EQ(error("60 * * * * *"), "end of range (60) above maximum (59): 60");
  EXPECT_EQ(error("* * * 0 * *"), "beginning of range (0) below minimum (1): 0");
  EXPECT_EQ(error("5-1 * * * * *"), "beginning of range (5) beyond end of range (1): 5-1");
  EXPECT_EQ(error("*/0 * * * * *"), "step of range should be a positive number: */0");
  EXPECT_EQ(error("1-2-3 * * * * *"), "too many hyphens: 1-2-3");
  EXPECT_EQ(error("1/2/3 * * * * *"), "too many slashes: 1/2/3");
  EXPECT_EQ(error("* * * * xyz *"),
            "failed to parse int from xyz: strconv.Atoi: parsing \"xyz\": invalid syntax");
  EXPECT_EQ(error("99999999999999999999 * * * * *"),
            "failed to parse int from 99999999999999999999: strconv.Atoi: parsing "
            "\"99999999999999999999\": value out of range");
  EXPECT_EQ(error("@bogus"), "unrecognized descriptor: @bogus");
  EXPECT_EQ(error("@every 5"),
            "failed to parse duration @every 5: time: missing unit in duration \"5\"");
  EXPECT_EQ(error("TZ=UTC"), "timezone prefix TZ=UTC is not followed by a schedule");
  EXPECT_EQ(error("TZ=Nowhere/City * * * * * *"),
            "provided bad location Nowhere/City: unknown time zone Nowhere/City");
  EXPECT_EQ(error("TZ=../etc * * * * * *"),
            "provided bad location ../etc: time: invalid location name");
  EXPECT_EQ(error("TZ=Europe * * * * * *"),
            "provided bad location Europe: unknown time zone Europe");
  EXPECT_EQ(error("TZ=Asia/Kolkata @every 1h"),
            "timezone is not supported for @every schedules: TZ=Asia/Kolkata @every 1h");
}

// Recorded from upstream's parser, for random schedules near changes of the clocks.
constexpr std::array<std::string_view, 3> kAnswers[] = {
    {"2030-03-20T05:53:14Z", "TZ=Asia/Tehran @daily", "2030-03-20T20:30:00Z"},
    {"2025-10-15T06:44:16Z", "CRON_TZ=America/Sao_Paulo * 29/20,14 ? * * *",
     "2025-10-15T06:49:00Z"},
    {"2040-11-15T15:03:23Z", "TZ=Asia/Kolkata * 0,6,11 * 21/2,*/5 may/9 sat,sun",
     "2041-04-30T18:30:00Z"},
    {"2055-08-08T07:51:30.774966326Z", "TZ=Australia/Lord_Howe 0,15-19,1-25/1 44 */4 ? 9,12,4 sun",
     "2055-09-04T14:14:00Z"},
    {"2026-02-20T06:53:14.349852953Z", "TZ=Europe/Berlin 2,52 * 8,*/8,*/4 2-5,12,16 11 4/9",
     "2026-11-01T23:00:02Z"},
    {"2026-02-05T20:46:56.437674076Z", "TZ=Asia/Tehran 28-50/6 23 17,4,6/3 ? */2,4,MAR ?",
     "2026-03-01T00:53:28Z"},
    {"2025-11-29T21:55:07Z", "TZ=UTC 43 53/14,2-16,26/2 ? */14,4/12 4,8/15,6 ?",
     "2026-04-01T00:02:43Z"},
    {"2030-11-23T10:28:04.10480421Z", "TZ=Africa/Casablanca 11,13 17-30 * * */11,*/17 *",
     "2030-11-30T23:17:11Z"},
    {"2026-04-27T21:23:06Z", "TZ=Asia/Gaza */19,4-50,39 21 ? ? 4-10,4,jun ?",
     "2026-04-27T22:21:00Z"},
    {"2040-10-09T04:25:50Z", "TZ=Asia/Gaza 40,*/14 11/6 */7,14-21 * * *", "2040-10-09T05:11:00Z"},
    {"2026-10-27T02:14:30Z", "TZ=America/New_York */5 */3 * ? * ?", "2026-10-27T02:15:00Z"},
    {"2026-04-29T06:02:40.811069593Z", "TZ=Europe/Berlin 9-12/2,14-37 * 10-15 ? 11 Tue/4,0-2",
     "2026-11-01T09:00:09Z"},
    {"2026-10-12T05:47:24Z", "TZ=Asia/Tehran 9 17 ? * ? *", "2026-10-12T06:47:09Z"},
    {"2030-04-23T08:26:38Z", "TZ=Australia/Lord_Howe ? 3 ? 12 ? */10", "2030-04-27T13:33:00Z"},
    {"2025-12-31T20:41:00Z", "TZ=Europe/Dublin 55-57,6-37/1,21 38,9-43,18 12 * oct,3-11/5 *",
     "2026-03-01T12:09:06Z"},
    {"2027-09-17T18:04:22.476489262Z", "TZ=Europe/Berlin * * 20 16-19/6 4,2-9 5",
     "2027-09-17T18:04:23Z"},
    {"2012-11-19T13:46:25.444878107Z", "TZ=America/Asuncion 39 59 * 21,15,28 ? *",
     "2012-11-21T03:59:39Z"},
    {"2040-09-11T14:14:34.6708723Z", "TZ=America/New_York 17-46 * 18/7 * 7,*/9 2",
     "2040-10-02T22:00:17Z"},
    {"2024-11-13T06:14:37Z", "TZ=America/Scoresbysund */9 * * * ? *", "2024-11-13T06:14:45Z"},
    {"2055-05-25T22:51:38Z", "CRON_TZ=America/Sao_Paulo 15 3 * ? 4 3-4/2,*/2",
     "2056-04-01T03:03:15Z"},
    {"2018-11-20T04:44:09Z", "TZ=Europe/Dublin 49/13,56 5 3-23,*/16,2-13 7/12,13 sep/10 3",
     "2019-09-03T23:05:49Z"},
    {"2012-03-16T10:46:54Z", "TZ=UTC 45,19,*/15 31/19 0 * * *", "2012-03-17T00:31:00Z"},
    {"2030-09-23T07:42:41Z", "TZ=America/Scoresbysund 52 ? ? 14/16,18,*/9 * ?",
     "2030-09-28T01:00:52Z"},
    {"2025-10-09T21:18:22.256723529Z", "TZ=Europe/Dublin 20,*/2,18 * 4-19/2,5 * ? *",
     "2025-10-10T03:00:00Z"},
    {"2027-10-03T18:57:02Z", "TZ=Asia/Kolkata 31-58 9-32/6 * 3-4/5 * 6", "2027-10-08T18:39:31Z"},
    {"2025-09-27T19:20:03Z", "TZ=Asia/Gaza 18 23/19,28 * ? ? *", "2025-09-27T19:23:18Z"},
    {"2030-12-05T11:54:12Z", "TZ=UTC 47,55,1-14 0-33,*/8 8 15/11 6/5,6,MAR */11",
     "2031-03-02T08:00:01Z"},
    {"2024-04-12T17:06:41.251751408Z",
     "CRON_TZ=America/Sao_Paulo 42 42/12 * 17/6,26/8,1 * fri,5,fri/18", "2024-04-12T17:42:42Z"},
    {"2055-08-25T12:54:00.138194538Z", "TZ=Africa/Casablanca 31 22-41 11-16 8-9 * ?",
     "2055-09-08T10:22:31Z"},
    {"2027-07-11T16:19:05.739396196Z", "TZ=Asia/Kolkata 10 * 9-20,5-17/2 ? nov/14 *",
     "2027-10-31T23:30:10Z"},
    {"2024-11-17T04:26:45.070770712Z", "TZ=America/Havana 22,31 ? * 16,21,1-8 feb,apr,7-11/2 4,0,5",
     "2024-11-17T04:27:22Z"},
    {"2018-09-17T18:18:38.833924809Z", "TZ=Pacific/Apia 55-56/7 57/18 1-13/5 * may ?",
     "2019-04-30T12:57:55Z"},
    {"2012-02-06T03:27:08.356440291Z", "TZ=Africa/Casablanca 18/14 6,12,*/11 12 24,25 3-9/7 *",
     "2012-03-24T12:00:18Z"},
    {"2027-11-08T03:15:04.215756772Z", "TZ=Pacific/Apia @hourly", "2027-11-08T04:00:00Z"},
    {"2030-04-18T11:34:04Z", "TZ=America/New_York 17 */4,22,19-32 ? ? * 4-5/2",
     "2030-04-18T11:36:17Z"},
    {"2012-03-28T10:14:03Z", "TZ=America/Asuncion 22-33,19-23/3 28/10 * * * *",
     "2012-03-28T10:28:19Z"},
    {"2026-09-05T09:27:18Z", "TZ=Australia/Lord_Howe 16 * * * * ?", "2026-09-05T09:28:16Z"},
    {"2027-10-27T08:33:21Z", "TZ=America/Havana 9-29/7 44 8,9/6,22-23/5 ? * 0-3/1",
     "2027-10-27T12:44:09Z"},
    {"2025-11-07T20:25:32.025810341Z", "TZ=Pacific/Apia * 9,3,39 */16,2 * 4-10/4,nov/11,1-5/1 *",
     "2025-11-08T03:03:00Z"},
    {"2012-11-23T16:58:58.915246835Z", "TZ=America/Asuncion 58,0-0 24 8 * * 5/9,fri",
     "2012-11-30T11:24:00Z"},
    {"2030-04-01T17:02:00Z", "TZ=America/Havana */8 51 7 ? * *", "2030-04-02T11:51:00Z"},
    {"2018-03-01T08:23:58Z", "TZ=America/Scoresbysund @monthly", "2018-04-01T00:00:00Z"},
};

TEST(Schedule, AgreesWithUpstreamsAnswers) {
  for (const auto& [from, spec, next] : kAnswers) EXPECT_EQ(after(from, spec), next) << spec;
}

TEST(TimeZone, RefusesWhatIsNoZoneFile) {
  EXPECT_FALSE(TimeZone::parse(""));
  EXPECT_FALSE(TimeZone::parse("TZif2"));
  std::string huge("TZif2");
  huge.resize(44, '\xff');
  EXPECT_FALSE(TimeZone::parse(huge));
}

}  // namespace
}  // namespace outrigger::control::scheduler
