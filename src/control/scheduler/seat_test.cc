#include "control/scheduler/seat.h"

#include "base/pch_test.h"

namespace outrigger::control::scheduler {
namespace {

using namespace std::chrono_literals;
using Next = Seat::Next;

const TimePoint kStart = TimePoint(1000s);

/// What is seen when these replicas all say that they are so many.
Seat::Seen seeing(const std::vector<std::string>& names) {
  Seat::Seen seen;
  seen.says = names.size();
  seen.said = true;
  for (const auto& name : names) {
    seen.roll.members[name] = {.says = seen.says, .uid = 1, .address = "host-" + name};
  }
  return seen;
}

class SchedulerSeat : public testing::Test {
 protected:
  void sit(const Seat::Seen& seen) {
    ASSERT_EQ(seat_.see(seen), Next::begin);
    seat_.renewed(kStart);
    share_ = seat_.begin(seen);
  }
  Seat seat_{"b", 10s};
  Share share_;
};

TEST_F(SchedulerSeat, IsTakenWhenAllHaveSaidTheSame) {
  auto seen = seeing({"a", "b"});
  seen.said = false;
  EXPECT_EQ(seat_.see(seen), Next::say);
  seen.said = true;
  seen.followed = false;
  EXPECT_EQ(seat_.see(seen), Next::nothing);
  seen.followed = true;
  seen.roll.members["a"].says = 1;
  EXPECT_EQ(seat_.see(seen), Next::nothing);
  EXPECT_FALSE(seat_.has_share());
  sit(seeing({"a", "b"}));
  EXPECT_EQ(share_.index, 1);
  EXPECT_EQ(share_.total, 2);
  EXPECT_EQ(share_.term, 1);
  EXPECT_EQ(seat_.see(seeing({"a", "b"})), Next::nothing);
}

TEST_F(SchedulerSeat, IsHeldForTheTimeOfTheLeaseCountedFromTheAskingAndNoLonger) {
  EXPECT_FALSE(seat_.holds(0, kStart));
  sit(seeing({"b"}));
  EXPECT_TRUE(seat_.holds(1, kStart + 10s - 1ns));
  EXPECT_FALSE(seat_.holds(1, kStart + 10s));
  EXPECT_FALSE(seat_.holds(0, kStart));
  seat_.renewed(kStart + 4s);
  EXPECT_EQ(seat_.until(), kStart + 14s);
  EXPECT_TRUE(seat_.holds(1, kStart + 14s - 1ns));
  EXPECT_FALSE(seat_.holds(1, kStart + 14s));
}

TEST_F(SchedulerSeat, IsKeptWhileItIsDrainedAndSaysNothingNewBeforeThat) {
  sit(seeing({"a", "b"}));
  auto three = seeing({"a", "b", "c"});
  three.said = false;
  EXPECT_EQ(seat_.see(three), Next::drain);
  EXPECT_EQ(seat_.see(three), Next::nothing);  // Once.
  EXPECT_TRUE(seat_.holds(1, kStart));
  EXPECT_EQ(seat_.term(), 1);
  EXPECT_TRUE(seat_.end());
  EXPECT_FALSE(seat_.holds(1, kStart));
  EXPECT_EQ(seat_.see(three), Next::say);
  three.said = true;
  sit(three);
  EXPECT_EQ(share_.term, 2);
  EXPECT_FALSE(seat_.holds(1, kStart));
  EXPECT_TRUE(seat_.holds(2, kStart));
}

TEST_F(SchedulerSeat, IsLeftThoughTheOthersAreTheSameAgainAfterADrainHasBegun) {
  sit(seeing({"a", "b"}));
  EXPECT_EQ(seat_.see(seeing({"a", "b", "c"})), Next::drain);
  EXPECT_EQ(seat_.see(seeing({"a", "b"})), Next::nothing);
  EXPECT_TRUE(seat_.end());
  sit(seeing({"a", "b"}));
  EXPECT_EQ(share_.term, 2);
}

TEST_F(SchedulerSeat, IsLeftAtOnceWhenTheLeaseHasRunOutAlsoWhileItIsDrained) {
  sit(seeing({"a", "b"}));
  EXPECT_EQ(seat_.see(seeing({"b"})), Next::drain);
  EXPECT_TRUE(seat_.end());
  EXPECT_FALSE(seat_.end());
  sit(seeing({"b"}));
  EXPECT_EQ(seat_.see(seeing({"a", "b"})), Next::drain);
}

TEST_F(SchedulerSeat, IsGivenUpWhenAnotherSaysSomethingElse) {
  sit(seeing({"a", "b"}));
  auto seen = seeing({"a", "b"});
  seen.roll.members["a"].says = 3;
  EXPECT_EQ(seat_.see(seen), Next::drain);
}

}  // namespace
}  // namespace outrigger::control::scheduler
