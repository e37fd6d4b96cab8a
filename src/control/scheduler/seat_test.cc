#include "control/scheduler/seat.h"

#include "base/pch_test.h"

namespace outrigger::control::scheduler {
namespace {

using namespace std::chrono_literals;
using Next = Seat::Next;
using End = Seat::End;

const TimePoint kStart = TimePoint(1000s);

/// What is seen when these replicas all say that they are so many.
Seat::Seen seeing(const std::vector<std::string>& names) {
  Seat::Seen seen;
  seen.says = names.size();
  seen.said = true;
  seen.exact = true;
  for (const auto& name : names) {
    seen.roll.members[name] = {.says = seen.says, .uid = 1, .address = "host-" + name};
  }
  return seen;
}

class SchedulerSeat : public testing::Test {
 protected:
  void sit(const Seat::Seen& seen) {
    ASSERT_EQ(seat_.see(seen), Next::begin);
    seat_.renewed(kStart, kStart);
    share_ = seat_.begin(seen);
  }
  /// The share ends since these have come, and another begins when all have said so.
  void move_to(const std::vector<std::string>& names, End how = End::in_order) {
    EXPECT_EQ(seat_.see(seeing(names)), Next::drain);
    EXPECT_TRUE(seat_.end(how));
    say(names);
    sit(seeing(names));
  }
  void say(const std::vector<std::string>& names) {
    auto seen = seeing(names);
    seen.said = false;
    EXPECT_EQ(seat_.see(seen), Next::say);
  }
  using Places = std::vector<Place>;
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
  seat_.renewed(kStart + 4s, kStart + 4s);
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
  EXPECT_TRUE(seat_.end(End::in_order));
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
  EXPECT_TRUE(seat_.end(End::in_order));
  sit(seeing({"a", "b"}));
  EXPECT_EQ(share_.term, 2);
}

TEST_F(SchedulerSeat, IsLeftAtOnceWhenTheLeaseHasRunOutAlsoWhileItIsDrained) {
  sit(seeing({"a", "b"}));
  EXPECT_EQ(seat_.see(seeing({"b"})), Next::drain);
  EXPECT_TRUE(seat_.end(End::broken));
  EXPECT_FALSE(seat_.end(End::broken));
  sit(seeing({"b"}));
  EXPECT_EQ(seat_.see(seeing({"a", "b"})), Next::drain);
}

TEST_F(SchedulerSeat, IsGivenUpWhenAnotherSaysSomethingElse) {
  sit(seeing({"a", "b"}));
  auto seen = seeing({"a", "b"});
  seen.roll.members["a"].says = 3;
  EXPECT_EQ(seat_.see(seen), Next::drain);
}

TEST_F(SchedulerSeat, TellsWhatNobodyElseCanHaveHadSinceTheShareBefore) {
  sit(seeing({"a", "b"}));
  EXPECT_EQ(share_.since, std::nullopt);  // Of an earlier life, perhaps.
  move_to({"a", "b", "c"});
  EXPECT_EQ(share_.since, (Places{{1, 3}}));
  EXPECT_EQ(share_.place(), (Place{1, 3}));
  // The others may have begun without this one after each thing that it said.
  EXPECT_EQ(seat_.see(seeing({"b", "c"})), Next::drain);
  EXPECT_TRUE(seat_.end(End::in_order));
  say({"b", "c"});
  say({"b", "c"});
  say({"b"});
  say({"a", "b"});
  sit(seeing({"a", "b"}));
  EXPECT_EQ(share_.since, (Places{{0, 2}, {0, 1}, {1, 2}}));
  EXPECT_TRUE(seat_.end(End::in_order));
  sit(seeing({"a", "b"}));  // Nothing new was to be said.
  EXPECT_EQ(share_.since, Places{});
}

TEST_F(SchedulerSeat, TellsOfNothingThatIsStillItsOwnWhenOthersMayKnowOfTheEnd) {
  sit(seeing({"a", "b"}));
  move_to({"b"}, End::broken);
  EXPECT_EQ(share_.since, std::nullopt);
  EXPECT_EQ(seat_.see(seeing({"b", "c"})), Next::drain);
  EXPECT_TRUE(seat_.end(End::in_order));
  say({"b", "c"});
  EXPECT_FALSE(seat_.end(End::broken));  // Without a share there is still a lease to lose.
  sit(seeing({"b", "c"}));
  EXPECT_EQ(share_.since, std::nullopt);
  EXPECT_TRUE(seat_.end(End::in_order));
  seat_.renewed(kStart + 20s, kStart + 20s);  // It had run out.
  sit(seeing({"b", "c"}));
  EXPECT_EQ(share_.since, std::nullopt);
}

// A number can be taken for that of others.
TEST_F(SchedulerSeat, TellsOfNothingThatIsStillItsOwnWhereOnlyTheNumberIsSaid) {
  auto mixed = seeing({"a", "b"});
  mixed.exact = false;
  sit(mixed);
  move_to({"b"});
  EXPECT_EQ(share_.since, std::nullopt);
  EXPECT_EQ(seat_.see(mixed), Next::drain);
  EXPECT_TRUE(seat_.end(End::in_order));
  mixed.said = false;
  EXPECT_EQ(seat_.see(mixed), Next::say);
  sit(seeing({"b"}));
  EXPECT_EQ(share_.since, std::nullopt);
}

TEST_F(SchedulerSeat, RemembersOnlySoMuchOfReplicasThatComeAndGoWithoutPause) {
  sit(seeing({"a", "b"}));
  EXPECT_EQ(seat_.see(seeing({"b"})), Next::drain);
  EXPECT_TRUE(seat_.end(End::in_order));
  for (int times = 0; times < 100; ++times) {
    say({"b"});
    say({"a", "b"});
  }
  sit(seeing({"a", "b"}));
  EXPECT_EQ(share_.since, std::nullopt);
}

TEST(SchedulerShare, HasWhatItHadBeforeIfNobodyElseCanHaveHadItSince) {
  Share share{.index = 1, .total = 3, .hosts = {}};
  EXPECT_FALSE(share.continues(1));
  share.since.emplace();
  EXPECT_TRUE(share.continues(1));
  EXPECT_FALSE(share.continues(2));
  Share untold{.index = 0, .total = 2, .hosts = {}};
  untold.since = std::vector<Place>{{1, 3}};
  share.follow_untold(untold);
  EXPECT_FALSE(share.continues(1));  // 1 modulo 2 was another's.
  EXPECT_TRUE(share.continues(4));
  untold.since.reset();
  share.follow_untold(untold);
  EXPECT_FALSE(share.continues(4));
}

}  // namespace
}  // namespace outrigger::control::scheduler
