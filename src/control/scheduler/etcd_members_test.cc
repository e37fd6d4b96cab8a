#include "control/scheduler/etcd_members.h"

#include "base/pch_test.h"

namespace outrigger::control::scheduler {
namespace {

Membership counting(std::uint64_t total, std::string address) {
  return {.total = total, .uid = 1, .address = std::move(address)};
}

TEST(SchedulerRoll, GivesSharesInTheOrderOfTheKeysOnceAllCountTheSame) {
  Roll roll;
  roll.members["dapr/leadership/b"] = counting(2, "host-b");
  roll.members["dapr/leadership/a"] = counting(2, "host-a");
  const auto share = roll.share_of("dapr/leadership/b");
  ASSERT_TRUE(share);
  EXPECT_EQ(share->index, 1);
  EXPECT_EQ(share->total, 2);
  EXPECT_EQ(share->hosts, (std::vector<std::string>{"host-a", "host-b"}));
}

TEST(SchedulerRoll, GivesNoneWhileOneCountsOtherwiseOrIsMissing) {
  Roll roll;
  roll.members["dapr/leadership/a"] = counting(1, "host-a");
  roll.members["dapr/leadership/b"] = counting(2, "host-b");
  EXPECT_FALSE(roll.share_of("dapr/leadership/a"));
  EXPECT_FALSE(roll.share_of("dapr/leadership/b"));
  roll.members["dapr/leadership/a"] = counting(2, "host-a");
  EXPECT_FALSE(roll.share_of("dapr/leadership/c"));
}

TEST(SchedulerMembership, IsKeptAsUpstreamKeepsIt) {
  const Membership membership{.total = 3, .uid = 7, .address = "h:1"};
  const std::string record = encode(membership);
  EXPECT_EQ(decode_membership(record).value(), membership);
  // total, uid, and an Any of a Host.
  EXPECT_EQ(record.substr(0, 4), "\x08\x03\x10\x07");
  EXPECT_NE(record.find("type.googleapis.com/dapr.proto.scheduler.v1.Host"), std::string::npos);
  EXPECT_FALSE(decode_membership("\xff"));
}

}  // namespace
}  // namespace outrigger::control::scheduler
