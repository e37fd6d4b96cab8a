#include "runtime/actors/service.h"

#include <future>

#include <gtest/gtest.h>

#include "runtime/actors/errors.h"
#include "runtime/actors/fakes_testing.h"
#include "runtime/actors/service_testing.h"

namespace outrigger::runtime::actors {
namespace {

using testing::FakeApp;
using testing::Side;
using testing::Whole;

constexpr unsigned kLoops = 2;
constexpr int kActors = 16;

/// A sidecar of two loops that hosts all cats; an application for each loop.
struct World {
  Loops loops{kLoops};
  Whole whole;
  resiliency::Policies policies;
  FakeApp apps[kLoops];
  std::vector<std::unique_ptr<Side>> sides{kLoops};

  Task<void> begin() {
    auto make = [this](unsigned i) { return make_side(i); };
    co_await run_on_all(loops, std::move(make));
    auto connect = [this](unsigned i) { return connect_side(i); };
    co_await run_on_all(loops, std::move(connect));
  }
  Task<void> make_side(unsigned i) {
    auto settings = whole.settings();
    settings.policies = &policies;
    sides[i] = std::make_unique<Side>(settings);
    sides[i]->actors.life().add_type("cat", {}, &apps[i]);
    const std::map<std::string, placement::Location> homes{{"cat", {"me:1", "app", true}}};
    std::vector<std::string> types{"cat"};
    sides[i]->placement.set_listener(&sides[i]->actors.life());
    co_await sides[i]->placement.update(placement::tables_of(homes), std::move(types));
    sides[i]->placement.unlock({"cat"});
  }
  Task<void> connect_side(unsigned i) {
    std::vector<Router::Home> homes;
    for (unsigned j = 0; j < kLoops; ++j) {
      homes.push_back({&loops[j], &sides[j]->actors.life(), &sides[j]->actors.timers()});
    }
    sides[i]->actors.set_homes(std::move(homes));
    sides[i]->actors.set_registered(true);
    co_return;
  }
  Task<void> end() {
    auto close = [this](unsigned i) { return close_side(i); };
    co_await run_on_all(loops, std::move(close));
    auto destroy = [this](unsigned i) { return destroy_side(i); };
    co_await run_on_all(loops, std::move(destroy));
  }
  Task<void> close_side(unsigned i) {
    co_await sides[i]->close();
    sides[i]->placement.set_listener(nullptr);
  }
  Task<void> destroy_side(unsigned i) {
    sides[i].reset();
    co_return;
  }
  Task<void> count_timers(unsigned i, std::vector<std::size_t>* counts) {
    (*counts)[i] = sides[i]->actors.timers().size();
    co_return;
  }
  /// How many each loop has.
  Task<std::vector<std::size_t>> timers() {
    std::vector<std::size_t> counts(kLoops);
    auto count = [this, &counts](unsigned i) { return count_timers(i, &counts); };
    co_await run_on_all(loops, std::move(count));
    co_return counts;
  }
};

void with_world(Task<void> (*scenario)(World&), resiliency::Policies policies = {}) {
  World world;
  world.policies = std::move(policies);
  std::promise<void> done;
  Scope scope;
  auto life = [](World* w, Task<void> (*inner)(World&), std::promise<void>* end) -> Task<void> {
    co_await w->begin();
    co_await inner(*w);
    co_await w->end();
    end->set_value();
  };
  world.loops.start();
  world.loops[0].post([&] { scope.spawn(life(&world, scenario, &done)); });
  done.get_future().wait();
  world.loops.stop_and_join();
}

/// Calls every actor from the loop that this runs on.
Task<void> call_all(Service* service, std::atomic<int>* good) {
  for (int i = 0; i < kActors; ++i) {
    auto reply = co_await service->call(testing::invocation(std::to_string(i), "m"));
    if (reply && reply->status == 200) ++*good;
  }
}
Task<void> calls_from_everywhere(World& w) {
  std::atomic<int> good = 0;
  for (int round = 0; round < 20; ++round) {
    auto work = [&w, &good](unsigned i) { return call_all(&w.sides[i]->actors, &good); };
    co_await run_on_all(w.loops, std::move(work));
  }
  EXPECT_EQ(good, 20 * static_cast<int>(kLoops) * kActors);
  // Looked at here, while no call runs there.
  for (int i = 0; i < kActors; ++i) {
    const std::string begun = "begin cat||" + std::to_string(i) + "/m";
    const auto here = w.apps[0].count(begun);
    const auto there = w.apps[1].count(begun);
    EXPECT_EQ(here + there, 40);
    EXPECT_TRUE(here == 0 || there == 0) << "an actor has lived on two loops";
  }
  EXPECT_LE(std::max(w.apps[0].most, w.apps[1].most), 1);
}
TEST(ActorService, AnActorLivesOnOneLoopWhicheverItIsCalledFrom) {
  with_world(calls_from_everywhere);
}

TimerRequest far_timer(int actor) {
  TimerRequest request;
  request.actor = {"cat", std::to_string(actor)};
  request.name = "t";
  request.when.due_time = "1h";
  return request;
}
Task<void> timers_on_their_loops(World& w) {
  Service& here = w.sides[0]->actors;
  for (int i = 0; i < kActors; ++i) EXPECT_TRUE(co_await here.add_timer(far_timer(i)));
  auto counts = co_await w.timers();
  EXPECT_EQ(counts[0] + counts[1], static_cast<std::size_t>(kActors));
  EXPECT_GT(counts[0], 0U);
  EXPECT_GT(counts[1], 0U);
  for (int i = 0; i < kActors; i += 2) {
    const ActorRef actor{"cat", std::to_string(i)};
    EXPECT_TRUE(co_await here.remove_timer(actor, "t"));
  }
  counts = co_await w.timers();
  EXPECT_EQ(counts[0] + counts[1], static_cast<std::size_t>(kActors / 2));
  TimerRequest bad = far_timer(1);
  bad.when.due_time = "soon";
  const auto refused = co_await here.add_timer(std::move(bad));
  EXPECT_EQ(refused.error().tag(), "ERR_ACTOR_TIMER_CREATE");
  TimerRequest stranger = far_timer(1);
  stranger.actor.type = "dog";
  const auto unknown = co_await here.add_timer(std::move(stranger));
  EXPECT_EQ(unknown.error().message(),
            "error creating actor timer: can't create timer for actor dog||1: actor type not "
            "registered");
}
TEST(ActorService, TimersAreKeptOnTheLoopsOfTheirActors) { with_world(timers_on_their_loops); }

Task<void> admit(Service* service, std::optional<Result<>>* outcome, Signal* changed) {
  auto admitted = co_await service->admit();
  outcome->emplace(std::move(admitted));
  changed->notify_all();
}
Task<void> admits(World& w) {
  Service& here = w.sides[0]->actors;
  here.set_registered(false);
  EXPECT_EQ(here.admit_peer().error().message(), "remote actor moved");
  Scope scope;
  Signal changed;
  std::optional<Result<>> first, second;
  scope.spawn(admit(&here, &first, &changed));
  EXPECT_FALSE(first);
  here.set_registered(true);
  co_await scope.join();
  EXPECT_TRUE(first && first->has_value());
  here.set_registered(false);
  scope.spawn(admit(&here, &second, &changed));
  co_await here.stop();
  co_await scope.join();
  EXPECT_TRUE(second && !second->has_value());
  EXPECT_EQ(second->error().tag(), "ERR_ACTOR_RUNTIME_CLOSED");
}
TEST(ActorService, CallsWaitUntilTypesAreRegisteredOrThereIsAnEnd) { with_world(admits); }

Task<void> call_slow(Service* service, std::string* end) {
  auto reply = co_await service->call(testing::invocation("1", "slow"));
  *end = reply ? "ok" : reply.error().tag();
}
Task<void> stops_under_calls(World& w) {
  for (FakeApp& app : w.apps) app.holding = {"slow"};
  Scope scope;
  std::string end;
  scope.spawn(call_slow(&w.sides[0]->actors, &end));
  co_await w.sides[0]->actors.stop();
  co_await scope.join();
  EXPECT_EQ(end, "ERR_ACTOR_RUNTIME_CLOSED");
}
TEST(ActorService, TheEndCancelsCallsThatRun) { with_world(stops_under_calls); }

Task<void> is_triggered(World& w) {
  for (FakeApp& app : w.apps) app.failing = {"bad"};
  scheduler::Trigger good{.name = "r", .target = {.actor = {{"cat", "1"}}}};
  scheduler::Trigger bad{.name = "bad", .target = {.actor = {{"cat", "1"}}}};
  scheduler::Trigger job{.name = "job"};
  Service& here = w.sides[0]->actors;
  EXPECT_EQ(co_await here.trigger(std::move(good)), scheduler::Outcome::success);
  EXPECT_EQ(co_await here.trigger(std::move(bad)), scheduler::Outcome::failed);
  EXPECT_EQ(co_await here.trigger(std::move(job)), scheduler::Outcome::failed);
  co_await here.stop();
  scheduler::Trigger late{.name = "r", .target = {.actor = {{"cat", "1"}}}};
  EXPECT_EQ(co_await here.trigger(std::move(late)), scheduler::Outcome::failed);
}
TEST(ActorService, TheSchedulerHearsWhatBecameOfAReminder) { with_world(is_triggered); }

resiliency::Policies for_cats(resources::PolicyNames names) {
  resources::Resiliency document;
  document.retries["often"] = {.duration = std::chrono::milliseconds(1), .max_retries = 5};
  document.circuit_breakers["fuse"] = {.trip = "consecutiveFailures >= 2"};
  document.actors["cat"].policies = std::move(names);
  return resiliency::Policies({document});
}

/// What the client gets: "ok" or the message.
Task<std::string> invoke(World* w) {
  auto reply = co_await w->sides[0]->actors.invoke(testing::invocation("1", "m"));
  co_return reply ? std::string("ok") : reply.error().message();
}
std::ptrdiff_t tries(World& w) {
  return w.apps[0].count("begin cat||1/m") + w.apps[1].count("begin cat||1/m");
}
Error broken() { return {Code::unknown, "error from actor service: (500) "}; }
void refuse(World& w, const std::vector<Error>& errors) {
  for (FakeApp& app : w.apps) app.refusals = errors;
}

Task<void> retries(World& w) {
  refuse(w, {broken(), broken(), broken()});
  EXPECT_EQ(co_await invoke(&w), "ok");
  EXPECT_EQ(tries(w), 4);
  for (FakeApp& app : w.apps) app.shows_error = true;
  EXPECT_EQ(co_await invoke(&w), "ok");
  EXPECT_EQ(tries(w), 10);
}
TEST(ActorService, AClientsCallIsMadeAsOftenAsThePolicyHasIt) {
  with_world(retries, for_cats({.retry = "often"}));
}

Task<void> misses(World& w) {
  const std::vector<Error> errors{method_missing("actors/cat/1/method/m")};
  refuse(w, errors);
  EXPECT_EQ(co_await invoke(&w), "actor method not found: actors/cat/1/method/m");
  EXPECT_EQ(tries(w), 1);
}
TEST(ActorService, AMethodThatIsNotThereIsNotAskedForAgain) {
  with_world(misses, for_cats({.retry = "often"}));
}

Task<void> breaks(World& w) {
  refuse(w, {broken(), broken()});
  EXPECT_EQ(co_await invoke(&w), broken().message());
  EXPECT_EQ(co_await invoke(&w), broken().message());
  EXPECT_EQ(co_await invoke(&w), "circuit breaker is open");
  EXPECT_EQ(tries(w), 2);
  // Another sidecar's policy has admitted what it sends.
  auto reply = co_await w.sides[0]->actors.call(testing::invocation("1", "m"));
  EXPECT_TRUE(reply);
}
TEST(ActorService, AnOpenBreakerSparesTheActor) {
  with_world(breaks, for_cats({.circuit_breaker = "fuse"}));
}

}  // namespace
}  // namespace outrigger::runtime::actors
