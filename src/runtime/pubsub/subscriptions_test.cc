#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/scope.h"
#include "runtime/pubsub/fakes_testing.h"
#include "runtime/pubsub/loader.h"
#include "runtime/pubsub/manager.h"

namespace outrigger::pubsub {
namespace {

namespace brokers = components::pubsub;

constexpr std::string_view kEvent = R"({"id":"1","type":"t","data":"d"})";

brokers::Message message_for(std::string topic, std::string_view data = kEvent) {
  brokers::Message message;
  message.topic = std::move(topic);
  message.data = data;
  return message;
}

resources::Subscription declared(std::string name, std::string topic, std::string route) {
  resources::Subscription resource;
  resource.name = std::move(name);
  resource.pubsub_name = "pubsub";
  resource.topic = std::move(topic);
  resource.default_route = std::move(route);
  return resource;
}

// One loop with a broker, an application and all that is between them.
struct World {
  Loops loops{1};
  Service service{{.app_id = "app"}};
  Subscriber subscriber{service};
  FakeApp app;
  FakeBroker* broker = nullptr;
  std::string subscribe_answer = "[]";
  int subscribe_status = 200;
  int failures_to_answer = 0;
  int asked = 0;
  std::vector<net::Request> delivered;
  bool hold = false;
  Signal release;
  Signal arrived;
  int changes = 0;
  /// What joins it goes on until all is shut down.
  Scope* givers = nullptr;
  std::optional<Duration> drain_max;
  std::optional<SubscriptionManager> manager;

  World() {
    add_broker();
    app.settings.app_id = "app";
    app.on_http = [this](net::Request request) { return reply(this, std::move(request)); };
    subscriber.set_app(&app);
    manager.emplace(SubscriptionManager::Options{
        loops, {&subscriber}, "app", true, [this] { ++changes; }, std::chrono::milliseconds(1)});
  }
  void add_broker(Properties properties = {}) {
    auto made = std::make_unique<FakeBroker>();
    broker = made.get();
    service.add(open_fake("pubsub", std::move(made), std::move(properties)));
  }
  static Task<Result<net::Response>> reply(World* self, net::Request request) {
    net::Response response;
    if (request.target == "/dapr/subscribe") {
      ++self->asked;
      if (self->failures_to_answer-- > 0) co_return fail(Code::unavailable, "refused");
      response.status = self->subscribe_status;
      response.body = self->subscribe_answer;
      co_return response;
    }
    self->delivered.push_back(std::move(request));
    self->arrived.notify_all();
    if (self->hold) {
      OUT_CO_CHECK(co_await self->release.wait());
    }
    co_return response;
  }
  // Runs the steps and ends everything in order.
  void play(Task<void> (*steps)(World*)) { run_on(loops[0], whole(this, steps)); }
  static Task<void> whole(World* self, Task<void> (*steps)(World*)) {
    Scope givers;
    self->givers = &givers;
    co_await steps(self);
    if (self->drain_max) co_await self->manager->limit_drain(*self->drain_max);
    co_await self->manager->shut_down();
    co_await givers.join();
  }
};

TEST(Manager, StartsWhatIsDeclaredAndWhatTheAppAsksFor) {
  World world;
  world.subscribe_answer = R"([{"pubsubname":"pubsub","topic":"b","route":"/b"},)"
                           R"({"pubsubname":"pubsub","topic":"c","route":"/programmatic"},)"
                           R"({"pubsubname":"unknown","topic":"d","route":"/d"}])";
  world.play([](World* w) -> Task<void> {
    EXPECT_TRUE(w->manager->declare(declared("one", "a", "/a")));
    EXPECT_TRUE(w->manager->declare(declared("two", "c", "/declared")));
    co_await w->manager->component_opened("pubsub");
    EXPECT_EQ(w->broker->subscribe_calls, 0);
    EXPECT_TRUE(co_await w->manager->app_healthy());
    EXPECT_EQ(w->broker->delivers.size(), 3U);
    EXPECT_TRUE(co_await w->broker->give(message_for("c")));
    EXPECT_EQ(w->delivered.at(0).target, "/programmatic");
    const auto listed = co_await w->manager->list();
    EXPECT_EQ(listed.size(), 4U);
  });
  EXPECT_TRUE(world.broker->delivers.empty());
  EXPECT_GT(world.changes, 0);
}

TEST(Manager, StopsWhileTheAppIsUnhealthyAndAsksOnce) {
  World world;
  world.play([](World* w) -> Task<void> {
    EXPECT_TRUE(w->manager->declare(declared("one", "a", "/a")));
    co_await w->manager->component_opened("pubsub");
    EXPECT_TRUE(co_await w->manager->app_healthy());
    co_await w->manager->app_unhealthy();
    EXPECT_TRUE(w->broker->delivers.empty());
    EXPECT_TRUE(co_await w->manager->app_healthy());
    EXPECT_EQ(w->broker->delivers.size(), 1U);
    EXPECT_EQ(w->asked, 1);
  });
}

TEST(Manager, AsksAnAppAgainThatCannotBeReached) {
  World world;
  world.subscribe_answer = R"([{"pubsubname":"pubsub","topic":"b","route":"/b"}])";
  world.failures_to_answer = 3;
  world.play([](World* w) -> Task<void> {
    co_await w->manager->component_opened("pubsub");
    EXPECT_TRUE(co_await w->manager->app_healthy());
    EXPECT_EQ(w->asked, 4);
    EXPECT_EQ(w->broker->delivers.size(), 1U);
  });
}

TEST(Manager, GivesUpAfterTheBuiltInPolicyAndAsksAtTheNextChance) {
  World world;
  world.subscribe_answer = R"([{"pubsubname":"pubsub","topic":"b","route":"/b"}])";
  world.failures_to_answer = 4;
  world.play([](World* w) -> Task<void> {
    co_await w->manager->component_opened("pubsub");
    EXPECT_FALSE(co_await w->manager->app_healthy());
    EXPECT_EQ(w->broker->delivers.size(), 0U);
    EXPECT_TRUE(co_await w->manager->app_healthy());
    EXPECT_EQ(w->broker->delivers.size(), 1U);
  });
}

TEST(Manager, TakesNothingOfAnAnswerThatIsWrong) {
  World world;
  world.subscribe_answer = R"([{"pubsubname":"pubsub","topic":"b","routes":{"rules":[)"
                           R"({"match":"event.(","path":"/x"}]}}])";
  world.play([](World* w) -> Task<void> {
    EXPECT_TRUE(w->manager->declare(declared("one", "a", "/a")));
    co_await w->manager->component_opened("pubsub");
    EXPECT_FALSE(co_await w->manager->app_healthy());
    EXPECT_EQ(w->asked, 1);
    EXPECT_TRUE(co_await w->manager->app_healthy());
    EXPECT_EQ(w->broker->delivers.size(), 1U);
  });
}

TEST(Manager, AnAppThatKnowsNoSubscriptionsHasNone) {
  for (const int status : {404, 500}) {
    World world;
    world.subscribe_status = status;
    world.play([](World* w) -> Task<void> {
      co_await w->manager->component_opened("pubsub");
      EXPECT_TRUE(co_await w->manager->app_healthy());
      EXPECT_EQ(w->asked, 1);
    });
  }
}

TEST(Manager, TriesAgainWhatTheBrokerRefuses) {
  World world;
  world.play([](World* w) -> Task<void> {
    EXPECT_TRUE(w->manager->declare(declared("one", "a", "/a")));
    co_await w->manager->component_opened("pubsub");
    w->broker->subscribe_error = Error(Code::unavailable, "not yet");
    EXPECT_TRUE(co_await w->manager->app_healthy());
    EXPECT_EQ(w->broker->delivers.size(), 0U);
    while (w->broker->subscribe_calls < 3) {
      EXPECT_TRUE(co_await sleep_for(std::chrono::milliseconds(1)));
    }
    w->broker->subscribe_error.reset();
    while (w->broker->delivers.empty()) {
      EXPECT_TRUE(co_await sleep_for(std::chrono::milliseconds(1)));
    }
  });
}

TEST(Manager, DoesNotTryAgainWhatTheScopesForbid) {
  World world;
  world.add_broker({{"subscriptionScopes", "app=other"}});
  world.play([](World* w) -> Task<void> {
    EXPECT_TRUE(w->manager->declare(declared("one", "a", "/a")));
    co_await w->manager->component_opened("pubsub");
    EXPECT_TRUE(co_await w->manager->app_healthy());
    EXPECT_EQ(w->broker->subscribe_calls, 0);
  });
}

TEST(Manager, IgnoresWhatIsDeclaredForOtherApps) {
  World world;
  auto foreign = declared("one", "a", "/a");
  foreign.scopes = {"another"};
  EXPECT_TRUE(world.manager->declare(foreign));
  world.play([](World* w) -> Task<void> {
    const auto listed = co_await w->manager->list();
    EXPECT_TRUE(listed.empty());
  });
}

TEST(Manager, FollowsChangesOfWhatIsDeclared) {
  World world;
  world.play([](World* w) -> Task<void> {
    EXPECT_TRUE(w->manager->declare(declared("one", "a", "/a")));
    co_await w->manager->component_opened("pubsub");
    EXPECT_TRUE(co_await w->manager->app_healthy());
    EXPECT_TRUE(w->manager->declare(declared("one", "b", "/b")));
    co_await w->manager->apply();
    EXPECT_TRUE(w->broker->delivers.contains("b"));
    EXPECT_FALSE(w->broker->delivers.contains("a"));
    w->manager->undeclare("one");
    co_await w->manager->apply();
    EXPECT_TRUE(w->broker->delivers.empty());
  });
}

TEST(Manager, PausesBrokersBeforeTheGracefulEndOnly) {
  World world;
  world.play([](World* w) -> Task<void> {
    EXPECT_TRUE(w->manager->declare(declared("one", "a", "/a")));
    co_await w->manager->component_opened("pubsub");
    EXPECT_TRUE(co_await w->manager->app_healthy());
    co_await w->manager->app_unhealthy();
    EXPECT_EQ(w->broker->pauses, 0);
    EXPECT_TRUE(co_await w->manager->app_healthy());
  });
  EXPECT_EQ(world.broker->pauses, 1);
  EXPECT_EQ(world.broker->paused_with, 1U);
}

TEST(Manager, ABatchWaitsForNobodyIfTheBrokerGivesOneAtATime) {
  World world;
  world.broker->abilities.bulk_subscribe_immediate = true;
  auto bulk = declared("one", "a", "/bulk");
  bulk.bulk_subscribe = {true, 100, 60'000};
  EXPECT_TRUE(world.manager->declare(bulk));
  world.play([](World* w) -> Task<void> {
    co_await w->manager->component_opened("pubsub");
    EXPECT_TRUE(co_await w->manager->app_healthy());
    [[maybe_unused]] const auto given = co_await w->broker->give(message_for("a"));
    EXPECT_EQ(w->delivered.size(), 1U);
  });
}

TEST(Manager, DrainsWhatIsBeingDeliveredBeforeItStops) {
  World world;
  world.hold = true;
  world.play([](World* w) -> Task<void> {
    struct Give {
      static Task<void> run(World* w, bool* done) {
        const auto given = co_await w->broker->give(message_for("a"));
        *done = given.has_value();
      }
      static Task<void> stop(World* w, bool* stopped) {
        co_await w->manager->app_unhealthy();
        *stopped = true;
      }
    };
    EXPECT_TRUE(w->manager->declare(declared("one", "a", "/a")));
    co_await w->manager->component_opened("pubsub");
    EXPECT_TRUE(co_await w->manager->app_healthy());
    bool done = false;
    bool stopped = false;
    Scope scope;
    scope.spawn(Give::run(w, &done));
    EXPECT_EQ(w->delivered.size(), 1U);
    scope.spawn(Give::stop(w, &stopped));
    EXPECT_FALSE(stopped);
    w->release.notify_all();
    co_await scope.join();
    EXPECT_TRUE(done);
    EXPECT_TRUE(stopped);
  });
}

/// An event that the application works on until it is given up.
Task<void> begin_to_deliver(World* w, std::optional<Result<>>* given) {
  struct Give {
    static Task<void> run(World* w, std::optional<Result<>>* given) {
      *given = co_await w->broker->give(message_for("a"));
    }
  };
  w->hold = true;
  EXPECT_TRUE(w->manager->declare(declared("one", "a", "/a")));
  co_await w->manager->component_opened("pubsub");
  EXPECT_TRUE(co_await w->manager->app_healthy());
  w->givers->spawn(Give::run(w, given));
  EXPECT_EQ(w->delivered.size(), 1U);
}

TEST(Manager, WhatIsDeliveredForTooLongAtTheEndIsTheBrokersAgain) {
  World world;
  world.drain_max = std::chrono::milliseconds(1);
  static std::optional<Result<>> given;
  world.play([](World* w) -> Task<void> { co_await begin_to_deliver(w, &given); });
  ASSERT_TRUE(given);
  EXPECT_FALSE(*given);
}

TEST(Manager, ADrainThatHasBegunIsCutShort) {
  World world;
  static std::optional<Result<>> given;
  world.play([](World* w) -> Task<void> {
    co_await begin_to_deliver(w, &given);
    w->givers->spawn(w->manager->app_unhealthy());
    EXPECT_FALSE(given);
    co_await w->manager->limit_drain(std::chrono::milliseconds(1));
  });
  ASSERT_TRUE(given);
  EXPECT_FALSE(*given);
}

TEST(Manager, BatchesForABrokerThatGivesOneByOne) {
  World world;
  auto bulk = declared("one", "a", "/bulk");
  bulk.bulk_subscribe = {true, 3, 60'000};
  EXPECT_TRUE(world.manager->declare(bulk));
  world.play([](World* w) -> Task<void> {
    struct Give {
      static Task<void> run(World* w, int* handled) {
        [[maybe_unused]] const auto given = co_await w->broker->give(message_for("a"));
        ++*handled;
      }
    };
    co_await w->manager->component_opened("pubsub");
    EXPECT_TRUE(co_await w->manager->app_healthy());
    int handled = 0;
    Scope scope;
    scope.spawn(Give::run(w, &handled));
    scope.spawn(Give::run(w, &handled));
    EXPECT_EQ(w->delivered.size(), 0U);
    scope.spawn(Give::run(w, &handled));
    EXPECT_EQ(w->delivered.size(), 1U);
    const auto body = nlohmann::json::parse(w->delivered[0].body.whole);
    EXPECT_EQ(body["entries"].size(), 3U);
    co_await scope.join();
    EXPECT_EQ(handled, 3);
    // The last ones do not wait for their batch to fill when the subscription ends.
    scope.spawn(Give::run(w, &handled));
    co_await w->manager->app_unhealthy();
    co_await scope.join();
    EXPECT_EQ(handled, 4);
    EXPECT_EQ(w->delivered.size(), 2U);
  });
}

TEST(Manager, ABatchThatDoesNotFillIsGivenAwayInTime) {
  World world;
  auto bulk = declared("one", "a", "/bulk");
  bulk.bulk_subscribe = {true, 100, 1};
  EXPECT_TRUE(world.manager->declare(bulk));
  world.play([](World* w) -> Task<void> {
    co_await w->manager->component_opened("pubsub");
    EXPECT_TRUE(co_await w->manager->app_healthy());
    // The fake application settles no entry, so it must be given again.
    EXPECT_FALSE(co_await w->broker->give(message_for("a")));
    EXPECT_EQ(w->delivered.size(), 1U);
  });
}

TEST(Manager, LetsGoOfAComponentAndTakesItUpAgain) {
  World world;
  world.play([](World* w) -> Task<void> {
    EXPECT_TRUE(w->manager->declare(declared("one", "a", "/a")));
    co_await w->manager->component_opened("pubsub");
    EXPECT_TRUE(co_await w->manager->app_healthy());
    co_await w->manager->component_closing("pubsub");
    EXPECT_TRUE(w->broker->delivers.empty());
    const auto taken = w->service.take_out("pubsub");
    co_await taken->close();
    w->add_broker();
    co_await w->manager->component_opened("pubsub");
    EXPECT_TRUE(w->broker->delivers.contains("a"));
  });
}

Result<std::unique_ptr<brokers::Broker>> make_fake(const components::Metadata& metadata,
                                                   components::ComponentContext&) {
  if (metadata.properties.contains("broken")) return fail(Code::invalid_argument, "broken");
  EXPECT_EQ(metadata.properties.at("consumerID"), "app");
  return std::make_unique<FakeBroker>();
}
constexpr components::Kind<brokers::Broker> kFakes[] = {{"pubsub.fake", "v1", &make_fake, nullptr}};

TEST(PubsubLoader, OpensABrokerAndStartsItsSubscriptions) {
  World world;
  world.play([](World* w) -> Task<void> {
    const auto taken = w->service.take_out("pubsub");
    co_await taken->close();
    Loader loader({w->loops, kFakes, {&w->service}, *w->manager, nullptr, "app", "ns"});
    EXPECT_TRUE(loader.knows("pubsub.fake", ""));
    EXPECT_FALSE(loader.knows("pubsub.other", ""));
    EXPECT_TRUE(w->manager->declare(declared("one", "a", "/a")));
    EXPECT_TRUE(co_await w->manager->app_healthy());
    resources::Component spec;
    spec.name = "pubsub";
    resources::NameValue item;
    item.name = "topicGroup";
    item.value = "{namespace}";
    item.has_value = true;
    spec.metadata.push_back(item);
    components::Metadata metadata{"pubsub", "pubsub.fake", "v1", {{"consumerID", "  "}}};
    const auto opened = co_await loader.open(spec, metadata);
    EXPECT_TRUE(opened);
    const auto broker = w->service.find("pubsub");
    EXPECT_EQ(broker->broker_topic("a"), "nsa");
    auto& fake = static_cast<FakeBroker&>(broker->broker());
    EXPECT_TRUE(fake.delivers.contains("nsa"));
    EXPECT_TRUE(co_await fake.give(message_for("nsa")));
    EXPECT_EQ(w->delivered.at(0).target, "/a");
    co_await loader.close("pubsub");
    EXPECT_TRUE(fake.closed);
    EXPECT_TRUE(fake.delivers.empty());
    EXPECT_EQ(w->service.find("pubsub"), nullptr);
  });
}

TEST(PubsubLoader, LeavesNothingBehindOfAComponentThatCannotBeOpened) {
  World world;
  world.play([](World* w) -> Task<void> {
    Loader loader({w->loops, kFakes, {&w->service}, *w->manager, nullptr, "app", "ns"});
    resources::Component spec;
    components::Metadata metadata{"second", "pubsub.fake", "v1", {{"broken", "yes"}}};
    EXPECT_FALSE(co_await loader.open(spec, metadata));
    EXPECT_EQ(w->service.find("second"), nullptr);
  });
}

TEST(PubsubLoader, MovesSubscriptionsToTheBrokerThatTakesTheOldOnesPlace) {
  World world;
  world.play([](World* w) -> Task<void> {
    Loader loader({w->loops, kFakes, {&w->service}, *w->manager, nullptr, "app", "ns"});
    EXPECT_TRUE(w->manager->declare(declared("one", "a", "/a")));
    co_await w->manager->component_opened("pubsub");
    EXPECT_TRUE(co_await w->manager->app_healthy());
    EXPECT_TRUE(w->broker->delivers.contains("a"));
    const auto old_one = w->service.find("pubsub");
    // While a publication is in the old one.
    std::optional<OpenBroker::Use> inside;
    inside.emplace(*old_one);
    resources::Component spec;
    components::Metadata metadata{"pubsub", "pubsub.fake", "v1", {}};
    auto opened = co_await loader.open(spec, metadata);
    EXPECT_TRUE(opened && opened->replaced);
    if (!opened || !opened->replaced) co_return;
    EXPECT_TRUE(w->broker->delivers.empty());
    EXPECT_FALSE(w->broker->closed);
    auto& fresh = static_cast<FakeBroker&>(w->service.find("pubsub")->broker());
    EXPECT_NE(&fresh, w->broker);
    EXPECT_TRUE(fresh.delivers.contains("a"));
    EXPECT_TRUE(co_await fresh.give(message_for("a")));
    inside.reset();
    co_await *std::move(opened->replaced);
    EXPECT_TRUE(w->broker->closed);
    // Where the new one cannot be opened all stays.
    components::Metadata broken{"pubsub", "pubsub.fake", "v1", {{"broken", "yes"}}};
    EXPECT_FALSE(co_await loader.open(spec, broken));
    EXPECT_TRUE(fresh.delivers.contains("a"));
    co_await loader.close("pubsub");
  });
}

}  // namespace
}  // namespace outrigger::pubsub
