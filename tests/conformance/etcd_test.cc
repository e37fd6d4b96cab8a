// The etcd client against a real server.
#include "base/env.h"
#include "base/pch_test.h"
#include "components/clients/etcd/client.h"

namespace outrigger::components::etcd {
namespace {

using namespace std::chrono_literals;

class Etcd : public testing::Test {
 protected:
  void SetUp() override {
    const auto endpoint = env("OUTRIGGER_TEST_ETCD");
    if (!endpoint) GTEST_SKIP() << "OUTRIGGER_TEST_ETCD names no server";
    client_ = Client::make({.endpoints = {*endpoint}}).value();
    ASSERT_TRUE(wait(client_->remove({.key = "t/", .end = prefix_end("t/")})));
  }
  void TearDown() override {
    if (client_) run_on(loop_, client_->close());
  }
  template <class T>
  T wait(Task<T> task) {
    return run_on(loop_, std::move(task));
  }
  std::int64_t put(std::string key, std::string value, std::int64_t lease = 0) {
    auto done =
        wait(client_->put({.key = std::move(key), .value = std::move(value), .lease = lease}));
    EXPECT_TRUE(done) << done.error().message();
    return done.value_or(0);
  }
  RangeReply all() {
    auto reply = wait(client_->range({.key = "t/", .end = prefix_end("t/")}));
    EXPECT_TRUE(reply) << reply.error().message();
    return reply.value_or(RangeReply{});
  }
  Loop loop_;
  std::unique_ptr<Client> client_;
};

TEST_F(Etcd, ReadsRangesInOrderAndInPages) {
  for (const char* key : {"t/c", "t/a", "t/b"}) put(key, std::string("of ") + key);
  const auto everything = all();
  ASSERT_EQ(everything.items.size(), 3);
  EXPECT_EQ(everything.items[0].key, "t/a");
  EXPECT_EQ(everything.items[2].value, "of t/c");
  EXPECT_EQ(everything.count, 3);
  const auto page =
      wait(client_->range({.key = "t/", .end = prefix_end("t/"), .limit = 2, .keys_only = true}));
  ASSERT_TRUE(page);
  EXPECT_TRUE(page->more);
  ASSERT_EQ(page->items.size(), 2);
  EXPECT_EQ(page->items[1].key, "t/b");
  EXPECT_EQ(page->items[1].value, "");
}

TEST_F(Etcd, ATransactionIsDoneOnlyIfItsComparisonsHold) {
  Txn create;
  create.compare.push_back({.key = "t/x", .number = 0});
  create.success.emplace_back(Put{.key = "t/x", .value = "first"});
  create.failure.emplace_back(Range{.key = "t/x"});
  const auto done = wait(client_->txn(create));
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_TRUE(done->succeeded);
  const auto refused = wait(client_->txn(create));
  ASSERT_TRUE(refused);
  EXPECT_FALSE(refused->succeeded);
  ASSERT_EQ(refused->replies.size(), 1);
  ASSERT_EQ(refused->replies[0].range.items.size(), 1);
  EXPECT_EQ(refused->replies[0].range.items[0].value, "first");

  Txn drop;
  drop.compare.push_back({.key = "t/x", .target = Compare::Target::value, .value = "first"});
  drop.success.emplace_back(Remove{.key = "t/x"});
  const auto dropped = wait(client_->txn(drop));
  ASSERT_TRUE(dropped);
  EXPECT_EQ(dropped->replies.at(0).removed, 1);
  EXPECT_TRUE(all().items.empty());
}

TEST_F(Etcd, WhatIsBoundToALeaseGoesWithIt) {
  const auto lease = wait(client_->grant(60s));
  ASSERT_TRUE(lease) << lease.error().message();
  put("t/bound", "v", *lease);
  EXPECT_EQ(all().items.at(0).lease, *lease);
  EXPECT_TRUE(wait(client_->renew(*lease)));
  EXPECT_TRUE(wait(client_->revoke(*lease)));
  EXPECT_TRUE(all().items.empty());
  const auto late = wait(client_->renew(*lease));
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code(), Code::not_found);
}

TEST_F(Etcd, AWatchTellsChangesFromARevisionOn) {
  const auto before = put("t/old", "1");
  put("t/a", "2");
  EXPECT_TRUE(wait(client_->remove({.key = "t/a"})));
  auto watch = client_->watch("t/", prefix_end("t/"), before + 1);
  std::vector<std::string> seen;
  while (seen.size() < 2) {
    const auto events = wait(watch->next());
    ASSERT_TRUE(events) << events.error().message();
    for (const Event& event : events->events) {
      seen.push_back((event.kind == Event::Kind::put ? "put " : "removed ") + event.item.key);
    }
  }
  EXPECT_EQ(seen, (std::vector<std::string>{"put t/a", "removed t/a"}));
}

}  // namespace
}  // namespace outrigger::components::etcd
