#include <gtest/gtest.h>

#include "base/scope.h"
#include "dapr/proto/runtime/v1/appcallback.pb.h"
#include "dapr/proto/runtime/v1/pubsub.pb.h"
#include "runtime/pubsub/fakes_testing.h"
#include "runtime/pubsub/stream_grpc.h"
#include "runtime/pubsub/subscriber.h"

namespace outrigger::pubsub {
namespace {

namespace rt = ::dapr::proto::runtime::v1;
namespace brokers = components::pubsub;

class FakeStream final : public net::grpc::ServerStream {
 public:
  Queue<std::string> in{100};
  std::vector<rt::SubscribeTopicEventsResponseAlpha1> out;
  Signal wrote;
  std::optional<Error> write_error;

  Task<Result<std::optional<std::string>>> read() override { return in.pop(); }
  Task<Result<>> write(std::string message) override {
    if (write_error) co_return fail(*write_error);
    rt::SubscribeTopicEventsResponseAlpha1 parsed;
    EXPECT_TRUE(parsed.ParseFromString(message));
    out.push_back(std::move(parsed));
    wrote.notify_all();
    co_return Result<>();
  }
  void send_headers() override {}

  void begin(std::string pubsub, std::string topic) {
    rt::SubscribeTopicEventsRequestAlpha1 message;
    message.mutable_initial_request()->set_pubsub_name(std::move(pubsub));
    message.mutable_initial_request()->set_topic(std::move(topic));
    EXPECT_TRUE(in.try_push(message.SerializeAsString()));
  }
  void answer(std::string id, rt::TopicEventResponse::TopicEventResponseStatus status) {
    rt::SubscribeTopicEventsRequestAlpha1 message;
    message.mutable_event_processed()->set_id(std::move(id));
    message.mutable_event_processed()->mutable_status()->set_status(status);
    EXPECT_TRUE(in.try_push(message.SerializeAsString()));
  }
};

struct World {
  Loop loop;
  Service service{{.app_id = "app"}};
  Subscriber subscriber{service};
  FakeBroker* broker = nullptr;
  FakeStream stream;
  std::optional<Result<>> ended;
  std::vector<Result<>> given;
  Scope scope;

  explicit World(Properties properties = {}) {
    auto made = std::make_unique<FakeBroker>();
    broker = made.get();
    service.add(open_fake("pubsub", std::move(made), std::move(properties)));
  }
  static Task<void> serve(World* self) {
    auto ended = co_await subscribe_stream(self->subscriber, self->stream);
    self->ended = std::move(ended);
  }
  static Task<void> give(World* self, std::string id) {
    brokers::Message message;
    message.topic = "orders";
    message.data = R"({"id":")" + id + R"(","type":"t"})";
    auto handled = co_await self->broker->give(std::move(message));
    self->given.push_back(std::move(handled));
  }
  // Lets what is scheduled run.
  static Task<void> settle() {
    for (int i = 0; i < 10; ++i) {
      [[maybe_unused]] const auto slept = co_await sleep_for(Duration(0));
    }
  }
  static Task<void> whole(World* self, Task<void> (*steps)(World*)) {
    self->scope.spawn(serve(self));
    co_await settle();
    co_await steps(self);
    co_await self->subscriber.shut_down();
    self->stream.in.close();
    co_await self->scope.join();
  }
  void play(Task<void> (*steps)(World*)) { run_on(loop, whole(this, steps)); }
};

TEST(StreamSubscription, AnswersTheInitialRequestThenSendsEvents) {
  World world;
  world.stream.begin("pubsub", "orders");
  world.play([](World* w) -> Task<void> {
    EXPECT_EQ(w->stream.out.size(), 1U);
    EXPECT_TRUE(w->stream.out[0].has_initial_response());
    EXPECT_EQ(w->subscriber.streams().size(), 1U);
    w->scope.spawn(World::give(w, "a"));
    w->scope.spawn(World::give(w, "b"));
    w->scope.spawn(World::give(w, "c"));
    co_await World::settle();
    EXPECT_EQ(w->stream.out.size(), 4U);
    EXPECT_EQ(w->stream.out[1].event_message().id(), "a");
    EXPECT_EQ(w->stream.out[1].event_message().path(), "/");
    EXPECT_TRUE(w->given.empty());
    w->stream.answer("b", rt::TopicEventResponse::RETRY);
    w->stream.answer("nobody", rt::TopicEventResponse::SUCCESS);
    w->stream.answer("a", rt::TopicEventResponse::SUCCESS);
    w->stream.answer("c", rt::TopicEventResponse::DROP);
    co_await World::settle();
    EXPECT_EQ(w->given.size(), 3U);
    EXPECT_FALSE(w->given[0]);
    EXPECT_TRUE(w->given[1]);
    EXPECT_TRUE(w->given[2]);
    w->stream.in.close();
    co_await World::settle();
    EXPECT_TRUE(w->ended && !w->ended->has_value());
    EXPECT_EQ(w->ended->error().message(), "EOF");
    EXPECT_TRUE(w->broker->delivers.empty());
    EXPECT_TRUE(w->subscriber.streams().empty());
  });
}

TEST(StreamSubscription, TheSameEventTwiceTakesTwoAnswers) {
  World world;
  world.stream.begin("pubsub", "orders");
  world.play([](World* w) -> Task<void> {
    w->scope.spawn(World::give(w, "a"));
    w->scope.spawn(World::give(w, "a"));
    w->stream.answer("a", rt::TopicEventResponse::SUCCESS);
    co_await World::settle();
    EXPECT_EQ(w->given.size(), 1U);
    w->stream.answer("a", rt::TopicEventResponse::SUCCESS);
    co_await World::settle();
    EXPECT_EQ(w->given.size(), 2U);
  });
}

TEST(StreamSubscription, WhatIsNotAnsweredWhenTheClientGoesIsGivenAgain) {
  World world;
  world.stream.begin("pubsub", "orders");
  world.play([](World* w) -> Task<void> {
    w->scope.spawn(World::give(w, "a"));
    co_await World::settle();
    w->stream.in.close();
    co_await World::settle();
    EXPECT_EQ(w->given.size(), 1U);
    EXPECT_FALSE(w->given[0]);
    EXPECT_TRUE(w->ended.has_value());
  });
}

TEST(StreamSubscription, AClientThatBreaksOffLeavesNothingBehind) {
  World world;
  world.stream.begin("pubsub", "orders");
  world.play([](World* w) -> Task<void> {
    w->scope.spawn(World::give(w, "a"));
    co_await World::settle();
    // As the server does when the connection is gone: everything of the stream is cancelled.
    w->scope.cancel();
    co_await World::settle();
    EXPECT_TRUE(w->ended && !w->ended->has_value());
    EXPECT_TRUE(w->broker->delivers.empty());
  });
}

TEST(StreamSubscription, ShutdownWaitsForAnswers) {
  World world;
  world.stream.begin("pubsub", "orders");
  world.play([](World* w) -> Task<void> {
    struct Shut {
      static Task<void> down(World* w, bool* done) {
        co_await w->subscriber.shut_down();
        *done = true;
      }
    };
    w->scope.spawn(World::give(w, "a"));
    co_await World::settle();
    bool done = false;
    w->scope.spawn(Shut::down(w, &done));
    co_await World::settle();
    EXPECT_FALSE(done);
    EXPECT_FALSE(w->ended);
    w->stream.answer("a", rt::TopicEventResponse::SUCCESS);
    co_await World::settle();
    EXPECT_TRUE(done);
    EXPECT_TRUE(w->given.at(0));
    EXPECT_TRUE(w->ended && !w->ended->has_value());
    EXPECT_EQ(w->ended->error().message(), "stream closed");
  });
}

TEST(StreamSubscription, ShutdownDoesNotWaitForAStreamThatHasSaidNothing) {
  World world;
  world.play([](World* w) -> Task<void> {
    EXPECT_FALSE(w->ended);
    co_await w->subscriber.shut_down();
    co_await World::settle();
    EXPECT_TRUE(w->ended && !w->ended->has_value());
    EXPECT_EQ(w->ended->error().code(), Code::unknown);
    EXPECT_EQ(w->ended->error().message(), "api server closed");
  });
}

TEST(StreamSubscription, AStreamThatEndsWithoutAWordEndsAsUpstreamsDoes) {
  World world;
  world.stream.in.close();
  world.play([](World*) -> Task<void> { co_return; });
  ASSERT_TRUE(world.ended && !world.ended->has_value());
  EXPECT_EQ(world.ended->error().message(), "EOF");
}

TEST(StreamSubscription, AStreamOpenedAfterTheShutdownEndsAtOnce) {
  World world;
  world.play([](World* w) -> Task<void> {
    co_await w->subscriber.shut_down();
    w->ended.reset();
    w->scope.spawn(World::serve(w));
    co_await World::settle();
    EXPECT_TRUE(w->ended && !w->ended->has_value());
  });
}

TEST(StreamSubscription, OutlivesItsComponentsReload) {
  World world;
  world.stream.begin("pubsub", "orders");
  world.play([](World* w) -> Task<void> {
    co_await w->subscriber.suspend("pubsub");
    EXPECT_TRUE(w->broker->delivers.empty());
    EXPECT_FALSE(w->ended);
    co_await w->subscriber.resume("pubsub");
    EXPECT_TRUE(w->broker->delivers.contains("orders"));
    w->scope.spawn(World::give(w, "a"));
    co_await World::settle();
    w->stream.answer("a", rt::TopicEventResponse::SUCCESS);
    co_await World::settle();
    EXPECT_TRUE(w->given.at(0));
  });
}

struct Refusal {
  std::string_view pubsub, topic, message;
};

TEST(StreamSubscription, RefusesRequestsInUpstreamsWords) {
  const Refusal cases[] = {
      {"", "orders", "pubsubName is required"},
      {"pubsub", "", "topic is required"},
      {"other", "orders", "pubsub other is not found"},
      {"pubsub", "secret",
       "failed to create subscription for pubsub: subscription to topic 'secret' on pubsub "
       "'pubsub' is not allowed"},
  };
  for (const Refusal& each : cases) {
    World world({{"protectedTopics", "secret"}});
    world.stream.begin(std::string(each.pubsub), std::string(each.topic));
    world.play([](World*) -> Task<void> { co_return; });
    ASSERT_TRUE(world.ended && !world.ended->has_value());
    EXPECT_EQ(world.ended->error().message(), each.message);
    EXPECT_TRUE(world.stream.out.empty());
  }
}

TEST(StreamSubscription, RefusesAStreamThatBreaksTheRules) {
  World second;
  second.stream.begin("pubsub", "orders");
  second.stream.begin("pubsub", "orders");
  second.play([](World*) -> Task<void> { co_return; });
  ASSERT_TRUE(second.ended && !second.ended->has_value());
  EXPECT_EQ(second.ended->error().message(), "duplicate initial request received");

  World early;
  early.stream.answer("a", rt::TopicEventResponse::SUCCESS);
  early.play([](World*) -> Task<void> { co_return; });
  ASSERT_TRUE(early.ended && !early.ended->has_value());
  EXPECT_EQ(early.ended->error().message(), "initial request is required");

  World garbage;
  EXPECT_TRUE(garbage.stream.in.try_push("\xff\xff garbage"));
  garbage.play([](World*) -> Task<void> { co_return; });
  ASSERT_TRUE(garbage.ended && !garbage.ended->has_value());
  EXPECT_EQ(garbage.ended->error().code(), Code::internal);
}

TEST(StreamSubscription, AnEventThatCannotBeSentIsGivenAgain) {
  World world;
  world.stream.begin("pubsub", "orders");
  world.play([](World* w) -> Task<void> {
    w->stream.write_error = Error(Code::unavailable, "gone");
    w->scope.spawn(World::give(w, "a"));
    co_await World::settle();
    EXPECT_FALSE(w->given.at(0));
  });
}

}  // namespace
}  // namespace outrigger::pubsub
