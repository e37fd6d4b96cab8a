#include "runtime/pubsub/subscription_config.h"

#include <gtest/gtest.h>

namespace outrigger::pubsub {
namespace {

cel::Value event(std::string_view json) { return cel::Value::from_json(json).value(); }

SubscriptionPtr only(std::string_view body) {
  const auto parsed = parse_app_subscriptions(body);
  EXPECT_TRUE(parsed) << (parsed ? "" : parsed.error().message());
  if (!parsed || parsed->subscriptions.size() != 1) return nullptr;
  return parsed->subscriptions.front();
}

TEST(AppSubscriptions, ReadTheShortForm) {
  const auto subscription = only(
      R"([{"pubsubname":"p","topic":"t","route":"/r","metadata":{"rawPayload":"true"},
           "deadLetterTopic":"dead"}])");
  ASSERT_NE(subscription, nullptr);
  EXPECT_EQ(subscription->pubsub_name, "p");
  EXPECT_EQ(subscription->topic, "t");
  EXPECT_EQ(subscription->dead_letter_topic, "dead");
  EXPECT_EQ(subscription->metadata.at("rawPayload"), "true");
  EXPECT_EQ(subscription->origin, SubscriptionOrigin::programmatic);
  EXPECT_FALSE(subscription->bulk.enabled);
  EXPECT_EQ(find_route(*subscription, event("{}")).value(), "/r");
}

TEST(AppSubscriptions, ReadRulesAndTryThemInOrder) {
  const auto subscription = only(
      R"([{"pubsubname":"p","topic":"t","route":"/ignored","routes":{"rules":[
           {"match":" event.type == 'a' ","path":"/a"},
           {"match":"event.n > 1","path":"/n"}],"default":"/rest"}}])");
  ASSERT_NE(subscription, nullptr);
  EXPECT_EQ(find_route(*subscription, event(R"({"type":"a"})")).value(), "/a");
  EXPECT_EQ(find_route(*subscription, event(R"({"type":"b","n":2})")).value(), "/n");
  EXPECT_EQ(find_route(*subscription, event(R"({"type":"b","n":1})")).value(), "/rest");
  EXPECT_FALSE(find_route(*subscription, event(R"({"type":"b"})")));
}

TEST(AppSubscriptions, FindNoRouteIfNoRuleMatchesAndThereIsNoDefault) {
  const auto subscription = only(
      R"([{"pubsubname":"p","topic":"t","routes":{"rules":[{"match":"false","path":"/a"}]}}])");
  ASSERT_NE(subscription, nullptr);
  EXPECT_EQ(find_route(*subscription, event("{}")).value(), std::nullopt);
}

TEST(AppSubscriptions, TakeARuleWithoutAnExpressionForEveryEvent) {
  const auto subscription =
      only(R"([{"topic":"t","routes":{"rules":[{"match":"  ","path":"/a"}],"default":"/b"}}])");
  ASSERT_NE(subscription, nullptr);
  EXPECT_EQ(find_route(*subscription, event("{}")).value(), "/a");
}

TEST(AppSubscriptions, ReadBulkSettingsWithTheirDefaults) {
  const auto given = only(
      R"([{"topic":"t","route":"/","bulkSubscribe":
           {"enabled":true,"maxMessagesCount":5,"maxAwaitDurationMs":40}}])");
  EXPECT_TRUE(given->bulk.enabled);
  EXPECT_EQ(given->bulk.messages_max(), 5U);
  EXPECT_EQ(given->bulk.await_max(), std::chrono::milliseconds(40));
  const auto defaults =
      only(R"([{"topic":"t","route":"/","bulkSubscribe":{"enabled":true,"maxMessagesCount":-1}}])");
  EXPECT_EQ(defaults->bulk.messages_max(), 100U);
  EXPECT_EQ(defaults->bulk.await_max(), std::chrono::milliseconds(1000));
}

TEST(AppSubscriptions, FindNamesInAnyCaseAndSkipUnknownOnes) {
  const auto subscription =
      only(R"([{"PubSubName":"p","TOPIC":"t","Route":"/r","extra":[1]}] tail)");
  ASSERT_NE(subscription, nullptr);
  EXPECT_EQ(subscription->pubsub_name, "p");
}

TEST(AppSubscriptions, LeaveNullsAtTheirDefaults) {
  const auto subscription = only(
      R"([{"pubsubname":"p","topic":"t","route":"/","metadata":null,"routes":null,
           "bulkSubscribe":null,"deadLetterTopic":null}])");
  ASSERT_NE(subscription, nullptr);
  EXPECT_TRUE(subscription->metadata.empty());
}

TEST(AppSubscriptions, AreEmptyForAnEmptyAnswer) {
  for (const std::string_view body : {"", "  ", "null", "[]"}) {
    const auto parsed = parse_app_subscriptions(body);
    ASSERT_TRUE(parsed) << body;
    EXPECT_TRUE(parsed->subscriptions.empty());
  }
}

TEST(AppSubscriptions, LeaveOutOnesWithoutARouteAndSaySo) {
  const auto parsed = parse_app_subscriptions(R"([{"topic":"a"},{"topic":"b","route":"/b"}])");
  ASSERT_TRUE(parsed);
  ASSERT_EQ(parsed->subscriptions.size(), 1U);
  ASSERT_EQ(parsed->warnings.size(), 1U);
  EXPECT_EQ(parsed->warnings[0], "topic a has an empty routes. removing from subscriptions list");
}

TEST(AppSubscriptions, AreRefusedAsAWholeIfMalformed) {
  for (const std::string_view body :
       {"{", "{}", "5", "[5]", R"([{"topic":5}])", R"([{"route":[]}])", R"([{"routes":"x"}])",
        R"([{"routes":{"rules":{}}}])", R"([{"routes":{"rules":[null]}}])",
        R"([{"metadata":{"a":1}}])", R"([{"bulkSubscribe":{"enabled":"yes"}}])",
        R"([{"bulkSubscribe":{"maxMessagesCount":3000000000}}])",
        R"([{"bulkSubscribe":{"maxMessagesCount":1.5}}])"}) {
    EXPECT_FALSE(parse_app_subscriptions(body)) << body;
  }
}

TEST(AppSubscriptions, AreRefusedIfAnExpressionIsWrong) {
  const auto parsed = parse_app_subscriptions(
      R"([{"topic":"t","routes":{"rules":[{"match":"event.type =","path":"/a"}]}}])");
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().code(), Code::invalid_argument);
  EXPECT_THAT(parsed.error().message(), testing::HasSubstr("event.type ="));
}

TEST(GrpcRules, TakeEveryEventIfNoneAreGiven) {
  const auto rules = make_grpc_rules(Routes());
  ASSERT_TRUE(rules);
  ASSERT_EQ(rules->size(), 1U);
  EXPECT_EQ(rules->front().match, nullptr);
  EXPECT_EQ(rules->front().path, "");
}

SubscriptionPtr declared(std::string name, std::string pubsub, std::string topic) {
  resources::Subscription resource;
  resource.name = std::move(name);
  resource.pubsub_name = std::move(pubsub);
  resource.topic = std::move(topic);
  resource.default_route = "/" + resource.name;
  return make_subscription(resource).value();
}

TEST(DeclaredSubscription, TakesOverTheResource) {
  resources::Subscription resource;
  resource.name = "n";
  resource.pubsub_name = "p";
  resource.topic = "t";
  resource.rules.push_back({.match = "event.type == 'a'", .path = "/a"});
  resource.dead_letter_topic = "dead";
  resource.metadata["k"] = "v";
  resource.bulk_subscribe.enabled = true;
  const auto made = make_subscription(resource).value();
  EXPECT_EQ(made->origin, SubscriptionOrigin::declarative);
  EXPECT_EQ(made->rules.size(), 1U);
  EXPECT_EQ(made->metadata.at("k"), "v");
  EXPECT_TRUE(made->bulk.enabled);
  resource.rules.front().match = "1 +";
  EXPECT_FALSE(make_subscription(resource));
}

TEST(MergedSubscriptions, KeepTheFirstDeclaredAndPreferProgrammatic) {
  const SubscriptionPtr declaratives[] = {declared("one", "p", "a"), declared("two", "p", "a"),
                                          declared("three", "q", "a")};
  const auto programmatic =
      parse_app_subscriptions(R"([{"pubsubname":"p","topic":"a","route":"/mine"},
                                  {"pubsubname":"p","topic":"b","route":"/b"}])");
  const auto without = merge_subscriptions(declaratives, {});
  ASSERT_EQ(without.size(), 2U);
  EXPECT_EQ(without[0]->name, "one");
  const auto merged = merge_subscriptions(declaratives, programmatic->subscriptions);
  ASSERT_EQ(merged.size(), 3U);
  EXPECT_EQ(merged[0]->rules.front().path, "/mine");
  EXPECT_EQ(merged[1]->name, "three");
  EXPECT_EQ(merged[2]->topic, "b");
}

TEST(StreamSubscription, TakesEveryEvent) {
  const auto stream = make_stream_subscription("p", "t", "dead", {{"k", "v"}});
  EXPECT_EQ(stream->origin, SubscriptionOrigin::streaming);
  EXPECT_EQ(find_route(*stream, event("{}")).value(), "/");
}

}  // namespace
}  // namespace outrigger::pubsub
