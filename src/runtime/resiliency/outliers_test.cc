#include "runtime/resiliency/outliers.h"

#include "base/pch_test.h"

namespace outrigger::runtime::resiliency {
namespace {

using namespace std::chrono_literals;
using resources::EjectionPolicy;

constexpr TimePoint kNow{1h};
const EjectionPolicy kTwice{.failures = 2, .duration = 10s, .max_percent = 50};

void fail_at(Outliers& outliers, std::string_view address, TimePoint when, int times = 2) {
  for (int i = 0; i < times; ++i) outliers.record(address, true, when);
}

TEST(Outliers, AreOutForAWhileAfterFailuresInARow) {
  Outliers outliers(kTwice);
  outliers.record("good", false, kNow);
  outliers.record("bad", true, kNow);
  outliers.record("bad", false, kNow);
  outliers.record("bad", true, kNow);
  EXPECT_FALSE(outliers.ejected("bad", kNow));
  outliers.record("bad", true, kNow);
  EXPECT_TRUE(outliers.ejected("bad", kNow));
  EXPECT_FALSE(outliers.ejected("good", kNow));
  EXPECT_TRUE(outliers.ejected("bad", kNow + 9s));
  EXPECT_FALSE(outliers.ejected("bad", kNow + 10s));
}

TEST(Outliers, AreOutForLongerEachTimeUntilTheyWereWellForAsLong) {
  std::vector<Duration> times;
  Outliers outliers(kTwice, [&](std::string_view, Duration time) { times.push_back(time); });
  outliers.record("good", false, kNow);
  fail_at(outliers, "bad", kNow);
  fail_at(outliers, "bad", kNow + 11s, 1);
  EXPECT_TRUE(outliers.ejected("bad", kNow + 30s));
  outliers.record("bad", false, kNow + 32s);
  fail_at(outliers, "bad", kNow + 33s);
  EXPECT_THAT(times, testing::ElementsAre(10s, 20s, 30s));
  outliers.record("bad", false, kNow + 100s);
  fail_at(outliers, "bad", kNow + 101s);
  EXPECT_EQ(times.back(), 10s);
}

TEST(Outliers, AreNeverMoreThanTheirShare) {
  Outliers outliers(kTwice);
  fail_at(outliers, "only", kNow, 100);
  EXPECT_FALSE(outliers.ejected("only", kNow));
  outliers.record("second", false, kNow);
  fail_at(outliers, "only", kNow);
  EXPECT_TRUE(outliers.ejected("only", kNow));
  fail_at(outliers, "second", kNow);
  EXPECT_FALSE(outliers.ejected("second", kNow));
}

TEST(Outliers, CountTheReplicasThatWereHeardOfLately) {
  Outliers outliers(kTwice);
  outliers.record("long ago", false, kNow);
  fail_at(outliers, "only", kNow + 6min);
  EXPECT_FALSE(outliers.ejected("only", kNow + 6min));
}

TEST(Outliers, OfAnyNumberOfAddressesFillNoMemory) {
  Outliers outliers(kTwice);
  for (int i = 0; i < 100'000; ++i) outliers.record(std::to_string(i), true, kNow);
  fail_at(outliers, "beyond", kNow);
  EXPECT_FALSE(outliers.ejected("beyond", kNow));
}

TEST(Outliers, AreNotThoseWhoSayThatTheCallIsWrong) {
  EXPECT_TRUE(speaks_against_replica(Code::unavailable));
  EXPECT_TRUE(speaks_against_replica(Code::deadline_exceeded));
  EXPECT_FALSE(speaks_against_replica(Code::invalid_argument));
  EXPECT_FALSE(speaks_against_replica(Code::cancelled));
  EXPECT_FALSE(speaks_against_replica(Code::resource_exhausted));
  EXPECT_FALSE(speaks_against_replica(Code::ok));
}

}  // namespace
}  // namespace outrigger::runtime::resiliency
