#include "runtime/processor/processor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/log.h"

namespace outrigger::runtime::processor {
namespace {

using resources::Component;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Failed = Processor::Failed;

Component component(std::string name, std::string type = "state.fake") {
  Component made;
  made.name = std::move(name);
  made.type = std::move(type);
  made.version = "v1";
  return made;
}

Component with(Component made, std::string name, std::string value) {
  resources::NameValue item;
  item.name = std::move(name);
  item.value = std::move(value);
  item.has_value = true;
  made.metadata.push_back(std::move(item));
  return made;
}

Component with_secret(Component made, std::string store = "vault") {
  resources::NameValue item;
  item.name = "password";
  item.secret_key_ref = {"login", "password"};
  made.metadata.push_back(std::move(item));
  made.secret_store = std::move(store);
  return made;
}

/// What happens to the components of one block, in the order in which it happens.
class FakeLoader final : public ComponentLoader {
 public:
  FakeLoader(std::string category, std::vector<std::string>& events)
      : category_(std::move(category)), events_(events) {}

  [[nodiscard]] std::string_view category() const noexcept override { return category_; }
  [[nodiscard]] std::string_view noun() const noexcept override { return "fake"; }
  [[nodiscard]] bool guards() const noexcept override { return category_ == "middleware"; }
  [[nodiscard]] bool knows(std::string_view type, std::string_view) const override {
    return !type.ends_with(".unknown");
  }
  [[nodiscard]] std::optional<std::string> refuses(const Component& spec) const override {
    const bool only_one = spec.find("onlyOne") != nullptr;
    if (!only_one || one_.empty() || one_ == spec.name) return std::nullopt;
    return one_ + " is there";
  }
  Task<Result<Opened>> open(Component spec, components::Metadata metadata) override {
    if (metadata.properties.contains("slow")) {
      const auto woken = co_await idle.wait();
      if (!woken) co_return fail(woken.error());
    }
    const auto password = metadata.find({"password"});
    if (broken || metadata.properties.contains("broken")) {
      events_.push_back("broken " + spec.name);
      co_return fail(Code::unavailable, "it is broken");
    }
    events_.push_back("open " + spec.name + (password ? " " + std::string(*password) : ""));
    if (spec.find("onlyOne") != nullptr) one_ = spec.name;
    Opened opened;
    opened.capabilities = {"FAKE"};
    const bool replaces = !open_.insert(spec.name).second;
    if (replaces) opened.replaced = end(this, "replaced " + spec.name);
    co_return std::move(opened);
  }
  Task<Closing> withdraw(std::string name) override {
    events_.push_back("withdraw " + name);
    EXPECT_EQ(open_.erase(name), 1U) << name;
    if (one_ == name) one_.clear();
    Closing closing = end(this, "closed " + name);
    co_return closing;
  }
  /// A call that goes on for as long as this is set keeps what is closed.
  bool busy = false;
  Signal idle;
  /// Nothing can be opened.
  bool broken = false;

 private:
  static Task<void> end(FakeLoader* loader, std::string event) {
    while (loader->busy) {
      [[maybe_unused]] const auto woken = co_await loader->idle.wait();
    }
    loader->events_.push_back(std::move(event));
  }
  std::string category_;
  std::vector<std::string>& events_;
  std::set<std::string> open_;
  std::string one_;
};

struct World {
  std::vector<std::string> events;
  std::map<std::string, std::string> passwords{{"vault", "old"}};
  FakeLoader states{"state", events};
  FakeLoader stores{"secretstores", events};
  FakeLoader middlewares{"middleware", events};
  Processor processor;

  explicit World(Processor::Settings settings = {})
      : processor(
            std::move(settings),
            [this](std::string store, std::string) { return secret(this, store); }, nullptr) {
    processor.add(states);
    processor.add(stores);
    processor.add(middlewares);
  }
  static Task<Result<resources::Secret>> secret(World* world, std::string store) {
    const auto found = world->passwords.find(store);
    if (found == world->passwords.end()) co_return fail(Code::unavailable, "no " + store);
    resources::Secret secret;
    secret.emplace("password", found->second);
    co_return secret;
  }
  std::vector<std::string> take_events() { return std::exchange(events, {}); }
  std::vector<std::string> loaded() const {
    std::vector<std::string> names;
    for (const auto& each : processor.loaded()) names.push_back(each.spec.name);
    return names;
  }
  std::vector<std::string> known(Failed failed = Failed::left_out) const {
    std::vector<std::string> names;
    for (const auto& each : processor.known(failed)) names.push_back(each.name);
    return names;
  }
  /// One task for a whole story, for everything belongs to one loop.
  static void play(Task<void> (*story)(World*), Processor::Settings settings = {}) {
    World world(std::move(settings));
    struct All {
      static Task<void> run(World* world, Task<void> (*story)(World*)) {
        co_await story(world);
        co_await world->processor.close();
      }
    };
    run(All::run(&world, story));
  }
};

TEST(Processor, ANewComponentIsOpenedAndADeletedOneClosed) {
  World::play([](World* w) -> Task<void> {
    std::vector<Component> none;
    EXPECT_TRUE(co_await w->processor.load(std::move(none)));
    EXPECT_TRUE(co_await w->processor.update(component("a")));
    EXPECT_THAT(w->loaded(), ElementsAre("a"));
    EXPECT_EQ(w->processor.loaded()[0].capabilities, std::vector<std::string>{"FAKE"});
    EXPECT_TRUE(co_await w->processor.remove("a"));
    EXPECT_THAT(w->take_events(), ElementsAre("open a", "withdraw a", "closed a"));
    EXPECT_THAT(w->known(), IsEmpty());
    EXPECT_TRUE(co_await w->processor.remove("a"));
    EXPECT_THAT(w->take_events(), IsEmpty());
  });
}

TEST(Processor, AChangedComponentIsOpenBeforeTheOldOneIsClosed) {
  World::play([](World* w) -> Task<void> {
    EXPECT_TRUE(co_await w->processor.update(component("a")));
    EXPECT_TRUE(co_await w->processor.update(with(component("a"), "x", "1")));
    EXPECT_THAT(w->take_events(), ElementsAre("open a", "open a", "replaced a"));
    // The same once more is no change.
    EXPECT_TRUE(co_await w->processor.update(with(component("a"), "x", "1")));
    EXPECT_THAT(w->take_events(), IsEmpty());
    // Two blocks know nothing of each other: the one first, then the other.
    EXPECT_TRUE(co_await w->processor.update(component("a", "secretstores.fake")));
    EXPECT_THAT(w->take_events(), ElementsAre("withdraw a", "closed a", "open a"));
  });
}

TEST(Processor, CallsThatGoOnHoldUpNobodyElse) {
  World::play([](World* w) -> Task<void> {
    EXPECT_TRUE(co_await w->processor.update(component("a")));
    w->states.busy = true;
    EXPECT_TRUE(co_await w->processor.update(with(component("a"), "x", "1")));
    EXPECT_TRUE(co_await w->processor.remove("a"));
    EXPECT_TRUE(co_await w->processor.update(component("b")));
    EXPECT_THAT(w->take_events(), ElementsAre("open a", "open a", "withdraw a", "open b"));
    w->states.busy = false;
    w->states.idle.notify_all();
  });
}

TEST(Processor, AFailureEndsTheProcessUnlessTheComponentSaysToIgnoreIt) {
  World::play([](World* w) -> Task<void> {
    EXPECT_TRUE(co_await w->processor.update(component("a")));
    auto broken = with(component("a"), "broken", "yes");
    broken.ignore_errors = true;
    EXPECT_TRUE(co_await w->processor.update(broken));
    // As upstream: the old one does not stay.
    EXPECT_THAT(w->take_events(), ElementsAre("open a", "broken a", "withdraw a", "closed a"));
    EXPECT_THAT(w->known(), IsEmpty());
    EXPECT_THAT(w->known(Failed::included), ElementsAre("a"));
    EXPECT_TRUE(co_await w->processor.update(component("a")));
    EXPECT_THAT(w->known(), ElementsAre("a"));
    broken.ignore_errors = false;
    const auto failed = co_await w->processor.update(broken);
    EXPECT_FALSE(failed);
    if (failed) co_return;
    EXPECT_EQ(failed.error().message(),
              "process component a error: [INIT_COMPONENT_FAILURE]: initialization error occurred "
              "for a (state.fake/v1): [INIT_COMPONENT_FAILURE]: initialization error occurred for "
              "a (state.fake/v1): it is broken");
    // Until the process has ended it does what it did.
    EXPECT_THAT(w->loaded(), ElementsAre("a"));
  });
}

TEST(Processor, AGuardStaysWhenAnotherCannotTakeItsPlace) {
  World::play([](World* w) -> Task<void> {
    const LogCapture log;
    EXPECT_TRUE(co_await w->processor.load({}));
    const auto guard = component("g", "middleware.fake");
    EXPECT_TRUE(co_await w->processor.update(guard));
    auto broken = with(guard, "broken", "yes");
    broken.ignore_errors = true;
    EXPECT_TRUE(co_await w->processor.update(broken));
    EXPECT_THAT(w->take_events(), ElementsAre("open g", "broken g"));
    EXPECT_THAT(w->loaded(), ElementsAre("g"));
    EXPECT_TRUE(log.contains("goes on as it was, for calls would pass without it"));
    EXPECT_THAT(w->known(Failed::included), ElementsAre("g"));
    // Neither does it go while the new one waits.
    EXPECT_TRUE(co_await w->processor.update(with_secret(guard)));
    EXPECT_THAT(w->take_events(), IsEmpty());
    EXPECT_TRUE(co_await w->processor.update(component("vault", "secretstores.fake")));
    EXPECT_THAT(w->take_events(), ElementsAre("open vault", "open g old", "replaced g"));
    EXPECT_TRUE(co_await w->processor.remove("g"));
    EXPECT_THAT(w->take_events(), ElementsAre("withdraw g", "closed g"));
  });
}

TEST(Processor, OneThatIsBeingOpenedAtTheEndLeavesTheOldOneInUse) {
  World::play([](World* w) -> Task<void> {
    EXPECT_TRUE(co_await w->processor.update(component("a")));
    Cancellation end;
    std::optional<Result<>> ended;
    struct Updating {
      static Task<void> run(World* w, std::optional<Result<>>* ended) {
        auto updated = co_await w->processor.update(with(component("a"), "slow", "yes"));
        ended->emplace(std::move(updated));
      }
    };
    Scope scope;
    scope.spawn(Updating::run(w, &ended), end);
    EXPECT_FALSE(ended);
    end.request();
    co_await scope.join();
    EXPECT_TRUE(ended && !*ended);
    EXPECT_THAT(w->loaded(), ElementsAre("a"));
    EXPECT_THAT(w->take_events(), ElementsAre("open a"));
  });
}

TEST(Processor, AComponentWaitsForItsSecretStore) {
  World::play([](World* w) -> Task<void> {
    const LogCapture log;
    EXPECT_TRUE(co_await w->processor.load({}));
    EXPECT_TRUE(co_await w->processor.update(component("a")));
    EXPECT_TRUE(co_await w->processor.update(with_secret(component("a"))));
    EXPECT_TRUE(log.contains("Component updated: a (state.fake/v1)"));
    EXPECT_THAT(w->take_events(), ElementsAre("open a", "withdraw a", "closed a"));
    EXPECT_THAT(w->loaded(), IsEmpty());
    EXPECT_THAT(w->known(), ElementsAre("a"));
    EXPECT_TRUE(co_await w->processor.update(component("vault", "secretstores.fake")));
    EXPECT_THAT(w->take_events(), ElementsAre("open vault", "open a old"));
    // It goes on when the store goes.
    EXPECT_TRUE(co_await w->processor.remove("vault"));
    EXPECT_THAT(w->loaded(), ElementsAre("a"));
  });
}

TEST(Processor, OneThatIsRefusedBesideAnotherComesWhenThatGoes) {
  World::play([](World* w) -> Task<void> {
    const LogCapture log;
    EXPECT_TRUE(co_await w->processor.load({}));
    EXPECT_TRUE(co_await w->processor.update(with(component("one"), "onlyOne", "")));
    EXPECT_TRUE(co_await w->processor.update(with(component("two"), "onlyOne", "")));
    EXPECT_TRUE(log.contains("Skipping hot reload of two (state.fake/v1): one is there"));
    EXPECT_THAT(w->loaded(), ElementsAre("one"));
    EXPECT_TRUE(co_await w->processor.remove("one"));
    EXPECT_THAT(w->loaded(), ElementsAre("two"));
  });
}

TEST(Processor, AWaitingOneThatChangesOrGoesIsNotOpenedAsItWas) {
  World::play([](World* w) -> Task<void> {
    EXPECT_TRUE(co_await w->processor.load({}));
    EXPECT_TRUE(co_await w->processor.update(with_secret(component("a"))));
    EXPECT_TRUE(co_await w->processor.update(with_secret(component("b"))));
    EXPECT_TRUE(co_await w->processor.update(component("a")));
    EXPECT_TRUE(co_await w->processor.remove("b"));
    EXPECT_TRUE(co_await w->processor.update(component("vault", "secretstores.fake")));
    EXPECT_THAT(w->take_events(), ElementsAre("open a", "open vault"));
  });
}

TEST(Processor, ChangedSecretsOpenWhatUsesThemAgain) {
  World::play([](World* w) -> Task<void> {
    EXPECT_TRUE(co_await w->processor.update(component("vault", "secretstores.fake")));
    EXPECT_TRUE(co_await w->processor.update(component("plain")));
    EXPECT_TRUE(co_await w->processor.update(with_secret(component("a"))));
    w->take_events();
    co_await w->processor.refresh_secrets();
    EXPECT_THAT(w->take_events(), IsEmpty());
    w->passwords["vault"] = "new";
    co_await w->processor.refresh_secrets();
    EXPECT_THAT(w->take_events(), ElementsAre("open a new", "replaced a"));
    // A store that does not answer changes nothing.
    w->passwords.clear();
    co_await w->processor.refresh_secrets();
    EXPECT_THAT(w->take_events(), IsEmpty());
    EXPECT_THAT(w->loaded(), ElementsAre("vault", "plain", "a"));
  });
}

TEST(Processor, WhatCannotBeOpenedAgainStays) {
  World::play([](World* w) -> Task<void> {
    EXPECT_TRUE(co_await w->processor.update(component("vault", "secretstores.fake")));
    w->take_events();
    co_await w->processor.reopen("vault");
    EXPECT_THAT(w->take_events(), ElementsAre("open vault", "replaced vault"));
    w->stores.broken = true;
    co_await w->processor.reopen("vault");
    EXPECT_THAT(w->take_events(), ElementsAre("broken vault"));
    EXPECT_THAT(w->loaded(), ElementsAre("vault"));
    co_await w->processor.reopen("nobody");
    EXPECT_THAT(w->take_events(), IsEmpty());
  });
}

TEST(Processor, RulesAboutTypesMayChange) {
  Processor::Settings settings;
  settings.denied = {"state.fake"};
  World::play(
      [](World* w) -> Task<void> {
        std::vector<Component> both;
        both.push_back(component("a"));
        both.push_back(component("vault", "secretstores.fake"));
        EXPECT_TRUE(co_await w->processor.load(std::move(both)));
        EXPECT_THAT(w->take_events(), ElementsAre("open vault"));
        EXPECT_THAT(w->known(), ElementsAre("a", "vault"));
        std::vector<std::string> denied;
        denied.push_back("SECRETSTORES.fake/v1");
        EXPECT_TRUE(co_await w->processor.set_rules(std::move(denied), false));
        EXPECT_THAT(w->take_events(), ElementsAre("open a", "withdraw vault", "closed vault"));
        EXPECT_TRUE(
            co_await w->processor.update(with(component("vault", "secretstores.fake"), "x", "")));
        EXPECT_THAT(w->take_events(), IsEmpty());
      },
      std::move(settings));
}

TEST(Processor, WhatWaitsIsNotOpenedIfItIsDeniedMeanwhile) {
  World::play([](World* w) -> Task<void> {
    EXPECT_TRUE(co_await w->processor.load({}));
    EXPECT_TRUE(co_await w->processor.update(with_secret(component("a"))));
    EXPECT_TRUE(co_await w->processor.update(with(component("one"), "onlyOne", "")));
    EXPECT_TRUE(co_await w->processor.update(with(component("two"), "onlyOne", "")));
    EXPECT_THAT(w->take_events(), ElementsAre("open one"));
    std::vector<std::string> denied;
    denied.push_back("state.fake");
    EXPECT_TRUE(co_await w->processor.set_rules(std::move(denied), false));
    EXPECT_THAT(w->take_events(), ElementsAre("withdraw one", "closed one"));
    EXPECT_TRUE(co_await w->processor.update(component("vault", "secretstores.fake")));
    EXPECT_TRUE(co_await w->processor.update(with(component("three"), "onlyOne", "")));
    EXPECT_TRUE(co_await w->processor.remove("one"));
    EXPECT_THAT(w->take_events(), ElementsAre("open vault"));
    std::vector<std::string> names = w->known();
    std::ranges::sort(names);
    EXPECT_THAT(names, ElementsAre("a", "three", "two", "vault"));
  });
}

TEST(Processor, AnotherSandboxOpensWhatItIsForAgain) {
  World::play([](World* w) -> Task<void> {
    EXPECT_TRUE(co_await w->processor.update(component("a")));
    EXPECT_TRUE(co_await w->processor.update(component("guest", "middleware.http.wasm")));
    EXPECT_TRUE(co_await w->processor.update(
        with(component("strict", "middleware.http.wasm"), "strictSandbox", "true")));
    w->take_events();
    EXPECT_TRUE(co_await w->processor.set_rules({}, false));
    EXPECT_THAT(w->take_events(), IsEmpty());
    EXPECT_TRUE(co_await w->processor.set_rules({}, true));
    EXPECT_THAT(w->take_events(), ElementsAre("open guest", "replaced guest"));
    // One that cannot be had with it is not left without.
    w->middlewares.broken = true;
    EXPECT_FALSE(co_await w->processor.set_rules({}, false));
    EXPECT_THAT(w->take_events(), ElementsAre("broken guest", "withdraw guest", "closed guest"));
  });
}

TEST(Processor, WhatIsNoTypeOfAnyBlockIsAnErrorAsAtTheStart) {
  World::play([](World* w) -> Task<void> {
    const auto wrong = co_await w->processor.update(component("a", "nonsense"));
    EXPECT_FALSE(wrong);
    if (wrong) co_return;
    EXPECT_EQ(wrong.error().message(), "process component a error: incorrect type nonsense");
    const auto unknown = co_await w->processor.update(component("a", "state.unknown"));
    EXPECT_FALSE(unknown);
    if (unknown) co_return;
    EXPECT_THAT(unknown.error().message(),
                ::testing::EndsWith("couldn't find fake state.unknown/v1"));
  });
}

resources::HttpEndpoint endpoint(std::string key_of) {
  resources::HttpEndpoint made;
  made.name = "site";
  made.secret_store = "vault";
  made.client_tls.emplace().private_key.emplace().secret_key_ref = {"login", std::move(key_of)};
  return made;
}

TEST(Processor, AnHttpEndpointKeepsItsSecretsWhileTheirStoreDoesNotAnswer) {
  World::play([](World* w) -> Task<void> {
    using List = std::vector<resources::HttpEndpoint>;
    const auto key = [](const List& list) { return list.at(0).client_tls->private_key->value; };
    const List site{endpoint("password")};
    EXPECT_EQ(key(co_await w->processor.resolve(site)), "old");
    w->passwords["vault"] = "new";
    EXPECT_EQ(key(co_await w->processor.resolve(site)), "new");
    w->passwords.clear();
    EXPECT_EQ(key(co_await w->processor.resolve(site)), "new");
    // Another one of that name has no claim to them.
    const List other{endpoint("")};
    EXPECT_EQ(key(co_await w->processor.resolve(other)), std::nullopt);
    EXPECT_EQ(key(co_await w->processor.resolve(site)), std::nullopt);
  });
}

}  // namespace
}  // namespace outrigger::runtime::processor
