#include <filesystem>

#include <gtest/gtest.h>

#include "base/log.h"
#include "base/strings.h"
#include "base/uuid.h"
#include "components/clients/sqlite/connection.h"
#include "components/pubsub/receiver_testing.h"
#include "components/pubsub/registry.h"
#include "components/pubsub/sqlite_tables.h"

namespace outrigger::components::pubsub {

Result<std::unique_ptr<Broker>> make_sqlite(const Metadata& metadata, ComponentContext& context);

namespace {

using namespace std::chrono_literals;
using sqlite::Database;
using Texts = std::vector<std::string>;

TEST(SqliteProperties, ArePackedWhateverIsInThem) {
  const Properties odd = {{"", ""}, {"a:1", "2:b"}, {std::string("\0\n", 2), "\xff\"{"}};
  EXPECT_EQ(unpack_properties(pack_properties(odd)), odd);
  EXPECT_EQ(unpack_properties(""), Properties());
  for (const auto* bad : {"x", "1:", "1:a", "1:a2:b", "99999999999999999999:a", "-1:a", "1:a1b"}) {
    EXPECT_EQ(unpack_properties(bad), std::nullopt) << bad;
  }
}

/// The tables alone, with times of the test's choice.
class SqliteTablesTest : public testing::Test {
 protected:
  SqliteTablesTest() {
    EXPECT_TRUE(sqlite::migrate(*database_, tables_.migrations()));
    group_ = tables_.join(*database_, "t", "g", 0).value();
  }
  static std::unique_ptr<Database> open() {
    sqlite::ConnectionOptions options;
    options.connection_string = ":memory:";
    auto plan = sqlite::plan_connection(options, sqlite::ForeignKeys::off).value();
    return Database::open(plan).value();
  }
  bool insert(std::string data, std::optional<std::int64_t> expires = {}, std::int64_t wall = 0) {
    SqliteTables::NewMessage message{
        .topic = "t", .data = std::move(data), .wall = wall, .expires = expires};
    return tables_.insert(*database_, message).value();
  }
  SqliteTables::Exchange ask(std::int64_t owner, std::int64_t now, std::size_t wanted) const {
    return {.group = group_,
            .owner = owner,
            .now = now,
            .wall = now,
            .retry_at = now + 50,
            .lease_until = now + 100,
            .wanted = wanted,
            .bytes_max = 1000};
  }
  SqliteTables::Exchanged exchange(const SqliteTables::Exchange& question) {
    return tables_.exchange(*database_, question).value();
  }
  Texts take(std::int64_t owner, std::int64_t now, std::size_t wanted) {
    Texts texts;
    for (const auto& one : exchange(ask(owner, now, wanted)).taken) texts.push_back(one.data);
    return texts;
  }
  std::string count(const std::string& table) {
    return database_->value("SELECT count(*) FROM p_" + table).value().value_or("");
  }

  std::unique_ptr<Database> database_ = open();
  SqliteTables tables_{"p_"};
  SqliteTables::Group group_;
};

TEST_F(SqliteTablesTest, WhatNobodySubscribedToIsNotStored) {
  EXPECT_FALSE(tables_.insert(*database_, {.topic = "other", .data = "x"}).value());
  EXPECT_TRUE(insert("x"));
  EXPECT_EQ(count("messages"), "1");
}

TEST_F(SqliteTablesTest, AGroupBeginsWithTheMomentItWasJoined) {
  insert("before");
  const auto late = tables_.join(*database_, "t", "late", 0).value();
  EXPECT_NE(late.id, group_.id);
  EXPECT_EQ(tables_.join(*database_, "t", "late", 5)->id, late.id);
  insert("after");
  EXPECT_EQ(take(1, 0, 9), (Texts{"before", "after"}));
  group_ = late;
  EXPECT_EQ(take(1, 0, 9), (Texts{"after"}));
}

TEST_F(SqliteTablesTest, AMessageIsLeasedToOneConsumerUntilTheLeaseEnds) {
  insert("a");
  EXPECT_EQ(take(1, 0, 9), (Texts{"a"}));
  EXPECT_EQ(take(2, 99, 9), Texts());
  EXPECT_EQ(exchange(ask(2, 99, 9)).due, 100);
  EXPECT_EQ(take(2, 100, 9), (Texts{"a"}));
}

TEST_F(SqliteTablesTest, ARenewedLeaseGoesOnAndALostOneIsReported) {
  insert("a");
  const auto id = exchange(ask(1, 0, 9)).taken.at(0).id;
  auto renewal = ask(1, 90, 0);
  renewal.renewed = {id};
  EXPECT_TRUE(exchange(renewal).lost.empty());
  EXPECT_EQ(take(2, 189, 9), Texts());
  EXPECT_EQ(take(2, 190, 9), (Texts{"a"}));
  renewal.now = 191;
  EXPECT_EQ(exchange(renewal).lost, std::vector{id});
}

TEST_F(SqliteTablesTest, FailedMessagesComeAfterTheDelayAndReleasedOnesAtOnce) {
  for (const auto* text : {"a", "b", "c"}) insert(text);
  const auto taken = exchange(ask(1, 0, 9)).taken;
  auto outcome = ask(1, 10, 0);
  outcome.done = {taken[0].id};
  outcome.failed = {taken[1].id};
  outcome.released = {taken[2].id};
  EXPECT_EQ(exchange(outcome).due, 0);
  EXPECT_EQ(take(2, 10, 9), (Texts{"c"}));
  EXPECT_EQ(take(2, 59, 9), Texts());
  EXPECT_EQ(take(2, 60, 9), (Texts{"b"}));
}

TEST_F(SqliteTablesTest, AConsumerThatLostItsLeaseCannotDelayTheMessageOfAnother) {
  insert("a");
  const auto id = exchange(ask(1, 0, 9)).taken.at(0).id;
  EXPECT_EQ(take(2, 100, 9), (Texts{"a"}));
  auto late = ask(1, 110, 0);
  late.failed = {id};
  late.released = {id};
  exchange(late);
  EXPECT_EQ(take(3, 199, 9), Texts());
}

TEST_F(SqliteTablesTest, InStrictOrderNothingIsTakenWhileAnyIsOut) {
  insert("a");
  insert("b");
  auto first = ask(1, 0, 1);
  first.strict = true;
  const auto taken = exchange(first).taken;
  ASSERT_EQ(taken.size(), 1u);
  auto second = ask(2, 0, 9);
  second.strict = true;
  auto refused = exchange(second);
  EXPECT_TRUE(refused.taken.empty());
  EXPECT_EQ(refused.due, 100);
  auto again = ask(1, 5, 1);
  again.strict = true;
  again.done = {taken[0].id};
  EXPECT_EQ(exchange(again).taken.at(0).data, "b");
}

TEST_F(SqliteTablesTest, NoMoreIsTakenThanWantedInNumberAndBytes) {
  for (int i = 0; i < 5; ++i) insert(std::string(400, 'a'));
  EXPECT_EQ(take(1, 0, 2).size(), 2u);
  auto rest = exchange(ask(1, 0, 9));
  EXPECT_EQ(rest.taken.size(), 3u);  // 1000 bytes are reached with the third.
  EXPECT_TRUE(rest.more);
  EXPECT_TRUE(take(1, 0, 9).empty());
}

TEST_F(SqliteTablesTest, ExpiredMessagesAreNotGivenNorGivenAgain) {
  insert("short", 10);
  insert("long", 1000);
  EXPECT_EQ(take(1, 0, 1), (Texts{"short"}));
  EXPECT_EQ(take(2, 200, 9), (Texts{"long"}));
  EXPECT_EQ(take(2, 400, 9), (Texts{"long"}));
  EXPECT_EQ(take(2, 1200, 9), Texts());
  EXPECT_EQ(count("deliveries"), "0");
}

TEST_F(SqliteTablesTest, CleaningKeepsWhatAnyGroupHasNotDone) {
  const auto slow = tables_.join(*database_, "t", "slow", 0).value();
  for (const auto* text : {"a", "b", "c"}) insert(text);
  const auto taken = exchange(ask(1, 0, 9)).taken;
  auto outcome = ask(1, 0, 0);
  outcome.done = {taken[0].id, taken[1].id, taken[2].id};
  exchange(outcome);
  const SqliteTables::Cleaning cleaning{.wall = 0, .limit = 100};
  EXPECT_FALSE(tables_.clean(*database_, cleaning).value());
  EXPECT_EQ(count("messages"), "3");
  group_ = slow;
  EXPECT_EQ(take(2, 0, 2), (Texts{"a", "b"}));
  ASSERT_TRUE(tables_.clean(*database_, cleaning));
  EXPECT_EQ(count("messages"), "3");  // Leased is not done.
  outcome = ask(2, 0, 0);
  outcome.group = slow;
  outcome.done = {taken[1].id};
  exchange(outcome);
  ASSERT_TRUE(tables_.clean(*database_, cleaning));
  EXPECT_EQ(count("messages"), "2");
}

TEST_F(SqliteTablesTest, IdsNeverComeAgainSoThatAnEmptiedTopicGoesOn) {
  insert("a");
  auto outcome = ask(1, 0, 0);
  outcome.done = {exchange(ask(1, 0, 9)).taken.at(0).id};
  exchange(outcome);
  ASSERT_TRUE(tables_.clean(*database_, {.limit = 100}));
  EXPECT_EQ(count("messages"), "0");
  insert("b");
  EXPECT_EQ(take(1, 0, 9), (Texts{"b"}));
}

TEST_F(SqliteTablesTest, CleaningForgetsOldMessagesAndUnusedGroupsAndTopics) {
  insert("old", {}, 100);
  insert("new", {}, 900);
  EXPECT_EQ(take(1, 0, 1), (Texts{"old"}));
  auto touch = ask(1, 600, 0);
  touch.touch = true;
  exchange(touch);
  ASSERT_TRUE(tables_.clean(*database_, {.wall = 1000, .retention_ms = 500, .limit = 100}));
  EXPECT_EQ(count("messages"), "1");
  EXPECT_EQ(take(2, 700, 9), (Texts{"new"}));  // And not the lease of one that is no more.
  ASSERT_TRUE(tables_.clean(*database_, {.wall = 1100, .retention_ms = 500, .limit = 100}));
  for (const auto* table : {"groups", "topics", "messages", "deliveries"}) {
    EXPECT_EQ(count(table), "0") << table;
  }
  EXPECT_TRUE(exchange(ask(1, 0, 9)).gone);
}

TEST_F(SqliteTablesTest, CleaningSaysWhenThereIsMore) {
  for (int i = 0; i < 5; ++i) insert("x", 10);
  const SqliteTables::Cleaning cleaning{.wall = 20, .limit = 3};
  EXPECT_TRUE(tables_.clean(*database_, cleaning).value());
  EXPECT_FALSE(tables_.clean(*database_, cleaning).value());
  EXPECT_EQ(count("messages"), "0");
}

TEST_F(SqliteTablesTest, AfterARestartOfTheMachineLeasesOfItsOldClockEnd) {
  ASSERT_TRUE(tables_.note_boot(*database_, "one"));
  insert("a");
  EXPECT_EQ(take(1, 1'000'000, 9), (Texts{"a"}));
  ASSERT_TRUE(tables_.note_boot(*database_, "one"));
  EXPECT_EQ(take(2, 5, 9), Texts());
  ASSERT_TRUE(tables_.note_boot(*database_, "two"));
  EXPECT_EQ(take(2, 5, 9), (Texts{"a"}));
}

/// Whole components. Each process() shares nothing with the others but the file.
class SqlitePubSub : public testing::Test {
 protected:
  SqlitePubSub() { std::filesystem::create_directories(directory_); }
  ~SqlitePubSub() override {
    for (auto& broker : brokers_) run_on(loop_, broker->close());
    brokers_.clear();
    std::filesystem::remove_all(directory_);
  }
  Result<std::unique_ptr<Broker>> make(Properties properties) {
    ComponentContext context{.loop = loop_, .app_id = "app"};
    properties.emplace("connectionString", (directory_ / "events.db").string());
    properties.emplace("redeliverInterval", "30ms");
    return make_sqlite({.name = "events", .properties = std::move(properties)}, context);
  }
  Broker& process(Properties properties = {}) {
    auto made = make(std::move(properties));
    EXPECT_TRUE(made) << made.error().message();
    auto ready = run_on(loop_, (*made)->init());
    EXPECT_TRUE(ready) << ready.error().message();
    brokers_.push_back(std::move(*made));
    return *brokers_.back();
  }
  std::unique_ptr<Subscription> subscribe(Broker& broker, Receiver& receiver) {
    SubscribeRequest request{.topic = "orders"};
    auto made = run_on(loop_, broker.subscribe(std::move(request), receiver.deliver()));
    EXPECT_TRUE(made) << made.error().message();
    return made ? std::move(*made) : nullptr;
  }
  Result<> publish(Broker& broker, std::string data, Properties metadata = {}) {
    PublishRequest request{
        .topic = "orders", .data = std::move(data), .metadata = std::move(metadata)};
    return run_on(loop_, broker.publish(std::move(request)));
  }
  void reach(Receiver& receiver, std::size_t count) {
    auto enough = [&receiver, count] { return receiver.messages.size() >= count; };
    EXPECT_TRUE(run_on(loop_, Receiver::until(&receiver, enough)));
  }
  void close(std::unique_ptr<Subscription>& subscription) {
    run_on(loop_, subscription->close());
    subscription.reset();
  }
  void release(Receiver& receiver) {
    loop_.post([&receiver] {
      receiver.hold = false;
      receiver.go_on.notify_all();
    });
  }
  std::unique_ptr<Database> inspect() {
    sqlite::ConnectionOptions options;
    options.connection_string = (directory_ / "events.db").string();
    return Database::open(sqlite::plan_connection(options, sqlite::ForeignKeys::off).value())
        .value();
  }

  Loop loop_;
  std::filesystem::path directory_ =
      std::filesystem::temp_directory_path() / ("outrigger-pubsub-" + uuid_v4());
  std::vector<std::unique_ptr<Broker>> brokers_;
};

TEST_F(SqlitePubSub, AMessageOfAnotherProcessArrivesSoon) {
  Receiver receiver;
  auto subscription = subscribe(process(), receiver);
  auto& other = process();
  ASSERT_TRUE(publish(other, "x"));
  const auto published = std::chrono::steady_clock::now();
  reach(receiver, 1);
  EXPECT_LT(std::chrono::steady_clock::now() - published, 5s);
  close(subscription);
}

TEST_F(SqlitePubSub, TheContentTypeComesWithTheMessage) {
  auto& broker = process();
  Receiver receiver;
  auto subscription = subscribe(broker, receiver);
  PublishRequest request{.topic = "orders", .data = "1", .content_type = "application/json"};
  ASSERT_TRUE(run_on(loop_, broker.publish(std::move(request))));
  ASSERT_TRUE(publish(broker, "2"));
  reach(receiver, 2);
  EXPECT_EQ(receiver.messages[0].content_type, "application/json");
  EXPECT_EQ(receiver.messages[1].content_type, std::nullopt);
  close(subscription);
}

TEST_F(SqlitePubSub, ASlowHandlerKeepsItsMessageBeyondTheVisibilityTimeout) {
  const Properties quick = {{"visibilityTimeout", "150ms"}};
  Receiver slow;
  slow.hold = true;
  auto& broker = process(quick);
  auto subscription = subscribe(broker, slow);
  ASSERT_TRUE(publish(broker, "x"));
  reach(slow, 1);
  Receiver other;
  auto second = subscribe(process(quick), other);
  // Renewed again and again: the lease ends well after the moment at which the first one did.
  auto database = inspect();
  const auto lease_end = [&] {
    const auto due = database->value("SELECT due FROM pubsub_deliveries").value();
    return parse_int<std::int64_t>(due.value_or("")).value_or(0);
  };
  const std::int64_t first = lease_end();
  const auto until = std::chrono::steady_clock::now() + 60s;
  while (lease_end() < first + 450 && std::chrono::steady_clock::now() < until) {
    EXPECT_TRUE(run_on(loop_, sleep_for(5ms)));
  }
  EXPECT_GE(lease_end(), first + 450);
  EXPECT_TRUE(other.messages.empty());
  release(slow);
  close(subscription);
  close(second);
  EXPECT_EQ(slow.messages.size(), 1u);
}

TEST_F(SqlitePubSub, WithConcurrencySeveralAreHandledAtOnceAndNoMore) {
  auto& broker = process({{"concurrency", "5"}});
  Receiver receiver;
  receiver.hold = true;
  auto subscription = subscribe(broker, receiver);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(publish(broker, std::to_string(i)));
  reach(receiver, 5);
  release(receiver);
  reach(receiver, 20);
  EXPECT_EQ(receiver.most_running, 5u);
  close(subscription);
}

TEST_F(SqlitePubSub, AConsumerThatHoldsOnLeavesTheOtherMessagesToOthers) {
  Receiver stuck;
  stuck.hold = true;
  auto& broker = process();
  auto subscription = subscribe(broker, stuck);
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(publish(broker, std::to_string(i)));
  reach(stuck, 1);
  Receiver other;
  auto second = subscribe(process(), other);
  reach(other, 9);
  release(stuck);
  close(subscription);
  close(second);
}

TEST_F(SqlitePubSub, OthersGoOnWhileAFailedMessageWaits) {
  auto& broker = process();
  Receiver receiver;
  receiver.refuse = [first = true](const Message& message) mutable {
    return message.data == "1" && std::exchange(first, false);
  };
  auto subscription = subscribe(broker, receiver);
  for (const auto* text : {"1", "2", "3"}) ASSERT_TRUE(publish(broker, text));
  reach(receiver, 4);
  EXPECT_EQ(receiver.data(), (Texts{"1", "2", "3", "1"}));
  close(subscription);
}

TEST_F(SqlitePubSub, InStrictOrderAFailedMessageHoldsUpThoseBehindIt) {
  auto& broker = process({{"strictOrder", "true"}});
  Receiver receiver;
  receiver.refuse = [times = 2](const Message& message) mutable {
    return message.data == "1" && times-- > 0;
  };
  auto subscription = subscribe(broker, receiver);
  auto second = subscribe(process({{"strictOrder", "true"}}), receiver);
  for (const auto* text : {"1", "2", "3"}) ASSERT_TRUE(publish(broker, text));
  reach(receiver, 5);
  EXPECT_EQ(receiver.data(), (Texts{"1", "1", "1", "2", "3"}));
  EXPECT_EQ(receiver.most_running, 1u);
  close(subscription);
  close(second);
}

TEST_F(SqlitePubSub, AClosingThatIsCancelledGivesTheMessageBack) {
  auto& broker = process();
  Receiver stuck;
  stuck.hold = true;
  auto subscription = subscribe(broker, stuck);
  ASSERT_TRUE(publish(broker, "x"));
  reach(stuck, 1);
  const auto as_result = [](Task<void> task) -> Task<Result<>> {
    co_await std::move(task);
    co_return Result<>();
  };
  [[maybe_unused]] auto done = run_on(loop_, with_timeout(as_result(subscription->close()), 10ms));
  subscription.reset();
  Receiver next;
  subscription = subscribe(broker, next);
  reach(next, 1);
  close(subscription);
}

TEST_F(SqlitePubSub, DoneMessagesAreRemovedFromTheFile) {
  auto& broker = process({{"cleanupInterval", "10ms"}});
  Receiver receiver;
  auto subscription = subscribe(broker, receiver);
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(publish(broker, std::to_string(i)));
  reach(receiver, 50);
  auto database = inspect();
  const auto until = std::chrono::steady_clock::now() + 60s;
  std::string left = "?";
  while (left != "0" && std::chrono::steady_clock::now() < until) {
    EXPECT_TRUE(run_on(loop_, sleep_for(10ms)));
    left = database->value("SELECT count(*) FROM pubsub_messages").value().value_or("");
  }
  EXPECT_EQ(left, "0");
  close(subscription);
}

TEST_F(SqlitePubSub, AGroupThatWasForgottenIsJoinedAgain) {
  const LogCapture logged;
  auto& broker = process();
  Receiver receiver;
  auto subscription = subscribe(broker, receiver);
  auto database = inspect();
  ASSERT_TRUE(database->execute("DELETE FROM pubsub_groups"));
  auto again = subscribe(process(), receiver);
  for (const auto* text : {"1", "2", "3", "4"}) ASSERT_TRUE(publish(broker, text));
  reach(receiver, 4);
  close(subscription);
  close(again);
  EXPECT_TRUE(logged.contains("had been forgotten")) << logged.text();
}

TEST_F(SqlitePubSub, ALockedDatabaseIsAnErrorAndLosesNothing) {
  const LogCapture logged;
  auto& broker = process({{"busyTimeout", "50ms"}});
  Receiver receiver;
  auto subscription = subscribe(broker, receiver);
  auto other = inspect();
  ASSERT_TRUE(other->execute("BEGIN IMMEDIATE"));
  auto refused = publish(broker, "1");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::unavailable);
  other->rollback();
  ASSERT_TRUE(publish(broker, "2"));
  reach(receiver, 1);
  EXPECT_EQ(receiver.data(), Texts{"2"});
  close(subscription);
}

TEST_F(SqlitePubSub, AFullDiskIsAnErrorAndLosesNothing) {
  auto& broker = process(
      {{"connectionString", (directory_ / "small.db").string() + "?_pragma=max_page_count(60)"},
       {"cleanupInterval", "10ms"}});
  Receiver receiver;
  receiver.hold = true;
  auto subscription = subscribe(broker, receiver);
  std::size_t stored = 0;
  std::optional<Error> error;
  while (!error && stored < 1000) {
    auto done = publish(broker, std::string(4000, 'x'));
    if (done) {
      ++stored;
    } else {
      error = std::move(done).error();
    }
  }
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), Code::resource_exhausted) << error->message();
  EXPECT_GT(stored, 10u);
  release(receiver);
  reach(receiver, stored);
  close(subscription);
}

TEST_F(SqlitePubSub, ADatabaseInMemoryServesItsComponent) {
  auto& broker = process({{"connectionString", ":memory:"}});
  Receiver receiver;
  auto subscription = subscribe(broker, receiver);
  ASSERT_TRUE(publish(broker, "x"));
  reach(receiver, 1);
  close(subscription);
}

TEST_F(SqlitePubSub, ItsFeaturesAreTimesToLiveAndBulks) {
  EXPECT_EQ(features(process()), (Texts{"MESSAGE_TTL", "BULK_PUBSUB"}));
}

TEST_F(SqlitePubSub, MetadataThatMakesNoSenseIsRefused) {
  const std::vector<std::pair<std::string, std::string>> bad = {
      {"tablePrefix", "a b"},      {"visibilityTimeout", "1ms"},
      {"pollInterval", "0"},       {"concurrency", "0"},
      {"maxInFlight", "0"},        {"redeliverInterval", "-1s"},
      {"cleanupInterval", "x"},    {"connectionString", ""},
      {"messageRetention", "1ms"}, {"connectionString", "a.db?_pragma=journal_mode(OFF)"}};
  for (const auto& [name, value] : bad) {
    auto made = make({{name, value}});
    ASSERT_FALSE(made) << name << "=" << value;
    EXPECT_EQ(made.error().code(), Code::invalid_argument) << made.error().message();
  }
  EXPECT_FALSE(make({{"strictOrder", "true"}, {"concurrency", "2"}}));
  auto unknown = publish(process(), "x", {{"ttlInSeconds", "soon"}});
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code(), Code::invalid_argument);
}

}  // namespace
}  // namespace outrigger::components::pubsub
