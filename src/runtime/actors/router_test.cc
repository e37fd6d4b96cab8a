#include "runtime/actors/router.h"

#include <gtest/gtest.h>

#include "base/scope.h"
#include "runtime/actors/errors.h"
#include "runtime/actors/fakes_testing.h"

namespace outrigger::runtime::actors {
namespace {

using testing::FakeApp;
using testing::FakePeers;
using testing::invocation;

const placement::Location kHere{"me:1", "app", true};
const placement::Location kThere{"there:1", "app", false};
const placement::Location kElsewhere{"elsewhere:1", "app", false};

Error moved() { return {Code::internal, "error invoke actor method: remote actor moved"}; }
Error gone() { return {Code::unavailable, "dial there:1: connect: connection refused"}; }

/// One loop of a sidecar that hosts cats, wherever placement says that they live.
struct World {
  explicit World(const resiliency::Policies* policies = nullptr) {
    Router::Settings settings;
    settings.policies = policies;
    settings.retries_max = 3;
    settings.first_pause = settings.last_pause = Duration::zero();
    router = std::make_unique<Router>(settings, where, peers);
    life = std::make_unique<Life>(Life::Settings{}, metrics);
    life->add_type("cat", {}, &app);
    where.set_listener(life.get());
  }
  void set_homes() {
    Router::Home home;
    home.loop = &Loop::current();
    home.life = life.get();
    router->set_homes({home});
  }
  /// A whole round, at once where nothing has to be waited for.
  Task<void> live_at(placement::Location home) {
    co_await begin_move(home);
    where.unlock({"cat"});
  }
  Task<void> begin_move(placement::Location home) {
    const std::map<std::string, placement::Location> homes{{"cat", home}};
    std::vector<std::string> types{"cat"};
    co_await where.update(placement::tables_of(homes), std::move(types));
  }
  Task<void> live_nowhere() {
    const std::map<std::string, placement::Location> none;
    std::vector<std::string> types{"cat"};
    co_await where.update(placement::tables_of(none), std::move(types));
    where.unlock({"cat"});
  }
  /// Notes how it ended: "ok" or the message.
  Task<void> call(InvocationPtr call) {
    auto reply = co_await router->call(call);
    ends[call->request.method] = reply ? "ok" : reply.error().message();
  }
  Task<void> fire(std::string name, bool remote = false) {
    auto reminder = std::make_shared<Reminder>();
    reminder->actor = {"cat", "1"};
    reminder->name = name;
    reminder->remote = remote;
    auto fired = co_await router->fire(reminder);
    ends[name] = !fired ? fired.error().message() : *fired == Fired::done ? "ok" : "cancelled";
  }
  template <class Work>
  void play(Work work) {
    run(play_task(std::move(work)));
    EXPECT_EQ(where.claims(), 0U);
  }
  template <class Work>
  Task<bool> play_task(Work work) {
    set_homes();
    co_await live_at(kHere);
    co_await work(*this);
    co_await scope.join();
    co_await life->close();
    co_return true;
  }

  telemetry::Registry registry{telemetry::RegistryOptions{.app_id = "me"}};
  ActorMetrics metrics{registry};
  placement::Service where;
  FakeApp app;
  FakePeers peers;
  std::unique_ptr<Life> life;
  std::unique_ptr<Router> router;
  Scope scope;
  std::map<std::string, std::string> ends;
};
using Strings = std::vector<std::string>;

TEST(Router, WhatLivesHereIsCalledHereOnAClaim) {
  World world;
  world.app.holding = {"m"};
  world.play([](World& w) -> Task<void> {
    w.scope.spawn(w.call(invocation("1", "m")));
    co_await w.app.comes("begin cat||1/m");
    EXPECT_EQ(w.where.claims(), 1U);
    w.app.release("m");
    co_await w.scope.join();
    EXPECT_EQ(w.ends["m"], "ok");
    EXPECT_EQ(w.peers.sent, Strings{});
  });
}

TEST(Router, ACallOfAnActorElsewhereHoldsUpNoRoundHere) {
  World world;
  world.peers.meanwhile = [&world] { EXPECT_EQ(world.where.claims(), 0U); };
  world.play([](World& w) -> Task<void> {
    co_await w.live_at(kThere);
    co_await w.call(invocation("1", "m"));
    EXPECT_EQ(w.ends["m"], "ok");
    EXPECT_EQ(w.peers.sent, Strings{"there:1/m"});
    EXPECT_EQ(w.app.seen, Strings{});
  });
}

TEST(Router, WhatAPeerBelievesToBeHereIsNotPassedOn) {
  World world;
  world.play([](World& w) -> Task<void> {
    co_await w.live_at(kThere);
    co_await w.call(invocation("1", "m", "", true));
    co_await w.fire("r", true);
    EXPECT_EQ(w.ends["m"], "remote actor moved");
    EXPECT_EQ(w.ends["r"], "remote actor moved");
    EXPECT_EQ(w.peers.sent, Strings{});
  });
}

TEST(Router, AnActorThatHasMovedIsLookedUpAgain) {
  World world;
  world.peers.refuse("there:1", moved());
  world.peers.meanwhile = [&world] { world.scope.spawn(world.live_at(kElsewhere)); };
  world.play([](World& w) -> Task<void> {
    co_await w.live_at(kThere);
    co_await w.call(invocation("1", "m"));
    EXPECT_EQ(w.ends["m"], "ok");
    EXPECT_EQ(w.peers.sent, (Strings{"there:1/m", "elsewhere:1/m"}));
  });
}

TEST(Router, AnActorMayMoveToThisSidecarBetweenTwoTries) {
  World world;
  world.peers.refuse("there:1", gone());
  world.peers.meanwhile = [&world] { world.scope.spawn(world.live_at(kHere)); };
  world.play([](World& w) -> Task<void> {
    co_await w.live_at(kThere);
    co_await w.call(invocation("1", "m"));
    EXPECT_EQ(w.ends["m"], "ok");
    EXPECT_EQ(w.app.count("end cat||1/m"), 1);
  });
}

TEST(Router, APeerThatIsGoneIsTriedSoOftenAndNotForEver) {
  World world;
  world.peers.refuse("there:1", gone(), 100);
  world.play([](World& w) -> Task<void> {
    co_await w.live_at(kThere);
    co_await w.call(invocation("1", "m"));
    EXPECT_EQ(w.peers.sent.size(), 4U);
    EXPECT_EQ(w.ends["m"],
              "failed to invoke target there:1 after 3 retries. Error: rpc error: code = "
              "Unavailable desc = dial there:1: connect: connection refused");
  });
}

TEST(Router, APeerThatIsGoneIsLeftToThePolicyOfItsTypeWhatHasMovedIsNot) {
  resources::Resiliency document;
  document.actors["cat"].policies.retry = "often";
  const resiliency::Policies policies({document});
  World world(&policies);
  world.peers.refuse("there:1", gone());
  world.peers.refuse("there:1", moved());
  world.peers.refuse("there:1", gone());
  world.play([](World& w) -> Task<void> {
    co_await w.live_at(kThere);
    co_await w.call(invocation("1", "m"));
    EXPECT_EQ(w.peers.sent.size(), 1U);
    co_await w.call(invocation("1", "n"));
    EXPECT_EQ(w.peers.sent.size(), 3U);
    co_await w.call(invocation("1", "o"));
    EXPECT_EQ(w.ends["o"], "ok");
  });
}

TEST(Router, WhatAPeerHasProcessedIsNotSentAgain) {
  World world;
  const Error failed(Code::internal, "error invoke actor method: error from actor service: (500) ");
  const Error broken(Code::internal, "the answer broke off: EOF");
  world.peers.refuse("there:1", failed);
  world.peers.refuse("there:1", broken);
  world.play([](World& w) -> Task<void> {
    co_await w.live_at(kThere);
    co_await w.call(invocation("1", "first"));
    co_await w.call(invocation("1", "second"));
    EXPECT_EQ(w.peers.sent, (Strings{"there:1/first", "there:1/second"}));
    EXPECT_EQ(w.ends["first"], "error invoke actor method: error from actor service: (500) ");
    EXPECT_EQ(w.ends["second"], "the answer broke off: EOF");
  });
}

TEST(Router, WhoGivesUpIsNotTriedFor) {
  World world;
  world.peers.hanging = true;
  world.play([](World& w) -> Task<void> {
    co_await w.live_at(kThere);
    Cancellation impatient;
    w.scope.spawn(w.call(invocation("1", "m")), impatient);
    impatient.request();
    co_await w.scope.join();
    EXPECT_EQ(w.peers.sent.size(), 1U);
    EXPECT_EQ(w.ends["m"], impatient.error().message());
  });
}

TEST(Router, ATypeThatNobodyHostsIsAskedForAgainAndThenAnError) {
  World world;
  world.play([](World& w) -> Task<void> {
    co_await w.live_nowhere();
    co_await w.call(invocation("1", "m"));
    co_await w.fire("r");
    EXPECT_EQ(w.ends["m"],
              "failed to lookup actor: api error: code = FailedPrecondition desc = did not find "
              "address for actor 'cat||1'");
    EXPECT_EQ(w.ends["r"], "did not find address for actor 'cat||1'");
  });
}

TEST(Router, AHostThatComesInTimeIsFound) {
  World world;
  world.play([](World& w) -> Task<void> {
    co_await w.live_nowhere();
    w.scope.spawn(w.call(invocation("1", "m")));
    co_await w.live_at(kHere);
    co_await w.scope.join();
    EXPECT_EQ(w.ends["m"], "ok");
  });
}

TEST(Router, ACallThatComesDuringARoundWaitsForItsEndAndGoesToTheNewHome) {
  World world;
  world.play([](World& w) -> Task<void> {
    co_await w.begin_move(kElsewhere);
    w.scope.spawn(w.call(invocation("1", "m")));
    w.scope.spawn(w.fire("r"));
    EXPECT_TRUE(w.ends.empty());
    EXPECT_EQ(w.peers.sent, Strings{});
    w.where.unlock({"cat"});
    co_await w.scope.join();
    EXPECT_EQ(w.peers.sent, (Strings{"elsewhere:1/m", "elsewhere:1/r"}));
  });
}

TEST(Router, WhoGivesUpDuringARoundDoesNotWaitForItsEnd) {
  World world;
  world.play([](World& w) -> Task<void> {
    co_await w.begin_move(kElsewhere);
    Cancellation impatient;
    w.scope.spawn(w.call(invocation("1", "m")), impatient);
    impatient.request();
    co_await w.scope.join();
    EXPECT_TRUE(w.ends["m"].starts_with("failed to lookup actor: ")) << w.ends["m"];
    w.where.unlock({"cat"});
  });
}

TEST(Router, ARoundWaitsForACallThatEndsWithinTheDrainTime) {
  World world;
  world.app.holding = {"slow"};
  world.play([](World& w) -> Task<void> {
    w.where.set_drain(std::make_shared<const placement::Drain>(
        placement::Drain{.timeout = std::chrono::hours(1)}));
    w.scope.spawn(w.call(invocation("1", "slow")));
    co_await w.app.comes("begin cat||1/slow");
    w.scope.spawn(w.live_at(kElsewhere));
    w.scope.spawn(w.call(invocation("1", "next")));
    EXPECT_TRUE(w.life->is_active({"cat", "1"}));
    w.app.release("slow");
    co_await w.scope.join();
    EXPECT_EQ(w.ends["slow"], "ok");
    EXPECT_EQ(w.ends["next"], "ok");
    EXPECT_EQ(w.peers.sent, Strings{"elsewhere:1/next"});
    EXPECT_EQ(w.app.count("deactivated cat||1"), 1);
  });
}

TEST(Router, ACallThatIsCutOffByTheDrainGoesToTheNewHome) {
  World world;
  world.app.holding = {"slow"};
  world.play([](World& w) -> Task<void> {
    w.where.set_drain(std::make_shared<const placement::Drain>(placement::Drain{.wait = false}));
    w.scope.spawn(w.call(invocation("1", "slow")));
    w.scope.spawn(w.call(invocation("1", "waits")));
    co_await w.app.comes("begin cat||1/slow");
    co_await w.live_at(kElsewhere);
    co_await w.scope.join();
    EXPECT_EQ(w.ends["slow"], "ok");
    EXPECT_EQ(w.ends["waits"], "ok");
    EXPECT_EQ(w.app.count("begin cat||1/waits"), 0);
    EXPECT_EQ(w.peers.sent.size(), 2U);
  });
}

TEST(Router, ATypeThatWasRemovedHereIsTriedUntilPlacementKnows) {
  World world;
  world.play([](World& w) -> Task<void> {
    std::vector<std::string> types{"cat"};
    co_await w.life->remove_types(std::move(types));
    w.scope.spawn(w.call(invocation("1", "m")));
    co_await w.live_at(kElsewhere);
    co_await w.scope.join();
    EXPECT_EQ(w.ends["m"], "ok");
    co_await w.live_at(kHere);
    co_await w.call(invocation("1", "late"));
    EXPECT_EQ(w.ends["late"], "actor is closed, cannot handle late");
  });
}

TEST(Router, AReminderIsFiredWhereItsActorLives) {
  World world;
  world.app.unwanted = {"enough"};
  world.app.failing = {"bad"};
  world.play([](World& w) -> Task<void> {
    co_await w.fire("r");
    co_await w.fire("enough");
    co_await w.fire("bad");
    EXPECT_EQ(w.app.count("fire cat||1||bad"), 1);
    co_await w.live_at(kThere);
    co_await w.fire("far");
    w.peers.refuse("there:1", Error(Code::unknown, "reminder has been canceled"));
    co_await w.fire("far-enough");
    const std::map<std::string, std::string> expected{{"r", "ok"},
                                                      {"enough", "cancelled"},
                                                      {"bad", "as the test says"},
                                                      {"far", "ok"},
                                                      {"far-enough", "cancelled"}};
    EXPECT_EQ(w.ends, expected);
    EXPECT_EQ(w.peers.sent, (Strings{"there:1/far", "there:1/far-enough"}));
  });
}

TEST(Router, AReminderFollowsItsActor) {
  World world;
  world.play([](World& w) -> Task<void> {
    co_await w.live_at(kThere);
    w.peers.refuse("there:1", Error(Code::unknown, "remote actor moved"));
    w.peers.refuse("there:1", gone());
    w.peers.refuse("there:1", Error(Code::unavailable, "actor is closed, cannot handle remind/r"));
    co_await w.fire("r");
    EXPECT_EQ(w.ends["r"], "ok");
    EXPECT_EQ(w.peers.sent.size(), 4U);
  });
}

}  // namespace
}  // namespace outrigger::runtime::actors
