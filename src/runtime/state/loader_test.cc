#include "runtime/state/loader.h"

#include <gtest/gtest.h>

#include "base/log.h"
#include "runtime/state/fixture_testing.h"

namespace outrigger::runtime::state::testing {
namespace {

Result<std::unique_ptr<stores::Store>> make_fake(const components::Metadata& metadata,
                                                 components::ComponentContext&) {
  if (metadata.properties.contains("broken")) return fail(Code::invalid_argument, "broken");
  return std::make_unique<FakeStore>();
}
std::vector<components::FieldInfo> no_fields() { return {}; }
constexpr components::Kind<stores::Store> kFakes[] = {{"state.fake", "v1", &make_fake, &no_fields}};

class StateLoader : public ::testing::Test {
 protected:
  StateLoader() { loops_.start(); }
  ~StateLoader() override { loops_.stop_and_join(); }

  static Loader::Settings settings() {
    Loader::Settings made;
    made.owner = {"app", "space"};
    made.app_namespace = "space";
    made.actors = true;
    made.kinds = kFakes;
    return made;
  }
  static components::Metadata metadata(std::string name, components::Properties properties = {}) {
    components::Metadata made;
    made.name = std::move(name);
    made.type = "state.fake";
    made.properties = std::move(properties);
    return made;
  }
  std::string error_of(resources::Component spec, components::Metadata metadata) {
    const auto opened = run(loader_.open(std::move(spec), std::move(metadata)));
    return opened ? "" : opened.error().message();
  }

  Loops loops_{2};
  Service first_{{}};
  Service second_{{}};
  Loader loader_{loops_, {&first_, &second_}, settings()};
};

TEST_F(StateLoader, AStoreIsOpenedOnEveryLoopAndClosedAgain) {
  EXPECT_EQ(loader_.category(), "state");
  EXPECT_EQ(loader_.noun(), "state store");
  EXPECT_TRUE(loader_.knows("state.FAKE", "V1"));
  EXPECT_FALSE(loader_.knows("state.other", "v1"));
  const auto capabilities = run(loader_.open({}, metadata("store", {{"keyPrefix", "namespace"}})));
  EXPECT_EQ(capabilities.value().capabilities,
            (std::vector<std::string>{"ETAG", "TRANSACTIONAL", "TTL", "QUERY_API", "ACTOR"}));
  ASSERT_TRUE(first_.find("store"));
  ASSERT_TRUE(second_.find("store"));
  EXPECT_NE(&first_.find("store")->store(), &second_.find("store")->store());
  EXPECT_EQ(second_.find("store")->prefix().text(), "space.app||");
  run(loader_.close("store"));
  EXPECT_FALSE(first_.find("store"));
  EXPECT_FALSE(second_.find("store"));
}

TEST_F(StateLoader, AStoreThatFailsToOpenIsNowhere) {
  EXPECT_EQ(error_of({}, metadata("store", {{"broken", ""}, {"actorStateStore", "true"}})),
            "broken");
  EXPECT_FALSE(first_.find("store"));
  EXPECT_EQ(loader_.actor_store(), std::nullopt);
  EXPECT_EQ(error_of({}, metadata("store", {{"keyPrefix", "a||b"}})),
            "failed to save lock keyprefix: api error: code = InvalidArgument desc = input "
            "key/keyPrefix 'a||b' can't contain '||'");
  EXPECT_FALSE(first_.find("store"));
}

TEST_F(StateLoader, OneStoreKeepsTheActorsState) {
  const LogCapture log;
  EXPECT_EQ(error_of({}, metadata("one", {{"ActorStateStore", "true"}})), "");
  EXPECT_TRUE(log.contains("Using 'one' as actor state store"));
  EXPECT_EQ(loader_.actor_store(), "one");
  EXPECT_EQ(error_of({}, metadata("two", {{"actorStateStore", "yes"}})),
            "detected duplicate actor state store: one and two");
  EXPECT_EQ(error_of({}, metadata("three", {{"actorStateStore", "false"}})), "");
  run(loader_.close("one"));
  EXPECT_EQ(loader_.actor_store(), std::nullopt);
}

TEST_F(StateLoader, WithoutActorsNoStoreIsTheirs) {
  auto without = settings();
  without.actors = false;
  Loader loader(loops_, {&first_, &second_}, std::move(without));
  ASSERT_TRUE(run(loader.open({}, metadata("one", {{"actorStateStore", "true"}}))));
  EXPECT_EQ(loader.actor_store(), std::nullopt);
}

TEST_F(StateLoader, EncryptionKeysComeFromTheComponent) {
  const LogCapture log;
  resources::Component spec;
  spec.name = "store";
  spec.secret_store = "vault";
  resources::NameValue key;
  key.name = "primaryEncryptionKey";
  key.value = "000102030405060708090a0b0c0d0e0f";
  key.secret_key_ref.name = "k";
  spec.metadata.push_back(key);
  ASSERT_EQ(error_of(spec, metadata("store")), "");
  EXPECT_NE(first_.find("store")->encryption(), nullptr);
  EXPECT_EQ(first_.find("store")->encryption(), second_.find("store")->encryption());
  spec.metadata[0].value = "abc";
  EXPECT_EQ(error_of(spec, metadata("other")), "encoding/hex: odd length hex string");
}

TEST_F(StateLoader, OthersAreToldOfStores) {
  std::vector<std::string> events;
  auto told = settings();
  told.on_opened = [&](const resources::Component& spec) {
    events.push_back("opened " + spec.name);
  };
  told.on_closing = [&](const std::string& name) { events.push_back("closing " + name); };
  Loader loader(loops_, {&first_, &second_}, std::move(told));
  resources::Component spec;
  spec.name = "store";
  ASSERT_TRUE(run(loader.open(spec, metadata("store"))));
  run(loader.close("store"));
  EXPECT_EQ(events, (std::vector<std::string>{"opened store", "closing store"}));
}

TEST_F(StateLoader, AStoreTakesTheOldOnesPlaceWhichEndsWithItsCalls) {
  ASSERT_TRUE(run(loader_.open({}, metadata("store", {{"actorStateStore", "true"}}))));
  const auto old_one = first_.find("store");
  // Where the new one cannot be opened all stays.
  EXPECT_EQ(error_of({}, metadata("store", {{"broken", ""}})), "broken");
  EXPECT_EQ(first_.find("store"), old_one);
  EXPECT_EQ(loader_.actor_store(), "store");
  struct Story {
    static Task<void> replace(Loader* loader, std::shared_ptr<OpenStore> old_one,
                              components::Metadata metadata) {
      resources::Component spec;
      auto opened = co_await loader->open(spec, std::move(metadata));
      EXPECT_TRUE(opened && opened->replaced);
      if (!opened || !opened->replaced) co_return;
      // Held by what closes it, and then only by this test, twice.
      EXPECT_EQ(old_one.use_count(), 3);
      co_await *std::move(opened->replaced);
      EXPECT_EQ(old_one.use_count(), 2);
    }
  };
  run(Story::replace(&loader_, old_one, metadata("store")));
  EXPECT_NE(first_.find("store"), old_one);
  EXPECT_TRUE(second_.find("store"));
  // The new one is no store for actors.
  EXPECT_EQ(loader_.actor_store(), std::nullopt);
}

TEST_F(StateLoader, ASecondStoreForActorsIsRefusedAtRunTime) {
  ASSERT_TRUE(run(loader_.open({}, metadata("one", {{"actorStateStore", "true"}}))));
  resources::Component spec;
  spec.name = "two";
  EXPECT_EQ(loader_.refuses(spec), std::nullopt);
  resources::NameValue marked;
  marked.name = "ActorStateStore";
  spec.metadata.push_back(marked);
  EXPECT_EQ(loader_.refuses(spec),
            "one is already the actor state store, only one actor state store is allowed. The "
            "component will be applied if one is removed");
  spec.name = "one";
  EXPECT_EQ(loader_.refuses(spec), std::nullopt);
}

}  // namespace
}  // namespace outrigger::runtime::state::testing
