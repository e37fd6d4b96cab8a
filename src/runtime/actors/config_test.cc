#include "runtime/actors/config.h"

#include <gtest/gtest.h>

namespace outrigger::runtime::actors {
namespace {

using namespace std::chrono_literals;

TEST(AppConfig, EveryOptionIsRead) {
  const auto config = parse_app_config(R"({
    "entities": ["cat", "dog"], "actorIdleTimeout": "10m", "actorScanInterval": "30s",
    "drainOngoingCallTimeout": "20s", "drainRebalancedActors": true,
    "reentrancy": {"enabled": true, "maxStackDepth": 8}, "remindersStoragePartitions": 7,
    "entitiesConfig": [{"entities": ["dog"], "actorIdleTimeout": "1m",
                        "drainOngoingCallTimeout": "3s", "drainRebalancedActors": false,
                        "reentrancy": {"enabled": false}}]})");
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->entities, (std::vector<std::string>{"cat", "dog"}));
  EXPECT_EQ(config->idle_timeout, "10m");
  EXPECT_EQ(config->drain_timeout, "20s");
  EXPECT_EQ(config->drain_rebalanced, true);
  EXPECT_EQ(config->reentrancy, (Reentrancy{true, 8}));
  EXPECT_TRUE(config->has_reminder_partitions);
  ASSERT_EQ(config->types.size(), 1U);
  EXPECT_EQ(config->types[0].idle_timeout, "1m");
  EXPECT_EQ(config->types[0].drain_rebalanced, false);
}

TEST(AppConfig, NamesInAnyCaseAndNullAsAbsentAndTextBehindTheValue) {
  const auto config = parse_app_config(R"({"ENTITIES":["a"],"reentrancy":null} trailing)");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->entities, std::vector<std::string>{"a"});
  EXPECT_FALSE(config->reentrancy.enabled);
}

TEST(AppConfig, WrongTypesAndBrokenTextAreErrors) {
  for (const char* body :
       {"", "{", "[]", "7", R"({"entities":"a"})", R"({"entities":[1]})",
        R"({"actorIdleTimeout":5})", R"({"drainRebalancedActors":"yes"})", R"({"reentrancy":1})",
        R"({"reentrancy":{"maxStackDepth":1.5}})", R"({"entitiesConfig":{}})",
        R"({"entitiesConfig":[1]})", R"({"reentrancy":{"maxStackDepth":99999999999}})"}) {
    EXPECT_FALSE(parse_app_config(body)) << body;
  }
}

TEST(Hosting, DefaultsAreUpstreams) {
  AppConfig config;
  config.entities = {"a"};
  const auto hosting = make_hosting(config, 30s);
  ASSERT_TRUE(hosting);
  EXPECT_EQ(hosting->types.at("a"), TypeSettings{});
  EXPECT_EQ(hosting->types.at("a").idle_timeout, Duration(1h));
  EXPECT_EQ(hosting->types.at("a").stack_depth_max, 32);
  EXPECT_EQ(hosting->drain_timeout, Duration(2s));
  EXPECT_TRUE(hosting->drain_rebalanced);
}

TEST(Hosting, ATypesOwnOptionsStandAloneAndDoNotInheritTheGlobalOnes) {
  AppConfig config;
  config.entities = {"a", "b"};
  config.idle_timeout = "10s";
  config.reentrancy = {true, 4};
  ActorOptions own;
  own.entities = {"b", "not-hosted"};
  config.types = {own};
  const auto hosting = make_hosting(config, 30s);
  ASSERT_TRUE(hosting);
  EXPECT_EQ(hosting->types.at("a"), (TypeSettings{10s, true, 4}));
  EXPECT_EQ(hosting->types.at("b"), (TypeSettings{1h, false, 32}));
  EXPECT_FALSE(hosting->types.contains("not-hosted"));
}

TEST(Hosting, ADrainAsLongAsTheDisseminationIsCut) {
  AppConfig config;
  config.entities = {"a"};
  config.drain_timeout = "30s";
  EXPECT_EQ(make_hosting(config, 30s)->drain_timeout, Duration(24s));
  EXPECT_EQ(make_hosting(config, 31s)->drain_timeout, Duration(30s));
  EXPECT_EQ(make_hosting(config, 1s)->drain_timeout, Duration(2s));
  EXPECT_EQ(make_hosting(config, 0s)->drain_timeout, Duration(30s));
}

TEST(Hosting, BadDurationsOfAllTypesAreAnErrorOfSomeTheDefault) {
  AppConfig config;
  config.entities = {"a"};
  config.idle_timeout = "soon";
  EXPECT_EQ(make_hosting(config, 30s).error().message(),
            "failed to parse default actor idle timeout: time: invalid duration \"soon\"");
  config.idle_timeout.clear();
  config.drain_timeout = "x";
  EXPECT_EQ(make_hosting(config, 30s).error().message(),
            "failed to parse drain ongoing call timeout: time: invalid duration \"x\"");
  config.drain_timeout.clear();
  ActorOptions own;
  own.entities = {"a"};
  own.idle_timeout = own.drain_timeout = "bad";
  config.types = {own};
  const auto hosting = make_hosting(config, 30s);
  ASSERT_TRUE(hosting);
  EXPECT_EQ(hosting->types.at("a").idle_timeout, Duration(1h));
  EXPECT_TRUE(hosting->drain_timeouts.empty());
}

}  // namespace
}  // namespace outrigger::runtime::actors
