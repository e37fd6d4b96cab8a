#include "runtime/actors/stream_grpc.h"

#include <gtest/gtest.h>

#include "dapr/proto/runtime/v1/actors.pb.h"
#include "runtime/actors/fakes_testing.h"
#include "runtime/actors/service_testing.h"

namespace outrigger::runtime::actors {
namespace {

namespace pb = dapr::proto::runtime::v1;
using testing::invocation;
using testing::Side;
using testing::Whole;
using FromApp = pb::SubscribeActorEventsRequestAlpha1;
using ToApp = pb::SubscribeActorEventsResponseAlpha1;

constexpr const char* kDisconnected = "actor host disconnected before responding";

/// The stream as the application's end of it.
class FakeStream final : public net::grpc::ServerStream {
 public:
  Task<Result<std::optional<std::string>>> read() override {
    while (said.empty() && !over) {
      OUT_CO_CHECK(co_await changed.wait());
    }
    if (said.empty()) co_return std::nullopt;
    std::string first = std::move(said.front());
    said.pop_front();
    co_return first;
  }
  Task<Result<>> write(std::string message) override {
    if (broken) co_return fail(Code::unavailable, "as the test says");
    EXPECT_TRUE(heard.emplace_back().ParseFromString(message));
    changed.notify_all();
    co_return Result<>();
  }
  void send_headers() override {}

  void say(std::string bytes) {
    said.push_back(std::move(bytes));
    changed.notify_all();
  }
  void say(const FromApp& message) { say(message.SerializeAsString()); }
  void end() {
    over = true;
    changed.notify_all();
  }
  /// Until so many messages have come, the acknowledgement counted.
  Task<void> comes(std::size_t messages) {
    while (heard.size() < messages) {
      [[maybe_unused]] auto woken = co_await changed.wait();
    }
  }

  std::deque<std::string> said;
  std::vector<ToApp> heard;
  bool over = false;
  bool broken = false;
  Signal changed;
};

FromApp initial(const std::string& type) {
  FromApp message;
  message.mutable_initial_request()->add_entities(type);
  return message;
}
FromApp answer(const std::string& id, const std::string& data = "") {
  FromApp message;
  message.mutable_invoke_response()->set_id(id);
  message.mutable_invoke_response()->set_data(data);
  return message;
}

/// A sidecar of one loop, and one stream to it.
struct World {
  Whole whole;
  std::unique_ptr<Side> side;
  FakeStream stream;
  std::vector<std::string> registered, unregistered;
  std::optional<Error> refusal;
  std::optional<Result<>> ended;
  std::map<std::string, std::string> ends;
  Scope scope;
  Signal changed;

  Task<Result<>> add(AppConfig config) {
    if (refusal) co_return fail(*refusal);
    registered = config.entities;
    co_return Result<>();
  }
  Task<void> remove(std::vector<std::string> types) {
    unregistered = std::move(types);
    co_return;
  }
  Task<void> serve() {
    auto result = co_await serve_actor_events(side->actors, stream);
    ended.emplace(std::move(result));
  }
  /// Notes what was answered, or the error.
  Task<void> call(std::string method) { return make(invocation("1", std::move(method))); }
  Task<void> make(InvocationPtr call) {
    auto reply = co_await side->actors.stream_callbacks().invoke(call, "");
    ends[call->request.method] = reply ? reply->body.whole : reply.error().message();
    changed.notify_all();
  }
  Task<void> comes(std::string method) {
    while (!ends.contains(method)) {
      [[maybe_unused]] auto woken = co_await changed.wait();
    }
  }
  /// A stream on which calls can be made.
  Task<void> open() {
    stream.say(initial("cat"));
    scope.spawn(serve());
    co_await stream.comes(1);
    EXPECT_TRUE(stream.heard[0].has_initial_response());
  }
  template <class Work>
  void play(Work work) {
    run(play_task(std::move(work)));
  }
  template <class Work>
  Task<bool> play_task(Work work) {
    side = std::make_unique<Side>(whole.settings());
    side->actors.set_registration([this](AppConfig config) { return add(std::move(config)); },
                                  [this](auto types) { return remove(std::move(types)); });
    co_await work(*this);
    stream.end();
    co_await scope.join();
    EXPECT_EQ(whole.streams.newest().stream, nullptr);
    co_await side->close();
    side.reset();
    co_return true;
  }
};

TEST(ActorStream, ACallGoesOutWithAnIdAndItsAnswerComesBack) {
  World world;
  world.play([](World& w) -> Task<void> {
    co_await w.open();
    w.scope.spawn(w.call("first"));
    w.scope.spawn(w.call("second"));
    co_await w.stream.comes(3);
    EXPECT_EQ(w.stream.heard[1].invoke_request().method(), "first");
    w.stream.say(answer(w.stream.heard[2].invoke_request().id(), "two"));
    co_await w.comes("second");
    w.stream.say(answer(w.stream.heard[1].invoke_request().id(), "one"));
    co_await w.comes("first");
    EXPECT_EQ(w.ends["first"], "one");
    EXPECT_EQ(w.ends["second"], "two");
  });
  EXPECT_EQ(world.registered, std::vector<std::string>{"cat"});
  EXPECT_EQ(world.unregistered, std::vector<std::string>{"cat"});
  EXPECT_TRUE(*world.ended);
}

std::map<std::string, std::string> metadata_of_call(net::Headers metadata,
                                                    std::string_view traceparent,
                                                    std::string state = "") {
  std::map<std::string, std::string> seen;
  World world;
  world.play([&](World& w) -> Task<void> {
    co_await w.open();
    auto call = std::make_shared<Invocation>();
    call->actor = {"cat", "1"};
    call->request.method = "m";
    call->request.metadata = std::move(metadata);
    call->trace = telemetry::from_headers(traceparent, state);
    w.scope.spawn(w.make(call));
    co_await w.stream.comes(2);
    const auto& request = w.stream.heard[1].invoke_request();
    seen.insert(request.metadata().begin(), request.metadata().end());
    w.stream.say(answer(request.id()));
    co_await w.comes("m");
  });
  return seen;
}

TEST(ActorStream, ACallOnItBelongsToTheTraceOfItsCaller) {
  using Seen = std::map<std::string, std::string>;
  constexpr std::string_view kCaller = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  constexpr std::string_view kSpan = "00-0af7651916cd43dd8448eb211c80319c-0001020304050607-01";
  const std::string caller(kCaller);
  const std::string span(kSpan);
  // Of HTTP, whose names upstream hands on as they are.
  EXPECT_EQ(metadata_of_call({{"Traceparent", kCaller},
                              {"Tracestate", "a=1"},
                              {"Tracestate", "b=2"},
                              {"Baggage", "c=3"},
                              {"Baggage", "d=4"},
                              {"X-Mine", "1"},
                              {"X-Mine", "2"}},
                             kSpan, "a=1,b=2"),
            (Seen{{"Traceparent", span},
                  {"traceparent", span},
                  {"Tracestate", "a=1,b=2"},
                  {"tracestate", "a=1,b=2"},
                  {"Baggage", "c=3,d=4"},
                  {"baggage", "c=3,d=4"},
                  {"X-Mine", "1"}}));
  EXPECT_EQ(metadata_of_call({{"traceparent", kCaller}}, kSpan), (Seen{{"traceparent", span}}));
  EXPECT_EQ(metadata_of_call({}, kSpan), (Seen{{"traceparent", span}}));
  // Without tracing the caller's own goes on.
  EXPECT_EQ(metadata_of_call({{"traceparent", kCaller}, {"tracestate", "a=1"}}, ""),
            (Seen{{"traceparent", caller}, {"tracestate", "a=1"}}));
  EXPECT_EQ(metadata_of_call({}, ""), Seen());
}

TEST(ActorStream, WhatCannotBeReadEndsItAndNoCallWaitsOn) {
  World world;
  world.play([](World& w) -> Task<void> {
    co_await w.open();
    w.scope.spawn(w.call("first"));
    w.scope.spawn(w.call("second"));
    w.stream.say(std::string("\xff\xff"));
    co_await w.scope.join();
    EXPECT_EQ(w.ends["first"], kDisconnected);
    EXPECT_EQ(w.ends["second"], kDisconnected);
    EXPECT_EQ(w.ended->error().code(), Code::internal);
    EXPECT_EQ(w.ended->error().message(),
              "grpc: failed to unmarshal the received message: proto: cannot parse invalid "
              "wire-format data");
  });
  EXPECT_EQ(world.unregistered, std::vector<std::string>{"cat"});
}

TEST(ActorStream, AnAnswerToACallThatWasNeverMadeEndsIt) {
  for (const char* id : {"", "0", "2", "-1", "1x", "99999999999999999999"}) {
    World world;
    world.play([id](World& w) -> Task<void> {
      co_await w.open();
      w.scope.spawn(w.call("m"));
      w.stream.say(answer(id));
      co_await w.scope.join();
      EXPECT_EQ(w.ends["m"], kDisconnected) << id;
      EXPECT_EQ(w.ended->error().code(), Code::invalid_argument) << id;
    });
  }
}

TEST(ActorStream, AnAnswerThatComesTooLateOrTwiceHarmsNobody) {
  World world;
  world.play([](World& w) -> Task<void> {
    co_await w.open();
    Cancellation impatient;
    w.scope.spawn(w.call("gives-up"), impatient);
    co_await w.stream.comes(2);
    impatient.request();
    co_await w.comes("gives-up");
    w.scope.spawn(w.call("next"));
    co_await w.stream.comes(3);
    const std::string id = w.stream.heard[2].invoke_request().id();
    w.stream.say(answer(w.stream.heard[1].invoke_request().id(), "late"));
    w.stream.say(answer(id, "once"));
    w.stream.say(answer(id, "twice"));
    co_await w.comes("next");
    EXPECT_EQ(w.ends["next"], "once");
    EXPECT_FALSE(w.ended);
  });
  EXPECT_TRUE(*world.ended);
}

TEST(ActorStream, WhatIsNoAnswerIsPassedOver) {
  World world;
  world.play([](World& w) -> Task<void> {
    co_await w.open();
    w.scope.spawn(w.call("m"));
    co_await w.stream.comes(2);
    w.stream.say(initial("dog"));
    w.stream.say(FromApp());
    w.stream.say(answer("1", "good"));
    co_await w.comes("m");
    EXPECT_EQ(w.ends["m"], "good");
  });
  EXPECT_EQ(world.registered, std::vector<std::string>{"cat"});
}

TEST(ActorStream, AnAnswerOfAnotherKindIsAnErrorOfThatCall) {
  World world;
  world.play([](World& w) -> Task<void> {
    co_await w.open();
    w.scope.spawn(w.call("m"));
    co_await w.stream.comes(2);
    FromApp wrong;
    wrong.mutable_timer_response()->set_id("1");
    w.stream.say(wrong);
    co_await w.comes("m");
    EXPECT_EQ(w.ends["m"], "actor host returned an unexpected response type for invoke");
    EXPECT_FALSE(w.ended);
  });
}

TEST(ActorStream, ItsEndAnswersTheCallsInIt) {
  World world;
  world.play([](World& w) -> Task<void> {
    co_await w.open();
    w.scope.spawn(w.call("m"));
    co_await w.stream.comes(2);
    w.stream.end();
    co_await w.scope.join();
    EXPECT_EQ(w.ends["m"], kDisconnected);
    EXPECT_TRUE(*w.ended);
    co_await w.call("later");
    EXPECT_EQ(w.ends["later"], "actor host is not connected");
  });
}

TEST(ActorStream, AnApplicationThatTakesNoMoreCallsIsGone) {
  World world;
  world.play([](World& w) -> Task<void> {
    co_await w.open();
    w.stream.broken = true;
    w.scope.spawn(w.call("m"));
    co_await w.scope.join();
    EXPECT_EQ(w.ends["m"], kDisconnected);
    EXPECT_TRUE(w.ended);
  });
}

TEST(ActorStream, WithoutAProperBeginningNothingIsRegistered) {
  World world;
  world.play([](World& w) -> Task<void> {
    w.stream.say(answer("1"));
    co_await w.serve();
    EXPECT_EQ(w.ended->error().code(), Code::invalid_argument);
    w.stream.say(std::string("\xff"));
    co_await w.serve();
    EXPECT_EQ(w.ended->error().code(), Code::internal);
    w.refusal = Error(Code::invalid_argument, "bad duration");
    w.stream.say(initial("cat"));
    co_await w.serve();
    EXPECT_EQ(w.ended->error().message(), "failed to register hosted actors: bad duration");
    EXPECT_TRUE(w.stream.heard.empty());
  });
  EXPECT_TRUE(world.unregistered.empty());
}

}  // namespace
}  // namespace outrigger::runtime::actors
