#include <gtest/gtest.h>

#include "base/log.h"
#include "components/pubsub/receiver_testing.h"
#include "components/pubsub/registry.h"

namespace outrigger::components::pubsub {

Result<std::unique_ptr<Broker>> make_in_memory(const Metadata& metadata, ComponentContext& context);

namespace {

using namespace std::chrono_literals;

class InMemoryPubSub : public testing::Test {
 protected:
  std::unique_ptr<Broker> make() {
    ComponentContext context{.loop = loop_, .app_id = "app", .slot = shared_};
    auto made = make_in_memory({.name = "events", .type = "pubsub.in-memory"}, context);
    return made ? std::move(*made) : nullptr;
  }
  std::unique_ptr<Subscription> subscribe(std::string topic, Receiver& receiver) {
    SubscribeRequest request{.topic = std::move(topic)};
    auto made = run_on(loop_, broker_->subscribe(std::move(request), receiver.deliver()));
    return made ? std::move(*made) : nullptr;
  }
  Result<> publish(std::string topic, std::string data, Properties metadata = {}) {
    PublishRequest request{
        .topic = std::move(topic), .data = std::move(data), .metadata = std::move(metadata)};
    return run_on(loop_, broker_->publish(std::move(request)));
  }
  void reach(Receiver& receiver, std::size_t count) {
    auto enough = [&receiver, count] { return receiver.messages.size() >= count; };
    EXPECT_TRUE(run_on(loop_, Receiver::until(&receiver, enough)));
  }
  /// On the loop, once it runs.
  void release(Receiver& receiver) {
    loop_.post([&receiver] {
      receiver.hold = false;
      receiver.go_on.notify_all();
    });
  }
  /// Lets everything happen that does not wait for time.
  void turn() {
    bool over = false;
    loop_.post([&] { loop_.post([&] { loop_.post([&] { over = true; }); }); });
    loop_.run_until([&] { return over; });
  }
  void close(std::unique_ptr<Subscription>& subscription) {
    run_on(loop_, subscription->close());
    subscription.reset();
  }

  Loop loop_;
  std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
  std::unique_ptr<Broker> broker_ = make();
};

using Texts = std::vector<std::string>;

TEST_F(InMemoryPubSub, EverySubscriptionGetsEveryMessageInOrder) {
  Receiver one;
  Receiver two;
  auto first = subscribe("orders", one);
  auto second = subscribe("orders", two);
  for (const auto* text : {"a", "b", "c"}) ASSERT_TRUE(publish("orders", text));
  reach(one, 3);
  reach(two, 3);
  EXPECT_EQ(one.data(), (Texts{"a", "b", "c"}));
  EXPECT_EQ(two.data(), (Texts{"a", "b", "c"}));
  close(first);
  close(second);
}

TEST_F(InMemoryPubSub, MetadataArrivesAndTheTopicIsTheSubscriptions) {
  Receiver receiver;
  auto subscription = subscribe("topic*", receiver);
  ASSERT_TRUE(publish("topic1", "x", {{"test", "value"}}));
  reach(receiver, 1);
  EXPECT_EQ(receiver.messages[0].metadata, (Properties{{"test", "value"}}));
  EXPECT_EQ(receiver.messages[0].topic, "topic*");
  EXPECT_EQ(receiver.messages[0].content_type, std::nullopt);
  close(subscription);
}

TEST_F(InMemoryPubSub, AStarAtTheEndStandsForOneOrMoreCharacters) {
  Receiver receiver;
  auto subscription = subscribe("topic*", receiver);
  for (const auto* topic : {"topic", "mytopic", "topi", "topic1", "topicX/y", "topic*", "a"}) {
    ASSERT_TRUE(publish(topic, topic));
  }
  reach(receiver, 3);
  EXPECT_EQ(receiver.data(), (Texts{"topic1", "topicX/y", "topic*"}));
  close(subscription);
}

TEST_F(InMemoryPubSub, AStarElsewhereIsAnOrdinaryCharacter) {
  Receiver receiver;
  auto subscription = subscribe("a*b", receiver);
  ASSERT_TRUE(publish("axb", "no"));
  ASSERT_TRUE(publish("a*b", "yes"));
  reach(receiver, 1);
  EXPECT_EQ(receiver.data(), (Texts{"yes"}));
  close(subscription);
}

TEST_F(InMemoryPubSub, PublishersDoNotWaitForDeliveries) {
  Receiver slow;
  slow.hold = true;
  auto subscription = subscribe("orders", slow);
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(publish("orders", std::to_string(i)));
  EXPECT_EQ(slow.messages.size(), 1u);
  release(slow);
  reach(slow, 100);
  close(subscription);
}

TEST_F(InMemoryPubSub, AFailedDeliveryIsLoggedAndTheNextMessageFollows) {
  const LogCapture logged;
  Receiver receiver;
  receiver.refuse = [](const Message&) { return true; };
  auto subscription = subscribe("orders", receiver);
  ASSERT_TRUE(publish("orders", "1"));
  ASSERT_TRUE(publish("orders", "2"));
  reach(receiver, 2);
  close(subscription);
  EXPECT_EQ(receiver.data(), (Texts{"1", "2"}));
  EXPECT_TRUE(logged.contains("the app has no time")) << logged.text();
}

TEST_F(InMemoryPubSub, ClosingDeliversWhatWasPublishedBefore) {
  Receiver receiver;
  receiver.hold = true;
  auto subscription = subscribe("orders", receiver);
  for (const auto* text : {"a", "b", "c"}) ASSERT_TRUE(publish("orders", text));
  reach(receiver, 1);
  release(receiver);
  close(subscription);
  EXPECT_EQ(receiver.data(), (Texts{"a", "b", "c"}));
  ASSERT_TRUE(publish("orders", "nobody listens"));
  EXPECT_EQ(receiver.messages.size(), 3u);
}

Task<Result<>> as_result(Task<void> task) {
  co_await std::move(task);
  co_return Result<>();
}

TEST_F(InMemoryPubSub, AClosingThatIsCancelledEndsTheDeliveryAndSaysWhatWasLost) {
  const LogCapture logged;
  Receiver receiver;
  receiver.hold = true;
  auto subscription = subscribe("orders", receiver);
  for (const auto* text : {"a", "b", "c"}) ASSERT_TRUE(publish("orders", text));
  reach(receiver, 1);
  [[maybe_unused]] auto closed =
      run_on(loop_, with_timeout(as_result(subscription->close()), 10ms));
  subscription.reset();
  EXPECT_EQ(receiver.data(), (Texts{"a"}));
  EXPECT_TRUE(logged.contains("dropped 2 messages of topic orders")) << logged.text();
}

Task<void> publish_many(Broker* broker, int count, int* published) {
  for (int i = 0; i < count; ++i) {
    PublishRequest request{.topic = "orders", .data = std::string(1 << 20, 'x')};
    auto done = co_await broker->publish(std::move(request));
    if (!done) co_return;
    ++*published;
  }
}

TEST_F(InMemoryPubSub, ASubscriberThatIsFarBehindMakesPublishersWait) {
  Receiver slow;
  slow.hold = true;
  auto subscription = subscribe("orders", slow);
  int published = 0;
  Scope scope;
  loop_.post([&] { scope.spawn(publish_many(broker_.get(), 100, &published)); });
  reach(slow, 1);
  // Until the publisher gets no further.
  for (int before = -1; before != published;) {
    before = published;
    turn();
  }
  // 32 MiB wait, and what was taken before.
  EXPECT_LT(published, 66);
  EXPECT_GT(published, 31);
  release(slow);
  reach(slow, 100);
  run_on(loop_, scope.join());
  EXPECT_EQ(published, 100);
  close(subscription);
}

TEST_F(InMemoryPubSub, AMessageReachesSubscribersOfOtherLoops) {
  Loops loops(2);
  loops.start();
  Receiver receiver;
  auto there = make();
  std::move_only_function<Task<Result<std::unique_ptr<Subscription>>>()> join = [&] {
    return there->subscribe({.topic = "orders"}, receiver.deliver());
  };
  auto subscription = run_on(loop_, call_on(loops[1], std::move(join)));
  ASSERT_TRUE(subscription);
  for (int i = 0; i < 500; ++i) ASSERT_TRUE(publish("orders", std::to_string(i)));
  // Closing delivers what is there.
  std::move_only_function<Task<Result<>>()> leave = [&] {
    return as_result((*subscription)->close());
  };
  ASSERT_TRUE(run_on(loop_, call_on(loops[1], std::move(leave))));
  ASSERT_EQ(receiver.messages.size(), 500u);
  EXPECT_EQ(receiver.messages[499].data, "499");
  loops.stop_and_join();
}

TEST_F(InMemoryPubSub, AClosedComponentTakesNothing) {
  run_on(loop_, broker_->close());
  auto published = publish("orders", "late");
  ASSERT_FALSE(published);
  EXPECT_EQ(published.error().code(), Code::failed_precondition);
  EXPECT_EQ(published.error().message(), "component is closed");
  Receiver receiver;
  EXPECT_EQ(subscribe("orders", receiver), nullptr);
}

TEST_F(InMemoryPubSub, ItsFeaturesAreUpstreams) {
  EXPECT_EQ(features(*broker_), (Texts{"SUBSCRIBE_WILDCARDS"}));
}

}  // namespace
}  // namespace outrigger::components::pubsub
