#include "runtime/placement/round.h"

#include <gmock/gmock.h>

#include "dapr/proto/placement/v1/placement.pb.h"

namespace outrigger::runtime::placement {
namespace {

namespace pb = dapr::proto::placement::v1;
using testing::ElementsAre;
using testing::IsEmpty;
using Action = Round::Action;
using Operation = Order::Operation;

const Reporter kSelf{"app", "space", "10.0.0.1", 50002};

Order order(Operation operation, std::uint64_t version) {
  Order made;
  made.operation = operation;
  made.version = version;
  return made;
}

TEST(Round, GoesLockUpdateUnlock) {
  Round round;
  EXPECT_EQ(round.next(order(Operation::lock, 3)), Action::answer);
  EXPECT_EQ(round.next(order(Operation::update, 3)), Action::update);
  round.updated({"b", "a"});
  EXPECT_EQ(round.next(order(Operation::unlock, 3)), Action::unlock);
  EXPECT_EQ(round.version(), 3U);
  EXPECT_THAT(round.released(), ElementsAre("a", "b"));
  EXPECT_THAT(round.released(), IsEmpty());
}

TEST(Round, AnUnlockReleasesWhatAllUpdatesSinceTheLastOneMoved) {
  Round round;
  for (const std::uint64_t version : {1, 2}) {
    EXPECT_EQ(round.next(order(Operation::lock, version)), Action::answer);
    EXPECT_EQ(round.next(order(Operation::update, version)), Action::update);
    round.updated({"type" + std::to_string(version)});
  }
  EXPECT_EQ(round.next(order(Operation::unlock, 2)), Action::unlock);
  EXPECT_THAT(round.released(), ElementsAre("type1", "type2"));
}

TEST(Round, AnUnlockWithoutItsUpdateIsIgnored) {
  Round round;
  EXPECT_EQ(round.next(order(Operation::unlock, 1)), Action::ignore);
  EXPECT_EQ(round.next(order(Operation::lock, 2)), Action::answer);
  EXPECT_EQ(round.next(order(Operation::unlock, 2)), Action::ignore);
  EXPECT_EQ(round.next(order(Operation::update, 2)), Action::update);
  EXPECT_EQ(round.next(order(Operation::unlock, 1)), Action::ignore);
  EXPECT_EQ(round.next(order(Operation::unlock, 2)), Action::unlock);
  EXPECT_EQ(round.next(order(Operation::unlock, 2)), Action::ignore);
}

TEST(Round, TablesOlderThanTheLockEndTheStream) {
  Round round;
  EXPECT_EQ(round.next(order(Operation::lock, 5)), Action::answer);
  EXPECT_EQ(round.next(order(Operation::update, 4)), Action::close);
  EXPECT_EQ(round.reason(), "version mismatch: expected 5, got 4");
}

TEST(Round, AnOrderOfAnotherNameEndsTheStream) {
  Round round;
  Order strange = order(Operation::unknown, 1);
  strange.operation_name = "dance";
  EXPECT_EQ(round.next(strange), Action::close);
  EXPECT_EQ(round.reason(), "unknown operation: dance");
}

TEST(Orders, AnOrderWithoutVersionHasThatOfItsTables) {
  pb::PlacementOrder message;
  message.set_operation("update");
  const std::string bare = message.SerializeAsString();
  EXPECT_EQ(parse_order(bare, kSelf)->version, 0U);
  const std::string old = bare + std::string("\x0a\x03\x12\x01", 4) + "7";
  EXPECT_EQ(parse_order(old, kSelf)->version, 7U);
  const std::string nonsense = bare + std::string("\x0a\x03\x12\x01", 4) + "x";
  EXPECT_EQ(parse_order(nonsense, kSelf)->version, 0U);
}

TEST(Orders, TablesSayWhichHostIsThisSidecar) {
  pb::PlacementOrder message;
  message.set_operation("update");
  message.set_version(9);
  message.mutable_tables()->set_replication_factor(100);
  auto& hosts = *(*message.mutable_tables()->mutable_entries())["cat"].mutable_load_map();
  hosts["10.0.0.1:50002"].set_name("10.0.0.1:50002");
  hosts["10.0.0.1:50002"].set_id("app");
  hosts["10.0.0.2:50002"].set_name("10.0.0.2:50002");
  auto parsed = parse_order(message.SerializeAsString(), kSelf).value();
  EXPECT_EQ(parsed.operation, Operation::update);
  EXPECT_EQ(parsed.tables.version, 9U);
  EXPECT_EQ(parsed.tables.factor, 100);
  auto& cats = parsed.tables.hosts["cat"];
  ASSERT_EQ(cats.size(), 2U);
  for (const RingHost& host : cats) EXPECT_EQ(host.location.local, host.key == "10.0.0.1:50002");
}

TEST(Orders, BytesThatAreNoOrderAreAnError) {
  EXPECT_FALSE(parse_order("\x0a\xff\xff", kSelf));
  EXPECT_EQ(parse_order("", kSelf)->operation, Operation::unknown);
}

TEST(Orders, AReportHasNoVersionAndAnAnswerHas) {
  pb::Host host;
  ASSERT_TRUE(host.ParseFromString(report_message(kSelf, {"cat", "dog"})));
  EXPECT_EQ(host.name(), "10.0.0.1:50002");
  EXPECT_EQ(host.id(), "app");
  EXPECT_EQ(host.namespace_(), "space");
  EXPECT_EQ(host.operation(), pb::REPORT);
  EXPECT_FALSE(host.has_version());
  EXPECT_THAT(host.entities(), ElementsAre("cat", "dog"));
  ASSERT_TRUE(host.ParseFromString(answer_message(kSelf, Operation::update, 0)));
  EXPECT_EQ(host.operation(), pb::UPDATE);
  EXPECT_TRUE(host.has_version());
  EXPECT_EQ(host.id(), "app");
  EXPECT_EQ(host.namespace_(), "space");
}

}  // namespace
}  // namespace outrigger::runtime::placement
