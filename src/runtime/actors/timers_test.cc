#include "runtime/actors/timers.h"

#include <gtest/gtest.h>

#include "runtime/actors/fakes_testing.h"

namespace outrigger::runtime::actors {
namespace {

using testing::FakeApp;
using testing::FakePeers;

/// One loop of a sidecar that hosts all cats.
struct World {
  World() {
    Router::Settings settings;
    settings.first_pause = settings.last_pause = Duration::zero();
    router = std::make_unique<Router>(settings, where, peers);
    timers = std::make_unique<Timers>(*router, metrics);
    life = std::make_unique<Life>(Life::Settings{}, metrics);
    life->add_type("cat", {}, &app);
  }
  Result<> add(std::string id, std::string name, ScheduleText when, std::string callback = "") {
    TimerRequest request;
    request.actor = {"cat", std::move(id)};
    request.name = std::move(name);
    request.when = std::move(when);
    request.callback = std::move(callback);
    return timers->add(std::move(request));
  }
  Task<void> gone(std::size_t left) {
    // Each thing that ends a timer happens in a turn of this loop.
    while (timers->size() > left) {
      [[maybe_unused]] auto rested = co_await sleep_for(Duration::zero());
    }
  }
  Task<void> lives_at(placement::Location home) {
    const std::map<std::string, placement::Location> homes{{"cat", home}};
    std::vector<std::string> types{"cat"};
    co_await where.update(placement::tables_of(homes), std::move(types));
    where.unlock({"cat"});
  }
  template <class Work>
  void play(Work work) {
    run(play_task(std::move(work)));
  }
  template <class Work>
  Task<bool> play_task(Work work) {
    Router::Home home;
    home.loop = &Loop::current();
    home.life = life.get();
    home.timers = timers.get();
    router->set_homes({home});
    const placement::Location here{"me:1", "app", true};
    co_await lives_at(here);
    co_await work(*this);
    co_await timers->close();
    EXPECT_EQ(timers->size(), 0U);
    co_await scope.join();
    co_await life->close();
    co_return true;
  }

  telemetry::Registry registry{telemetry::RegistryOptions{.app_id = "me"}};
  ActorMetrics metrics{registry};
  placement::Service where;
  FakeApp app;
  FakePeers peers;
  std::unique_ptr<Router> router;
  std::unique_ptr<Timers> timers;
  std::unique_ptr<Life> life;
  Scope scope;
};

const ScheduleText kOnce{.due_time = "0s"};
const ScheduleText kOften{.due_time = "0s", .period = "1ms"};
const ScheduleText kFar{.due_time = "1h"};

TEST(Timers, OneWithoutAPeriodFiresOnceAndIsGone) {
  World world;
  world.play([](World& w) -> Task<void> {
    EXPECT_TRUE(w.add("1", "t", kOnce));
    EXPECT_EQ(w.timers->size(), 1U);
    co_await w.app.comes("fire cat||1||t");
    co_await w.gone(0);
    EXPECT_EQ(w.app.count("fire cat||1||t"), 1);
  });
}

TEST(Timers, OneWithAPeriodFiresUntilTheApplicationWantsNoMore) {
  World world;
  world.play([](World& w) -> Task<void> {
    EXPECT_TRUE(w.add("1", "t", kOften));
    co_await w.app.comes("fire cat||1||t", 3);
    w.app.unwanted = {"t"};
    co_await w.gone(0);
  });
}

TEST(Timers, AFailureDoesNotEndIt) {
  World world;
  world.app.failing = {"t"};
  world.play([](World& w) -> Task<void> {
    EXPECT_TRUE(w.add("1", "t", kOften));
    co_await w.app.comes("fire cat||1||t", 3);
    EXPECT_EQ(w.timers->size(), 1U);
  });
}

TEST(Timers, OneOfTheSameNameTakesItsPlace) {
  World world;
  world.play([](World& w) -> Task<void> {
    EXPECT_TRUE(w.add("1", "t", kFar, "/old"));
    EXPECT_TRUE(w.add("1", "t", kOnce, "/new"));
    EXPECT_EQ(w.timers->size(), 1U);
    co_await w.app.comes("fire cat||1||t/new");
    co_await w.gone(0);
    EXPECT_EQ(w.app.count("fire cat||1||t/old"), 0);
  });
}

TEST(Timers, OneThatIsReplacedWhileItFiresDoesNotComeBack) {
  World world;
  world.app.holding = {"t"};
  world.play([](World& w) -> Task<void> {
    EXPECT_TRUE(w.add("1", "t", kOften, "/old"));
    co_await w.app.comes("fire cat||1||t/old");
    EXPECT_TRUE(w.add("1", "t", kOften, "/new"));
    w.app.release("t");
    co_await w.app.comes("fire cat||1||t/new", 3);
    EXPECT_EQ(w.timers->size(), 1U);
    EXPECT_EQ(w.app.count("fire cat||1||t/old"), 1);
  });
}

TEST(Timers, OneThatIsRemovedWhileItFiresDoesNotComeBack) {
  World world;
  world.app.holding = {"t"};
  world.play([](World& w) -> Task<void> {
    EXPECT_TRUE(w.add("1", "t", kOften));
    co_await w.app.comes("fire cat||1||t");
    w.timers->remove({"cat", "1"}, "t");
    EXPECT_EQ(w.timers->size(), 0U);
    w.app.release("t");
    EXPECT_TRUE(w.add("1", "other", kOnce));
    co_await w.app.comes("fire cat||1||other");
    EXPECT_EQ(w.app.count("fire cat||1||t"), 1);
  });
}

TEST(Timers, OneThatIsRemovedWhileItWaitsForAnotherNeverFires) {
  World world;
  world.app.holding = {"first"};
  world.play([](World& w) -> Task<void> {
    EXPECT_TRUE(w.add("1", "first", kOnce));
    co_await w.app.comes("fire cat||1||first");
    EXPECT_TRUE(w.add("1", "second", kOnce));
    EXPECT_TRUE(w.add("1", "third", kOnce));
    // The other actor's timer is due later, and it fires: so the second has had its turn to wait.
    EXPECT_TRUE(w.add("2", "t", kOnce));
    co_await w.app.comes("fire cat||2||t");
    EXPECT_EQ(w.app.count("fire cat||1||third"), 0);
    w.timers->remove({"cat", "1"}, "second");
    w.app.release("first");
    co_await w.app.comes("fire cat||1||third");
    EXPECT_EQ(w.app.count("fire cat||1||second"), 0);
  });
}

TEST(Timers, RemovingWhatIsNotThereDoesNothing) {
  World world;
  world.play([](World& w) -> Task<void> {
    EXPECT_TRUE(w.add("1", "t", kFar));
    w.timers->remove({"cat", "1"}, "other");
    w.timers->remove({"cat", "2"}, "t");
    EXPECT_EQ(w.timers->size(), 1U);
    co_return;
  });
}

TEST(Timers, ATimeThatMakesNoSenseLeavesTheOldOneAlone) {
  World world;
  world.play([](World& w) -> Task<void> {
    EXPECT_TRUE(w.add("1", "t", kFar));
    const auto refused = w.add("1", "t", {.period = "R0/PT1S"});
    EXPECT_EQ(refused.error().message(), "invalid timer period: has zero repetitions");
    EXPECT_EQ(w.timers->size(), 1U);
    co_return;
  });
}

TEST(Timers, OneThatHasExpiredBeforeItIsDueIsNotKept) {
  World world;
  world.play([](World& w) -> Task<void> {
    EXPECT_TRUE(w.add("1", "t", {.due_time = "1h", .ttl = "0s"}));
    EXPECT_EQ(w.timers->size(), 0U);
    co_return;
  });
}

TEST(Timers, OneThatExpiresBetweenTwoTimesIsGone) {
  World world;
  world.play([](World& w) -> Task<void> {
    EXPECT_TRUE(w.add("1", "t", {.due_time = "0s", .period = "1h", .ttl = "1m"}));
    co_await w.app.comes("fire cat||1||t");
    co_await w.gone(0);
  });
}

TEST(Timers, OneThatIsDueWhileItsActorIsDeactivatedWaitsAndActivatesItAnew) {
  World world;
  world.app.slow_to_deactivate = true;
  world.play([](World& w) -> Task<void> {
    EXPECT_TRUE(w.add("1", "t", kOnce));
    co_await w.app.comes("fire cat||1||t");
    co_await w.gone(0);
    w.scope.spawn(w.life->halt_all());
    co_await w.app.comes("deactivate cat||1");
    EXPECT_TRUE(w.add("1", "again", kOnce));
    EXPECT_TRUE(w.add("2", "t", kOnce));
    co_await w.app.comes("fire cat||2||t");
    EXPECT_EQ(w.app.count("fire cat||1||again"), 0);
    w.app.slow_to_deactivate = false;
    w.app.released.notify_all();
    co_await w.app.comes("fire cat||1||again");
    EXPECT_EQ(w.app.count("deactivated cat||1"), 1);
    EXPECT_TRUE(w.life->is_active({"cat", "1"}));
  });
}

TEST(Timers, OneWhoseActorHasMovedFiresThere) {
  World world;
  world.play([](World& w) -> Task<void> {
    const placement::Location there{"there:1", "app", false};
    co_await w.lives_at(there);
    EXPECT_TRUE(w.add("1", "t", kOnce));
    co_await w.gone(0);
    EXPECT_EQ(w.peers.sent, std::vector<std::string>{"there:1/t"});
    EXPECT_TRUE(w.app.seen.empty());
  });
}

TEST(Timers, AtTheEndOneThatFiresIsCutOffAndNoOtherFires) {
  World world;
  world.app.holding = {"t"};
  world.play([](World& w) -> Task<void> {
    EXPECT_TRUE(w.add("1", "t", kOften));
    EXPECT_TRUE(w.add("1", "waits", kOnce));
    co_await w.app.comes("fire cat||1||t");
    co_await w.timers->close();
    EXPECT_TRUE(w.add("1", "late", kOnce));
    EXPECT_EQ(w.timers->size(), 0U);
  });
  EXPECT_EQ(world.app.count("fire cat||1||t"), 1);
  EXPECT_EQ(world.app.count("fire cat||1||waits"), 0);
  EXPECT_EQ(world.app.count("fire cat||1||late"), 0);
}

}  // namespace
}  // namespace outrigger::runtime::actors
