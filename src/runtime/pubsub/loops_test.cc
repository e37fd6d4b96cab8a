#include <atomic>
#include <future>

#include <gtest/gtest.h>

#include "base/scope.h"
#include "runtime/pubsub/fakes_testing.h"
#include "runtime/pubsub/loader.h"
#include "runtime/pubsub/manager.h"

namespace outrigger::pubsub {
namespace {

namespace brokers = components::pubsub;

constexpr unsigned kLoops = 3;
constexpr int kTopics = 20;

Result<std::unique_ptr<brokers::Broker>> make_fake(const components::Metadata&,
                                                   components::ComponentContext&) {
  return std::make_unique<FakeBroker>();
}
constexpr components::Kind<brokers::Broker> kFakes[] = {{"pubsub.fake", "v1", &make_fake, nullptr}};

// A sidecar with several loops, each on its own thread.
struct World {
  Loops loops{kLoops};
  std::vector<std::unique_ptr<Service>> services;
  std::vector<std::unique_ptr<Subscriber>> subscribers;
  std::vector<std::unique_ptr<FakeApp>> apps;
  std::atomic<int> delivered{0};
  std::optional<SubscriptionManager> manager;
  std::optional<Loader> loader;

  World() {
    SubscriptionManager::Options options{loops, {}, "app", false, nullptr};
    std::vector<Service*> all;
    for (unsigned i = 0; i < kLoops; ++i) {
      services.push_back(std::make_unique<Service>(Service::Settings{.app_id = "app"}));
      subscribers.push_back(std::make_unique<Subscriber>(*services.back()));
      apps.push_back(std::make_unique<FakeApp>());
      apps.back()->on_http = [this](net::Request request) {
        return reply(this, std::move(request));
      };
      subscribers.back()->set_app(apps.back().get());
      options.subscribers.push_back(subscribers.back().get());
      all.push_back(services.back().get());
    }
    manager.emplace(std::move(options));
    loader.emplace(
        Loader::Options{loops, kFakes, std::move(all), *manager, nullptr, "app", "default"});
  }
  static Task<Result<net::Response>> reply(World* self, net::Request) {
    ++self->delivered;
    co_return net::Response();
  }
};

FakeBroker& fake_of(Service& service) {
  return static_cast<FakeBroker&>(service.find("pubsub")->broker());
}

Task<Result<>> deliver_all(Service* service, std::size_t* topics) {
  FakeBroker& fake = fake_of(*service);
  std::vector<std::string> names;
  for (const auto& [topic, deliver] : fake.delivers) names.push_back(topic);
  for (const std::string& topic : names) {
    brokers::Message message;
    message.topic = topic;
    message.data = R"({"id":"1"})";
    OUT_CO_CHECK(co_await fake.give(std::move(message)));
  }
  *topics = names.size();
  co_return Result<>();
}

Task<void> story(World* world, std::promise<void>* done) {
  for (int i = 0; i < kTopics; ++i) {
    resources::Subscription resource;
    resource.name = "sub" + std::to_string(i);
    resource.pubsub_name = "pubsub";
    resource.topic = "topic" + std::to_string(i);
    resource.default_route = "/in";
    EXPECT_TRUE(world->manager->declare(resource));
  }
  const resources::Component spec;
  const components::Metadata metadata{"pubsub", "pubsub.fake", "v1", {}};
  EXPECT_TRUE(co_await world->manager->app_healthy());
  const auto opened = co_await world->loader->open(spec, metadata);
  EXPECT_TRUE(opened);
  std::size_t total = 0;
  for (unsigned i = 0; i < kLoops; ++i) {
    Service* const service = world->services[i].get();
    std::size_t topics = 0;
    std::move_only_function<Task<Result<>>()> work = [service, &topics] {
      return deliver_all(service, &topics);
    };
    EXPECT_TRUE(co_await call_on<void>(world->loops[i], std::move(work)));
    EXPECT_GT(topics, 0U) << "loop " << i;
    total += topics;
  }
  EXPECT_EQ(total, static_cast<std::size_t>(kTopics));
  EXPECT_EQ(world->delivered, kTopics);
  co_await world->loader->close("pubsub");
  co_await world->manager->shut_down();
  done->set_value();
}

TEST(SeveralLoops, ShareTheSubscriptionsAmongThem) {
  World world;
  world.loops.start();
  std::promise<void> done;
  std::optional<Scope> scope;
  world.loops[0].post([&] {
    scope.emplace();
    scope->spawn(story(&world, &done));
  });
  done.get_future().wait();
  world.loops.stop_and_join();
}

}  // namespace
}  // namespace outrigger::pubsub
