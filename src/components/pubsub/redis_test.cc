#include "base/env.h"
#include "base/strings.h"
#include "base/uuid.h"
#include "components/clients/redis/client.h"
#include "components/pubsub/redis_subscription.h"

namespace outrigger::components::pubsub {

Result<std::unique_ptr<Broker>> make_redis(const Metadata& metadata, ComponentContext& context);

namespace {

using namespace std::chrono_literals;
using redis::Reply;

std::string words(std::initializer_list<std::string_view> list) {
  return redis::Command::keyless(list).bytes();
}
Reply text(std::string value) { return {.type = Reply::Type::text, .text = std::move(value)}; }
Reply list(std::vector<Reply> items) {
  return {.type = Reply::Type::array, .items = std::move(items)};
}

TEST(RedisStream, APublishedMessageIsAnEntryWithDataAndMetadata) {
  PublishRequest request{.topic = "t", .data = "d"};
  EXPECT_EQ(redis_stream::add(request, {}, WallTime()).bytes(),
            words({"XADD", "t", "*", "data", "d"}));
  request.metadata = {{"b", "2<"}, {"a", "1"}};
  EXPECT_EQ(redis_stream::add(request, {}, WallTime()).bytes(),
            words({"XADD", "t", "*", "data", "d", "metadata", R"({"a":"1","b":"2\u003c"})"}));
}

TEST(RedisStream, AStreamIsTrimmedByLengthOrByAge) {
  const PublishRequest request{.topic = "t", .data = "d"};
  const WallTime now{100s};
  EXPECT_EQ(redis_stream::add(request, {.length = 50, .lifetime = 1s}, now).bytes(),
            words({"XADD", "t", "MAXLEN", "~", "50", "*", "data", "d"}));
  EXPECT_EQ(redis_stream::add(request, {.lifetime = 30s}, now).bytes(),
            words({"XADD", "t", "MINID", "~", "70000-1", "*", "data", "d"}));
}

TEST(RedisStream, EntriesAreReadWhateverTheirFieldsAre) {
  auto good = list({text("1-1"), list({text("metadata"), text(R"({"k":"v","n":1})"), text("data"),
                                       text("d"), text("other"), text("x")})});
  auto bare = list({text("1-2"), list({text("foreign"), text("x")})});
  auto broken = list({text("1-3"), list({text("data"), text("d"), text("metadata"), text("{")})});
  auto read =
      redis_stream::entries_of_read(list({list({text("t"), list({good, bare, broken, Reply()})})}));
  ASSERT_TRUE(read);
  EXPECT_TRUE(read->some_gone);
  ASSERT_EQ(read->entries.size(), 3u);
  EXPECT_EQ(read->entries[0].id, "1-1");
  EXPECT_EQ(read->entries[0].data, "d");
  EXPECT_EQ(read->entries[0].metadata, (Properties{{"k", "v"}}));
  EXPECT_EQ(read->entries[1].data, "");
  EXPECT_EQ(read->entries[2].data, "d");
  EXPECT_TRUE(redis_stream::entries_of_read(Reply())->entries.empty());
  EXPECT_FALSE(redis_stream::entries_of_read(text("x")));
  EXPECT_FALSE(redis_stream::entries_of_read(list({text("x")})));
  EXPECT_FALSE(redis_stream::pending_of(list({text("x")})));
}

TEST(RedisStream, IdsAreCountedOn) {
  EXPECT_EQ(redis_stream::id_after("1-4"), "1-5");
  EXPECT_EQ(redis_stream::id_after("1-18446744073709551615"), "2-0");
  EXPECT_EQ(redis_stream::id_after("18446744073709551615-18446744073709551615"), "-");
  EXPECT_EQ(redis_stream::id_after("x"), "-");
}

TEST(RedisBroker, DurationsAreMillisecondsOrHaveAUnitAndOtherTextsAreRefused) {
  Loop loop;
  ComponentContext context{.loop = loop, .app_id = "app"};
  Metadata metadata{.name = "p", .type = "pubsub.redis"};
  const auto with = [&](std::string name, std::string value) {
    metadata.properties = {{std::move(name), std::move(value)}};
    return make_redis(metadata, context).has_value();
  };
  EXPECT_TRUE(with("processingTimeout", "1500"));
  EXPECT_TRUE(with("redeliverInterval", "1m30s"));
  EXPECT_TRUE(with("queueDepth", "0"));
  EXPECT_TRUE(with("concurrency", "0"));
  EXPECT_FALSE(with("processingTimeout", "soon"));
  EXPECT_FALSE(with("queueDepth", "-1"));
  EXPECT_FALSE(with("maxLenApprox", "many"));
}

/// Tests with a server: OUTRIGGER_TEST_PUBSUB_REDIS is its metadata, "name=value;...".
class RedisBrokerLive : public testing::Test {
 protected:
  void SetUp() override {
    const auto given = env("OUTRIGGER_TEST_PUBSUB_REDIS");
    if (!given) GTEST_SKIP() << "no server: OUTRIGGER_TEST_PUBSUB_REDIS is not set";
    for (const auto part : split_list(*given, ';')) {
      if (const auto pair = cut(part, "=")) properties_.emplace(pair->first, pair->second);
    }
    properties_.emplace("processingTimeout", "150");
    properties_.emplace("redeliverInterval", "20ms");
    topic_ = "topic-" + uuid_v4();
    broker_ = make("app");
  }
  void TearDown() override {
    if (broker_ == nullptr) return;
    run_on(loop_, broker_->close());
  }

  std::unique_ptr<Broker> make(std::string consumer) {
    ComponentContext context{.loop = loop_, .app_id = "unused"};
    Metadata metadata{.name = "p", .type = "pubsub.redis", .properties = properties_};
    metadata.properties["consumerID"] = std::move(consumer);
    auto broker = make_redis(metadata, context);
    EXPECT_TRUE(broker);
    auto ready = run_on(loop_, (*broker)->init());
    EXPECT_TRUE(ready) << ready.error().message();
    return std::move(*broker);
  }
  void publish(std::string data) {
    PublishRequest request{.topic = topic_, .data = std::move(data), .metadata = {{"k", "v"}}};
    auto done = run_on(loop_, broker_->publish(std::move(request)));
    ASSERT_TRUE(done) << done.error().message();
  }
  std::unique_ptr<Subscription> subscribe(Broker& broker, Deliver deliver) {
    SubscribeRequest request{.topic = topic_};
    auto made = run_on(loop_, broker.subscribe(std::move(request), std::move(deliver)));
    EXPECT_TRUE(made) << made.error().message();
    return std::move(*made);
  }
  void until(const std::function<bool()>& done) {
    const auto limit = std::chrono::steady_clock::now() + 60s;
    Timer tick([&] { tick.start(5ms); });
    loop_.post([&] { tick.start(5ms); });
    loop_.run_until([&] { return done() || std::chrono::steady_clock::now() > limit; });
    EXPECT_TRUE(done());
  }
  std::size_t pending(const std::string& group) {
    Metadata metadata{.properties = properties_};
    auto options = redis::parse_options(metadata, redis::Block::pubsub);
    auto client = redis::Client::make(std::move(*options));
    run_on(loop_, (*client)->open());
    auto reply = run_on(
        loop_, (*client)->run(redis_stream::list_pending({topic_, group, group}, "-", 1000)));
    const std::size_t count = reply->items.size();
    run_on(loop_, (*client)->close());
    return count;
  }

  Loop loop_;
  Properties properties_;
  std::string topic_;
  std::unique_ptr<Broker> broker_;
};

/// Refuses each message the first `refusals` times.
struct Handler {
  std::vector<std::string> given;
  std::vector<std::string> done;
  std::map<std::string, int> refusals;
  int running = 0;
  int most = 0;

  Task<Result<>> handle(Message message) {
    given.push_back(message.data);
    most = std::max(most, ++running);
    auto slept = co_await sleep_for(1ms);
    --running;
    if (!slept) co_return slept;
    if (refusals[message.data]-- > 0) co_return fail(Code::unknown, "not now");
    EXPECT_EQ(message.metadata["k"], "v");
    done.push_back(message.data);
    co_return Result<>();
  }
  Deliver deliver() {
    return [this](Message message) { return handle(std::move(message)); };
  }
};

TEST_F(RedisBrokerLive, WhatWasPublishedBeforeAndAfterIsDeliveredAndAcknowledged) {
  Handler handler;
  publish("before");
  auto subscription = subscribe(*broker_, handler.deliver());
  publish("after");
  until([&] { return handler.done.size() == 2; });
  EXPECT_EQ(handler.done, (std::vector<std::string>{"before", "after"}));
  run_on(loop_, subscription->close());
  EXPECT_EQ(pending("app"), 0u);
}

TEST_F(RedisBrokerLive, ARefusedMessageIsGivenAgainUntilItIsAccepted) {
  Handler handler;
  handler.refusals["stubborn"] = 2;
  auto subscription = subscribe(*broker_, handler.deliver());
  publish("stubborn");
  publish("easy");
  until([&] { return handler.done.size() == 2; });
  EXPECT_EQ(handler.done.back(), "stubborn");
  EXPECT_EQ(std::ranges::count(handler.given, "stubborn"), 3);
  EXPECT_EQ(std::ranges::count(handler.given, "easy"), 1);
  run_on(loop_, subscription->close());
  EXPECT_EQ(pending("app"), 0u);
}

TEST_F(RedisBrokerLive, AConsumerOfTheSameGroupTakesOverWhatAnotherLeft) {
  Handler first, second;
  first.refusals["left"] = 1000;
  auto other = make("app");
  auto subscription = subscribe(*other, first.deliver());
  publish("left");
  until([&] { return !first.given.empty(); });
  run_on(loop_, subscription->close());
  run_on(loop_, other->close());
  auto next = subscribe(*broker_, second.deliver());
  until([&] { return second.done.size() == 1; });
  run_on(loop_, next->close());
}

TEST_F(RedisBrokerLive, EachGroupGetsEveryMessageAndAGroupSharesThem) {
  Handler alone, one, two;
  auto other = make("other");
  auto twin = make("app");
  std::vector<std::unique_ptr<Subscription>> all;
  all.push_back(subscribe(*other, alone.deliver()));
  all.push_back(subscribe(*broker_, one.deliver()));
  all.push_back(subscribe(*twin, two.deliver()));
  for (int i = 0; i < 50; ++i) publish(std::to_string(i));
  until([&] { return alone.done.size() == 50 && one.done.size() + two.done.size() == 50; });
  for (auto& subscription : all) run_on(loop_, subscription->close());
  run_on(loop_, other->close());
  run_on(loop_, twin->close());
}

TEST_F(RedisBrokerLive, NoMoreMessagesAreInHandThanConfiguredAndOneAtATimeKeepsTheOrder) {
  run_on(loop_, broker_->close());
  properties_["concurrency"] = "1";
  properties_["queueDepth"] = "3";
  broker_ = make("app");
  Handler handler;
  std::vector<std::string> expected;
  for (int i = 0; i < 30; ++i) {
    publish(std::to_string(i));
    expected.push_back(std::to_string(i));
  }
  auto subscription = subscribe(*broker_, handler.deliver());
  until([&] { return handler.done.size() == 30; });
  EXPECT_EQ(handler.most, 1);
  EXPECT_EQ(handler.done, expected);
  run_on(loop_, subscription->close());
}

TEST_F(RedisBrokerLive, AMessageThatTakesTooLongIsGivenAgain) {
  int given = 0;
  const auto slow = [](int* given) -> Task<Result<>> {
    if (++*given > 1) co_return Result<>();
    auto slept = co_await sleep_for(60s);
    co_return slept;
  };
  auto subscription = subscribe(*broker_, [&](Message) { return slow(&given); });
  publish("slow");
  until([&] { return given == 2; });
  run_on(loop_, subscription->close());
  EXPECT_EQ(pending("app"), 0u);
}

TEST_F(RedisBrokerLive, AGroupThatWasDestroyedIsMadeAgain) {
  Handler handler;
  auto subscription = subscribe(*broker_, handler.deliver());
  Metadata metadata{.properties = properties_};
  auto options = redis::parse_options(metadata, redis::Block::pubsub);
  auto client = redis::Client::make(std::move(*options));
  run_on(loop_, (*client)->open());
  auto gone = run_on(loop_, (*client)->run(redis::Command::keyed(topic_, {"DEL", topic_})));
  EXPECT_TRUE(gone);
  run_on(loop_, (*client)->close());
  publish("after");
  until([&] { return handler.done.size() == 1; });
  run_on(loop_, subscription->close());
}

}  // namespace
}  // namespace outrigger::components::pubsub
