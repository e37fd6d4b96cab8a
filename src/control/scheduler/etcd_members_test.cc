#include "control/scheduler/etcd_members.h"

#include "base/pch_test.h"

namespace outrigger::control::scheduler {
namespace {

Membership counting(std::uint64_t says, std::string address) {
  return {.says = says, .uid = 1, .address = std::move(address)};
}

TEST(SchedulerRoll, GivesSharesInTheOrderOfTheKeysOnceAllCountTheSame) {
  Roll roll;
  roll.members["dapr/leadership/b"] = counting(2, "host-b");
  roll.members["dapr/leadership/a"] = counting(2, "host-a");
  const auto share = roll.share_of("dapr/leadership/b", 2);
  ASSERT_TRUE(share);
  EXPECT_EQ(share->index, 1);
  EXPECT_EQ(share->total, 2);
  EXPECT_EQ(share->hosts, (std::vector<std::string>{"host-a", "host-b"}));
}

TEST(SchedulerRoll, GivesNoneWhileOneCountsOtherwiseOrIsMissing) {
  Roll roll;
  roll.members["dapr/leadership/a"] = counting(1, "host-a");
  roll.members["dapr/leadership/b"] = counting(2, "host-b");
  EXPECT_FALSE(roll.share_of("dapr/leadership/a", 2));
  EXPECT_FALSE(roll.share_of("dapr/leadership/b", 2));
  roll.members["dapr/leadership/a"] = counting(2, "host-a");
  EXPECT_FALSE(roll.share_of("dapr/leadership/c", 2));
}

TEST(SchedulerRoll, HasAnotherDigestWhenOneGoesAndAnotherComes) {
  Roll before;
  before.members["a"] = counting(0, "host-a");
  before.members["b"] = counting(0, "host-b");
  Roll after = before;
  after.members["a"].says = 7;  // What they say is not who they are.
  EXPECT_EQ(after.digest(), before.digest());
  after.members.erase("b");
  after.members["c"] = counting(0, "host-b");
  EXPECT_NE(after.digest(), before.digest());
  Roll restarted = before;
  restarted.members["b"].uid = 2;
  EXPECT_NE(restarted.digest(), before.digest());
}

TEST(SchedulerMembership, IsKeptAsUpstreamKeepsIt) {
  const Membership membership{.says = 3, .uid = 7, .address = "h:1"};
  const std::string record = encode(membership);
  EXPECT_EQ(decode_member(record).value().membership, membership);
  EXPECT_TRUE(decode_member(record).value().repeats);
  EXPECT_TRUE(decode_member(record).value().exact);
  // total, uid, and an Any of a Host.
  EXPECT_EQ(record.substr(0, 4), "\x08\x03\x10\x07");
  EXPECT_NE(record.find("type.googleapis.com/dapr.proto.scheduler.v1.Host"), std::string::npos);
  EXPECT_FALSE(decode_member("\xff"));
  // One of upstream's.
  EXPECT_FALSE(decode_member("\x08\x03\x10\x07").value().repeats);
  EXPECT_FALSE(decode_member("\x08\x03\x10\x07").value().exact);
  // One of ours that says numbers only.
  EXPECT_TRUE(decode_member("\x08\x03\x10\x07\xc0\x3e\x01").value().repeats);
  EXPECT_FALSE(decode_member("\x08\x03\x10\x07\xc0\x3e\x01").value().exact);
}

}  // namespace
}  // namespace outrigger::control::scheduler
