#include "runtime/actors/host.h"

#include <future>

#include <gtest/gtest.h>

#include "runtime/actors/service_testing.h"

namespace outrigger::runtime::actors {
namespace {

using testing::Side;
using testing::Whole;
using Strings = std::vector<std::string>;

template <class... Names>
Strings list(Names... names) {
  return Strings{names...};
}

/// Placement: notes what it is told.
class FakePlacement final : public placement::Registration {
 public:
  void set_types(Strings types) override { told.push_back(std::move(types)); }
  void set_drain(placement::Drain given) override { drain = std::move(given); }
  void open() override { ++opened; }
  Task<void> close() override {
    ++closed;
    co_return;
  }
  [[nodiscard]] bool ready() const noexcept override { return connected; }

  std::vector<Strings> told;
  std::optional<placement::Drain> drain;
  int opened = 0;
  int closed = 0;
  bool connected = false;
};

/// A sidecar of two loops.
struct World {
  Loops loops{2};
  Whole whole;
  FakePlacement placement;
  std::vector<std::unique_ptr<Side>> sides{2};
  std::unique_ptr<Host> host;

  Task<void> begin(bool enabled) {
    const Service::Settings settings = whole.settings(enabled);
    auto make = [this, settings](unsigned i) { return make_side(i, settings); };
    co_await run_on_all(loops, std::move(make));
    host =
        std::make_unique<Host>(loops, std::vector<Service*>{&sides[0]->actors, &sides[1]->actors},
                               enabled ? &placement : nullptr, Host::Settings{});
    co_await host->connect();
  }
  Task<void> make_side(unsigned i, Service::Settings settings) {
    sides[i] = std::make_unique<Side>(settings);
    co_return;
  }
  Task<void> end() {
    co_await host->close();
    host.reset();
    auto close = [this](unsigned i) { return close_side(i); };
    co_await run_on_all(loops, std::move(close));
  }
  Task<void> close_side(unsigned i) {
    co_await sides[i]->close();
    sides[i].reset();
  }
  Task<Result<>> add(Strings types, Host::Way way = Host::Way::http) {
    AppConfig config;
    config.entities = std::move(types);
    return host->add(std::move(config), way);
  }
  /// On how many loops the type can be activated.
  Task<int> hosted(std::string type) {
    std::atomic<int> count = 0;
    auto look = [this, &count, &type](unsigned i) { return look_at(i, &type, &count); };
    co_await run_on_all(loops, std::move(look));
    co_return count;
  }
  Task<void> look_at(unsigned i, const std::string* type, std::atomic<int>* count) {
    if (sides[i]->actors.check_hosted(*type)) ++*count;
    co_return;
  }
  /// On how many loops a call of a peer is let in.
  Task<int> admitting() {
    std::atomic<int> count = 0;
    auto look = [this, &count](unsigned i) { return try_at(i, &count); };
    co_await run_on_all(loops, std::move(look));
    co_return count;
  }
  Task<void> try_at(unsigned i, std::atomic<int>* count) {
    if (sides[i]->actors.admit_peer()) ++*count;
    co_return;
  }
};

/// Runs a scenario on the first loop, with the others running beside it.
void with_world(Task<void> (*scenario)(World&), bool enabled = true) {
  World world;
  std::promise<void> done;
  Scope scope;
  auto life = [](World* w, Task<void> (*inner)(World&), bool with_placement,
                 std::promise<void>* end) -> Task<void> {
    co_await w->begin(with_placement);
    co_await inner(*w);
    co_await w->end();
    end->set_value();
  };
  world.loops.start();
  world.loops[0].post([&] { scope.spawn(life(&world, scenario, enabled, &done)); });
  done.get_future().wait();
  world.loops.stop_and_join();
}

Task<void> hosts_nothing(World& w) {
  co_await w.host->start("store");
  EXPECT_TRUE(co_await w.add(list("cat")));
  EXPECT_EQ(co_await w.hosted("cat"), 0);
  const Host::Status status = co_await w.host->status();
  EXPECT_EQ(status.runtime, Host::Status::Runtime::disabled);
  EXPECT_EQ(status.placement, "placement: disconnected");
  const auto refused = co_await w.sides[0]->actors.admit();
  EXPECT_EQ(refused.error().tag(), "ERR_ACTOR_NO_PLACEMENT");
}
TEST(Host, WithoutPlacementThereAreNoActors) { with_world(hosts_nothing, false); }

Task<void> adds_types(World& w) {
  EXPECT_EQ((co_await w.host->status()).runtime, Host::Status::Runtime::initializing);
  co_await w.host->start("store");
  EXPECT_EQ(w.placement.opened, 0);  // Its first report is to have the types.
  EXPECT_EQ(co_await w.admitting(), 0);
  EXPECT_TRUE(co_await w.add(list("cat", "dog")));
  EXPECT_TRUE(co_await w.add(list("dog", "cow")));
  EXPECT_EQ(w.placement.opened, 1);
  EXPECT_EQ(w.placement.told, (std::vector<Strings>{{"cat", "dog"}, {"cat", "dog", "cow"}}));
  EXPECT_EQ(co_await w.hosted("cow"), 2);
  EXPECT_EQ(co_await w.admitting(), 2);
  w.placement.connected = true;
  const Host::Status status = co_await w.host->status();
  EXPECT_EQ(status.runtime, Host::Status::Runtime::running);
  EXPECT_TRUE(status.host_ready);
  EXPECT_EQ(status.active.size(), 3U);
}
TEST(Host, WhatTheApplicationHostsIsToldToAllLoopsAndToPlacement) { with_world(adds_types); }

Task<void> changes_stores(World& w) {
  co_await w.host->start(std::nullopt);
  EXPECT_TRUE(co_await w.add(list("cat")));
  EXPECT_EQ(co_await w.hosted("cat"), 0);
  co_await w.host->set_store("store");
  EXPECT_EQ(co_await w.hosted("cat"), 2);
  EXPECT_EQ(w.placement.told.back(), list("cat"));
  // Another one in its place is nothing to tell of.
  const std::size_t told = w.placement.told.size();
  co_await w.host->set_store("other");
  EXPECT_EQ(w.placement.told.size(), told);
  co_await w.host->set_store(std::nullopt);
  EXPECT_EQ(w.placement.told.back(), Strings());
  EXPECT_EQ(co_await w.hosted("cat"), 0);
  // What is taken back meanwhile does not come again.
  EXPECT_TRUE(co_await w.add(list("dog"), Host::Way::stream));
  co_await w.host->remove(list("cat"));
  co_await w.host->set_store("store");
  EXPECT_EQ(w.placement.told.back(), list("dog"));
  EXPECT_EQ(co_await w.hosted("dog"), 2);
  EXPECT_EQ(co_await w.hosted("cat"), 0);
}
TEST(Host, ActorsComeAndGoWithTheirStore) { with_world(changes_stores); }

Task<void> adds_before_the_store(World& w) {
  EXPECT_TRUE(co_await w.add(list()));
  EXPECT_EQ(w.placement.opened, 0);
  EXPECT_EQ(co_await w.admitting(), 2);
  co_await w.host->start("store");
  EXPECT_EQ(w.placement.opened, 1);
  EXPECT_EQ(w.placement.told.back(), Strings{});
}
TEST(Host, AnApplicationWithoutActorsCallsThoseOfOthers) { with_world(adds_before_the_store); }

Task<void> has_no_store(World& w) {
  co_await w.host->start(std::nullopt);
  EXPECT_EQ(w.placement.opened, 1);
  EXPECT_TRUE(co_await w.add(list("cat")));
  EXPECT_EQ(w.placement.told, (std::vector<Strings>{{}, {}}));
  EXPECT_EQ(co_await w.hosted("cat"), 0);
  EXPECT_EQ(co_await w.admitting(), 2);
}
TEST(Host, WithoutAStoreNoTypeIsHosted) { with_world(has_no_store); }

Task<void> fails_to_host(World& w) {
  co_await w.host->start("store");
  EXPECT_TRUE(co_await w.add(list("dog")));
  AppConfig config;
  config.entities = {"cat", "dog"};
  config.drain_timeout = "soon";
  const auto refused = co_await w.host->add(std::move(config), Host::Way::stream);
  EXPECT_FALSE(refused);
  EXPECT_EQ(w.placement.told.back(), Strings{"dog"});
  EXPECT_EQ(co_await w.hosted("cat"), 0);
  EXPECT_EQ(co_await w.hosted("dog"), 2);
  EXPECT_EQ(co_await w.admitting(), 2);
  AppConfig nothing;
  nothing.drain_timeout = "soon";
  EXPECT_TRUE(co_await w.host->add(std::move(nothing), Host::Way::http));
}
TEST(Host, TypesThatCouldNotBeHostedAreNotAdvertised) { with_world(fails_to_host); }

Task<void> removes_types(World& w) {
  co_await w.host->start("store");
  EXPECT_TRUE(co_await w.add(list("cat"), Host::Way::http));
  EXPECT_TRUE(co_await w.add(list("dog"), Host::Way::stream));
  EXPECT_EQ(w.host->app_types(), Strings{"cat"});
  co_await w.host->remove(list("dog", "unknown"));
  EXPECT_EQ(w.placement.told.back(), Strings{"cat"});
  EXPECT_EQ(co_await w.hosted("dog"), 0);
  EXPECT_EQ(co_await w.hosted("cat"), 2);
  EXPECT_EQ(co_await w.admitting(), 2);
  co_await w.host->remove(list("cat"));
  EXPECT_EQ(w.placement.told.back(), Strings{});
  EXPECT_EQ(co_await w.admitting(), 0);
  EXPECT_EQ((co_await w.host->status()).runtime, Host::Status::Runtime::initializing);
  EXPECT_TRUE(co_await w.add(list("cat")));
  EXPECT_EQ(w.placement.told.back(), Strings{"cat"});
  EXPECT_EQ(co_await w.hosted("cat"), 2);
  EXPECT_EQ(w.placement.opened, 1);
}
TEST(Host, WhatTheApplicationHostsNoMoreIsTakenBackAndMayComeAgain) { with_world(removes_types); }

Task<void> drains(World& w) {
  co_await w.host->start("store");
  AppConfig config;
  config.entities = {"cat", "dog"};
  config.drain_timeout = "7s";
  config.drain_rebalanced = true;
  ActorOptions dogs;
  dogs.entities = {"dog"};
  dogs.drain_timeout = "9s";
  config.types = {dogs};
  EXPECT_TRUE(co_await w.host->add(std::move(config), Host::Way::http));
  EXPECT_TRUE(w.placement.drain);
  if (!w.placement.drain) co_return;
  EXPECT_TRUE(w.placement.drain->wait);
  EXPECT_EQ(w.placement.drain->timeout, std::chrono::seconds(7));
  EXPECT_EQ(w.placement.drain->timeout_by_type.at("dog"), std::chrono::seconds(9));
}
TEST(Host, PlacementIsToldHowLongCallsMayTakeWhenTheirActorMoves) { with_world(drains); }

Task<void> closes(World& w) {
  co_await w.host->start("store");
  EXPECT_TRUE(co_await w.add(list("cat")));
  co_await w.host->close();
  EXPECT_EQ(w.placement.closed, 1);
  EXPECT_EQ(co_await w.admitting(), 0);
  const std::size_t told = w.placement.told.size();
  EXPECT_TRUE(co_await w.add(list("dog")));
  co_await w.host->remove(list("cat"));
  EXPECT_EQ(w.placement.told.size(), told);
  const auto refused = co_await w.sides[0]->actors.admit();
  EXPECT_EQ(refused.error().tag(), "ERR_ACTOR_RUNTIME_CLOSED");
}
TEST(Host, AtTheEndCallsAreRefusedAndNothingIsAddedAnyMore) { with_world(closes); }

/// Registers through a stream on the second loop.
Task<void> register_there(Service* service, std::atomic<int>* good) {
  AppConfig config;
  config.entities = {"cat"};
  const auto added = co_await service->register_types()(std::move(config));
  if (added) ++*good;
}
Task<void> unregister_there(Service* service) { co_await service->unregister_types()(list("cat")); }
Task<void> serves_streams(World& w) {
  co_await w.host->start("store");
  std::atomic<int> good = 0;
  auto work = [&](unsigned i) { return register_there(&w.sides[i]->actors, &good); };
  co_await run_on_all(w.loops, std::move(work));
  EXPECT_EQ(good, 2);
  EXPECT_EQ(w.placement.told.back(), Strings{"cat"});
  EXPECT_EQ(co_await w.hosted("cat"), 2);
  EXPECT_EQ(w.host->app_types(), Strings{});
  auto undo = [&](unsigned i) { return unregister_there(&w.sides[i]->actors); };
  co_await run_on_all(w.loops, std::move(undo));
  EXPECT_EQ(w.placement.told.back(), Strings{});
  EXPECT_EQ(co_await w.hosted("cat"), 0);
}
TEST(Host, StreamsOfAllLoopsRegisterTheirTypesWithIt) { with_world(serves_streams); }

}  // namespace
}  // namespace outrigger::runtime::actors
