#include <latch>
#include <thread>

#include "base/random.h"
#include "tests/conformance/pubsub_conformance.h"

namespace outrigger::components::pubsub {
namespace {

using namespace std::chrono_literals;

TEST_P(PubSubConformance, APublishedMessageIsDelivered) {
  auto& app = open("app");
  Receiver receiver;
  auto subscription = subscribe(app, topic_, receiver);
  EXPECT_TRUE(run_on(loop_, app.broker->ping()));
  ASSERT_TRUE(publish(app, topic_, "hello"));
  reach(receiver, 1);
  EXPECT_EQ(receiver.messages[0].data, "hello");
  EXPECT_EQ(receiver.messages[0].topic, topic_);
  close(subscription);
}

TEST_P(PubSubConformance, MessagesComeInTheOrderOfTheirPublication) {
  auto& app = open("app", {{"concurrency", "1"}});
  Receiver receiver;
  auto subscription = subscribe(app, topic_, receiver);
  publish_all(app, topic_, numbers(300));
  reach(receiver, 300);
  EXPECT_EQ(receiver.data(), numbers(300));
  EXPECT_EQ(receiver.most_running, 1u);
  close(subscription);
}

TEST_P(PubSubConformance, DataMayHaveAnyBytesAndBeEmptyOrLarge) {
  auto& app = open("app", {{"concurrency", "1"}});
  Receiver receiver;
  auto subscription = subscribe(app, topic_, receiver);
  std::string all;
  for (int i = 0; i < 256; ++i) all.push_back(static_cast<char>(i));
  const Texts sent = {"", all, std::string("\0", 1), "{\"a\":", secure_random_bytes(1 << 20)};
  publish_all(app, topic_, sent);
  reach(receiver, sent.size());
  ASSERT_EQ(receiver.messages.size(), sent.size());
  for (std::size_t i = 0; i < sent.size(); ++i) {
    EXPECT_TRUE(receiver.messages[i].data == sent[i])
        << "message " << i << ": " << receiver.messages[i].data.size();
  }
  close(subscription);
}

TEST_P(PubSubConformance, MetadataComesWithTheMessage) {
  auto& app = open("app");
  Receiver receiver;
  auto subscription = subscribe(app, topic_, receiver);
  ASSERT_TRUE(publish(app, topic_, "x", {{"traceparent", "00-1-2-01"}, {"ключ", "a\nb:\"c\""}}));
  reach(receiver, 1);
  const auto& metadata = receiver.messages[0].metadata;
  ASSERT_TRUE(metadata.contains("traceparent"));
  EXPECT_EQ(metadata.at("traceparent"), "00-1-2-01");
  ASSERT_TRUE(metadata.contains("ключ"));
  EXPECT_EQ(metadata.at("ключ"), "a\nb:\"c\"");
  close(subscription);
}

TEST_P(PubSubConformance, TopicsAreKeptApart) {
  auto& app = open("app");
  constexpr int kTopics = 30;
  std::vector<std::unique_ptr<Receiver>> receivers;
  std::vector<std::unique_ptr<Subscription>> subscriptions;
  for (int i = 0; i < kTopics; ++i) {
    receivers.push_back(std::make_unique<Receiver>());
    subscriptions.push_back(subscribe(app, topic_ + std::to_string(i), *receivers.back()));
  }
  for (int i = 0; i < kTopics * 3; ++i) {
    const std::string name = topic_ + std::to_string(i % kTopics);
    ASSERT_TRUE(publish(app, name, name));
  }
  for (int i = 0; i < kTopics; ++i) {
    reach(*receivers[i], 3);
    EXPECT_EQ(receivers[i]->data(), Texts(3, topic_ + std::to_string(i)));
    close(subscriptions[i]);
  }
}

TEST_P(PubSubConformance, PublishersDoNotWaitForDeliveries) {
  auto& app = open("app");
  Receiver slow;
  slow.hold = true;
  auto subscription = subscribe(app, topic_, slow);
  publish_all(app, topic_, numbers(50));
  loop_.post([&slow] {
    slow.hold = false;
    slow.go_on.notify_all();
  });
  wait(slow, [&slow] { return distinct(slow).size() == 50; });
  close(subscription);
}

TEST_P(PubSubConformance, ClosingASubscriptionWaitsForWhatIsBeingHandled) {
  auto& app = open("app");
  Receiver receiver;
  receiver.hold = true;
  auto subscription = subscribe(app, topic_, receiver);
  ASSERT_TRUE(publish(app, topic_, "slow"));
  reach(receiver, 1);
  // Lets go only when the closing has begun.
  bool let_go = false;
  Timer timer([&] {
    let_go = true;
    receiver.hold = false;
    receiver.go_on.notify_all();
  });
  loop_.post([&timer] { timer.start(50ms); });
  close(subscription);
  EXPECT_TRUE(let_go);
  EXPECT_EQ(receiver.running, 0u);
}

TEST_P(PubSubConformance, NothingIsDeliveredAfterTheSubscriptionWasClosed) {
  auto& app = open("app");
  Receiver receiver;
  auto subscription = subscribe(app, topic_, receiver);
  ASSERT_TRUE(publish(app, topic_, "before"));
  reach(receiver, 1);
  close(subscription);
  ASSERT_TRUE(publish(app, topic_, "after"));
  rest();
  EXPECT_EQ(receiver.data(), Texts{"before"});
}

TEST_P(PubSubConformance, AMessagePublishedOnOneLoopReachesASubscriberOfAnother) {
  auto& app = open("app");
  Receiver receiver;
  auto subscription = subscribe(app, topic_, receiver);
  std::thread other([&] {
    Loop loop;
    ComponentContext context{.loop = loop, .app_id = "app", .slot = app.slot};
    Metadata metadata{.name = "events",
                      .type = std::string(GetParam().type),
                      .version = std::string(GetParam().version),
                      .properties = properties_};
    metadata.properties.emplace("consumerID", "app");
    auto broker = GetParam().make(metadata, context);
    ASSERT_TRUE(broker);
    ASSERT_TRUE(run_on(loop, (*broker)->init()));
    for (const auto& text : numbers(20)) {
      PublishRequest request{.topic = topic_, .data = text};
      ASSERT_TRUE(run_on(loop, (*broker)->publish(std::move(request))));
    }
    run_on(loop, (*broker)->close());
  });
  reach(receiver, 20);
  other.join();
  EXPECT_EQ(distinct(receiver).size(), 20u);
  close(subscription);
}

TEST_P(PubSubConformance, ManyPublicationsAtOnceAllArrive) {
  auto& app = open("app");
  Receiver receiver;
  auto subscription = subscribe(app, topic_, receiver);
  std::vector<Task<void>> tasks;
  int failed = 0;
  const auto one = [](Broker* broker, PublishRequest request, int* failures) -> Task<void> {
    auto done = co_await broker->publish(std::move(request));
    if (!done) ++*failures;
  };
  for (const auto& text : numbers(1000)) {
    PublishRequest request{.topic = topic_, .data = text};
    tasks.push_back(one(app.broker.get(), std::move(request), &failed));
  }
  run_on(loop_, run_all(std::move(tasks)));
  EXPECT_EQ(failed, 0);
  wait(receiver, [&receiver] { return distinct(receiver).size() == 1000; });
  close(subscription);
}

TEST_P(PubSubConformance, AFailedDeliveryIsGivenAgain) {
  NEEDS_DURABLE();
  auto& app = open("app");
  Receiver receiver;
  int refusals = 0;
  receiver.refuse = [&refusals](const Message& message) {
    return message.data == "bad" && ++refusals <= 2;
  };
  auto subscription = subscribe(app, topic_, receiver);
  publish_all(app, topic_, {"bad", "good"});
  wait(receiver, [&receiver] { return receiver.messages.size() >= 4; });
  const auto all = receiver.data();
  EXPECT_EQ(std::ranges::count(all, "bad"), 3);
  EXPECT_EQ(std::ranges::count(all, "good"), 1);
  rest(300ms);
  EXPECT_EQ(receiver.messages.size(), 4u) << "what was handled must not come again";
  close(subscription);
}

TEST_P(PubSubConformance, EachGroupGetsACopyAndAGroupSharesItsMessages) {
  NEEDS_DURABLE();
  auto& app1 = open("app-" + topic_);
  auto& app2 = open("app-" + topic_);
  auto& other = open("other-" + topic_);
  Receiver receiver1;
  Receiver receiver2;
  Receiver all;
  auto subscription1 = subscribe(app1, topic_, receiver1);
  auto subscription2 = subscribe(app2, topic_, receiver2);
  auto subscription3 = subscribe(other, topic_, all);
  publish_all(other, topic_, numbers(200));
  reach(all, 200);
  const auto together = [&] { return receiver1.messages.size() + receiver2.messages.size(); };
  const auto until = std::chrono::steady_clock::now() + 60s;
  while (together() < 200 && std::chrono::steady_clock::now() < until) rest(5ms);
  rest();
  EXPECT_EQ(together(), 200u);
  auto seen = distinct(receiver1);
  seen.merge(distinct(receiver2));
  EXPECT_EQ(seen.size(), 200u);
  EXPECT_EQ(distinct(all).size(), 200u);
  close(subscription1);
  close(subscription2);
  close(subscription3);
}

TEST_P(PubSubConformance, WhatWasNotAcknowledgedBeforeClosingGoesToTheNextSubscriber) {
  NEEDS_DURABLE();
  auto& app = open("app");
  Receiver first;
  first.refuse = [](const Message&) { return true; };
  auto subscription = subscribe(app, topic_, first);
  publish_all(app, topic_, numbers(20));
  reach(first, 1);
  close(subscription);
  Receiver second;
  subscription = subscribe(app, topic_, second);
  wait(second, [&second] { return distinct(second).size() == 20; });
  close(subscription);
}

TEST_P(PubSubConformance, WhatIsPublishedWhileAGroupIsAwayIsKeptForIt) {
  NEEDS_DURABLE();
  auto& app = open("app");
  Receiver receiver;
  auto subscription = subscribe(app, topic_, receiver);
  publish_all(app, topic_, {"1"});
  reach(receiver, 1);
  close(subscription);
  close(app);
  publish_all(open("publisher"), topic_, {"2", "3"});
  auto& again = open("app", {{"concurrency", "1"}});
  subscription = subscribe(again, topic_, receiver);
  reach(receiver, 3);
  rest();
  EXPECT_EQ(receiver.data(), (Texts{"1", "2", "3"}));
  close(subscription);
}

TEST_P(PubSubConformance, ABulkPublicationDeliversEveryEntry) {
  auto& app = open("app");
  if (app.broker->bulk_publisher() == nullptr) GTEST_SKIP() << "not an ability of this broker";
  Receiver receiver;
  auto subscription = subscribe(app, topic_, receiver);
  BulkPublishRequest request{.topic = topic_};
  for (const auto& text : numbers(50)) {
    request.entries.push_back({.entry_id = text, .event = text, .content_type = "text/plain"});
  }
  auto failures = run_on(loop_, app.broker->bulk_publisher()->bulk_publish(std::move(request)));
  ASSERT_TRUE(failures) << failures.error().message();
  EXPECT_TRUE(failures->empty());
  wait(receiver, [&receiver] { return distinct(receiver).size() == 50; });
  close(subscription);
}

TEST_P(PubSubConformance, AMessageWhoseTimeIsOverIsNotDelivered) {
  NEEDS_DURABLE();
  auto& app = open("app");
  if (!app.broker->traits().message_ttl) GTEST_SKIP() << "not an ability of this broker";
  Receiver receiver;
  auto subscription = subscribe(app, topic_, receiver);
  close(subscription);
  ASSERT_TRUE(publish(app, topic_, "short", {{"ttlInSeconds", "1"}}));
  ASSERT_TRUE(publish(app, topic_, "long", {{"ttlInSeconds", "100"}}));
  rest(1100ms);
  subscription = subscribe(app, topic_, receiver);
  reach(receiver, 1);
  rest();
  EXPECT_EQ(receiver.data(), Texts{"long"});
  close(subscription);
}

INSTANTIATE_TEST_SUITE_P(Every, PubSubConformance,
                         testing::ValuesIn(kinds().begin(), kinds().end()), [](const auto& info) {
                           return conformance::test_name_of(info.param.type, info.param.version);
                         });

}  // namespace
}  // namespace outrigger::components::pubsub
