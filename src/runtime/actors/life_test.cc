#include "runtime/actors/life.h"

#include <gtest/gtest.h>

#include "runtime/actors/errors.h"
#include "runtime/actors/fakes_testing.h"

namespace outrigger::runtime::actors {
namespace {

using namespace std::chrono_literals;
using testing::FakeApp;
using testing::invocation;

struct World {
  explicit World(Duration limit = 30s, const resiliency::Policies* policies = nullptr) {
    Life::Settings settings;
    settings.deactivation_limit = limit;
    settings.policies = policies;
    life = std::make_unique<Life>(settings, metrics);
  }
  void host(std::string type, TypeSettings settings = {}) { life->add_type(type, settings, &app); }
  /// Notes how the call ended: "ok", "closed" or the message.
  Task<void> call(InvocationPtr call) {
    auto reply = co_await life->call(call);
    std::string end = "ok";
    if (!reply) end = is_closed(reply.error()) ? "closed" : reply.error().message();
    ends[call->request.method] = end;
    ended.notify_all();
  }
  Task<void> wait_end(std::string method) {
    while (!ends.contains(method)) {
      [[maybe_unused]] auto woken = co_await ended.wait();
    }
  }
  Task<void> wait_deactivated(std::string key) {
    while (std::ranges::find(app.seen, "deactivate " + key) == app.seen.end()) {
      [[maybe_unused]] auto woken = co_await app.told.wait();
    }
  }
  template <class Work>
  void play(Work work) {
    run(play_task(std::move(work)));
  }
  template <class Work>
  Task<bool> play_task(Work work) {
    co_await work(*this);
    co_await life->close();
    co_await scope.join();
    co_return true;
  }

  telemetry::Registry registry{telemetry::RegistryOptions{.app_id = "me"}};
  ActorMetrics metrics{registry};
  FakeApp app;
  std::unique_ptr<Life> life;
  Scope scope;
  std::map<std::string, std::string> ends;
  Signal ended;  ///< One of the calls has.
};

TEST(Life, OneTurnAtATimeInAnActorAndManyActorsAtOnce) {
  World world;
  world.host("cat");
  world.app.holding = {"slow"};
  world.play([](World& w) -> Task<void> {
    w.scope.spawn(w.call(invocation("1", "slow")));
    w.scope.spawn(w.call(invocation("1", "next")));
    w.scope.spawn(w.call(invocation("2", "other")));
    EXPECT_EQ(w.ends, (std::map<std::string, std::string>{{"other", "ok"}}));
    w.app.release("slow");
    co_await w.scope.join();
    EXPECT_EQ(w.ends.size(), 3U);
    EXPECT_EQ(w.app.most, 1);
    EXPECT_EQ(w.life->counts().front().actors, 2U);
  });
  EXPECT_EQ(world.app.seen.back().substr(0, 10), "deactivate");
}

TEST(Life, AReentrantCallSharesTheTurnUpToTheDepth) {
  World world;
  world.host("cat", TypeSettings{1h, true, 2});
  world.app.holding = {"outer", "inner"};
  world.play([](World& w) -> Task<void> {
    w.scope.spawn(w.call(invocation("1", "outer", "chain")));
    w.scope.spawn(w.call(invocation("1", "inner", "chain")));
    w.scope.spawn(w.call(invocation("1", "deepest", "chain")));
    EXPECT_EQ(w.app.most, 2);
    EXPECT_EQ(w.ends["deepest"], "maximum stack depth exceeded");
    w.app.release("outer");
    w.app.release("inner");
    co_await w.scope.join();
    EXPECT_EQ(w.ends["outer"], "ok");
    EXPECT_EQ(w.ends["inner"], "ok");
  });
}

TEST(Life, AReentrantTypeGetsAnIdIfTheCallHasNone) {
  World world;
  world.host("cat", TypeSettings{1h, true, 2});
  world.play([](World& w) -> Task<void> {
    co_await w.call(invocation("1", "m"));
    co_await w.call(invocation("1", "n", "mine"));
  });
  ASSERT_EQ(world.app.ids.size(), 2U);
  EXPECT_EQ(world.app.ids[0].size(), 36U);
  EXPECT_EQ(world.app.ids[1], "mine");
}

TEST(Life, IdsMeanNothingToATypeThatIsNotReentrant) {
  World world;
  world.host("cat");
  world.app.holding = {"outer"};
  world.play([](World& w) -> Task<void> {
    w.scope.spawn(w.call(invocation("1", "outer", "chain")));
    w.scope.spawn(w.call(invocation("1", "inner", "chain")));
    EXPECT_EQ(w.app.most, 1);
    EXPECT_EQ(w.app.ids.front(), "");
    w.app.release("outer");
    co_await w.scope.join();
  });
}

TEST(Life, AnIdleActorIsDeactivatedAndABusyOneIsNot) {
  World world;
  world.host("cat", TypeSettings{20ms, false, 32});
  world.app.holding = {"long"};
  world.play([](World& w) -> Task<void> {
    w.scope.spawn(w.call(invocation("busy", "long")));
    co_await w.call(invocation("idle", "m"));
    co_await w.wait_deactivated("cat||idle");
    EXPECT_FALSE(w.life->is_active({"cat", "idle"}));
    EXPECT_TRUE(w.life->is_active({"cat", "busy"}));
    w.app.release("long");
    co_await w.scope.join();
    EXPECT_EQ(w.ends["long"], "ok");
  });
}

TEST(Life, AnIdleTimeoutOfNothingEndsAnActorWithItsCallAndNotBefore) {
  World world;
  world.host("cat", TypeSettings{0s, false, 32});
  world.app.holding = {"long"};
  world.play([](World& w) -> Task<void> {
    w.scope.spawn(w.call(invocation("busy", "long")));
    co_await w.call(invocation("idle", "m"));
    co_await w.wait_deactivated("cat||idle");
    EXPECT_TRUE(w.life->is_active({"cat", "busy"}));
    w.app.release("long");
    co_await w.wait_deactivated("cat||busy");
    EXPECT_EQ(w.ends["long"], "ok");
  });
}

TEST(Life, WhatHasMovedIsHaltedWhenItsTurnEndsAndWhoWaitsIsSentElsewhere) {
  World world;
  world.host("cat");
  world.app.holding = {"long"};
  world.life->set_hosts([](std::string_view, std::string_view id) { return id == "stays"; });
  world.play([](World& w) -> Task<void> {
    w.scope.spawn(w.call(invocation("moves", "long")));
    w.scope.spawn(w.call(invocation("moves", "waits")));
    co_await w.call(invocation("stays", "m"));
    std::vector<std::string> types{"cat", "unknown"};
    w.scope.spawn(w.life->halt_moved(std::move(types)));
    co_await w.wait_end("waits");
    EXPECT_EQ(w.ends["waits"], "closed");
    EXPECT_TRUE(w.life->is_active({"cat", "moves"}));
    w.app.release("long");
    co_await w.scope.join();
    EXPECT_EQ(w.ends["long"], "ok");
    EXPECT_FALSE(w.life->is_active({"cat", "moves"}));
    EXPECT_TRUE(w.life->is_active({"cat", "stays"}));
  });
}

TEST(Life, ACallThatComesDuringDeactivationWaitsAndActivatesAnew) {
  World world;
  world.host("cat");
  world.app.slow_to_deactivate = true;
  world.play([](World& w) -> Task<void> {
    co_await w.call(invocation("1", "before"));
    w.scope.spawn(w.life->halt_all());
    w.scope.spawn(w.call(invocation("1", "after")));
    EXPECT_FALSE(w.ends.contains("after"));
    w.app.slow_to_deactivate = false;
    w.app.released.notify_all();
    co_await w.scope.join();
    EXPECT_EQ(w.ends["after"], "ok");
  });
  const std::vector<std::string> expected{
      "begin cat||1/before", "end cat||1/before", "deactivate cat||1", "deactivated cat||1",
      "begin cat||1/after",  "end cat||1/after",  "deactivate cat||1", "deactivated cat||1"};
  EXPECT_EQ(world.app.seen, expected);
}

TEST(Life, AHaltThatIsCancelledTellsTheApplicationAllTheSame) {
  World world;
  world.host("cat");
  world.play([](World& w) -> Task<void> {
    co_await w.call(invocation("1", "m"));
    Cancellation given_up;
    given_up.request();
    co_await w.life->halt_all().under(given_up);
    EXPECT_EQ(w.app.seen.back(), "deactivated cat||1");
    EXPECT_FALSE(w.life->is_active({"cat", "1"}));
  });
}

TEST(Life, AnApplicationThatDoesNotAnswerHoldsUpADeactivationOnlySoLong) {
  World world(20ms);
  world.host("cat");
  world.app.slow_to_deactivate = true;
  world.play([](World& w) -> Task<void> {
    co_await w.call(invocation("1", "m"));
    co_await w.life->halt_all();
    EXPECT_FALSE(w.life->is_active({"cat", "1"}));
  });
}

TEST(Life, AllActorsOfAnApplicationThatDoesNotAnswerAreWaitedForTogether) {
  World world(1s);
  world.host("cat");
  world.app.slow_to_deactivate = true;
  // One after the other, 64 at a time, would be more than a minute: the test would not end in time.
  world.play([](World& w) -> Task<void> {
    for (int i = 0; i < 5000; ++i) co_await w.call(invocation(std::to_string(i), "m"));
    co_await w.life->halt_all();
    EXPECT_EQ(w.life->counts().front().actors, 0U);
    EXPECT_EQ(w.app.count("deactivate cat||4999"), 1);
  });
}

TEST(Life, TheEndCutsNoDeactivationShortThatHasBegun) {
  World world;
  world.host("cat", TypeSettings{0s, false, 32});
  world.app.slow_to_deactivate = true;
  world.play([](World& w) -> Task<void> {
    co_await w.call(invocation("1", "m"));
    co_await w.wait_deactivated("cat||1");
    w.scope.spawn(w.life->close());
    w.app.slow_to_deactivate = false;
    w.app.released.notify_all();
    co_await w.scope.join();
  });
  EXPECT_EQ(world.app.seen.back(), "deactivated cat||1");
}

TEST(Life, RemovingATypeCancelsItsCallsAndRefusesNewOnes) {
  World world;
  world.host("cat");
  world.app.holding = {"long"};
  world.play([](World& w) -> Task<void> {
    w.scope.spawn(w.call(invocation("1", "long")));
    w.scope.spawn(w.call(invocation("1", "waits")));
    std::vector<std::string> types{"cat"};
    co_await w.life->remove_types(std::move(types));
    co_await w.call(invocation("1", "late"));
    co_await w.scope.join();
    EXPECT_EQ(w.ends["long"], "closed");
    EXPECT_EQ(w.ends["waits"], "closed");
    EXPECT_EQ(w.ends["late"], "closed");
    EXPECT_FALSE(w.life->has_type("cat"));
    EXPECT_TRUE(w.life->counts().empty());
  });
}

TEST(Life, WhoGivesUpWaitingLeavesTheTurnToTheNext) {
  World world;
  world.host("cat");
  world.app.holding = {"long"};
  world.play([](World& w) -> Task<void> {
    Cancellation impatient;
    w.scope.spawn(w.call(invocation("1", "long")));
    w.scope.spawn(w.call(invocation("1", "gives-up")), impatient);
    w.scope.spawn(w.call(invocation("1", "next")));
    impatient.request();
    co_await w.wait_end("gives-up");
    w.app.release("long");
    co_await w.scope.join();
    EXPECT_EQ(w.ends["next"], "ok");
  });
  EXPECT_EQ(std::ranges::count(world.app.seen, "begin cat||1/gives-up"), 0);
}

TEST(Life, ATurnThatTakesTooLongEndsAndTheNextBegins) {
  resources::Resiliency document;
  document.timeouts["fast"] = 20ms;
  document.actors["cat"].policies.timeout = "fast";
  const resiliency::Policies policies({document});
  World world(30s, &policies);
  world.host("cat");
  world.host("dog");
  world.app.holding = {"slow", "r"};
  world.play([](World& w) -> Task<void> {
    w.scope.spawn(w.call(invocation("1", "slow")));
    w.scope.spawn(w.call(invocation("1", "next")));
    co_await w.wait_end("next");
    EXPECT_EQ(w.ends["slow"], "context deadline exceeded");
    EXPECT_EQ(w.ends["next"], "ok");
    auto reminder = std::make_shared<Reminder>();
    reminder->actor = {"cat", "1"};
    reminder->name = "r";
    const auto fired = co_await w.life->fire(reminder);
    EXPECT_EQ(fired.error().message(), "context deadline exceeded");
    // A plain failure, which clients of both APIs are told as such.
    EXPECT_EQ(fired.error().code(), Code::unknown);
  });
}

}  // namespace
}  // namespace outrigger::runtime::actors
