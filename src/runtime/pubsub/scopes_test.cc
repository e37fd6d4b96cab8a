#include "runtime/pubsub/scopes.h"

#include <gtest/gtest.h>

namespace outrigger::pubsub {
namespace {

TEST(TopicScopes, LetEveryTopicPassWithoutSettings) {
  const TopicScopes scopes({}, "app");
  EXPECT_TRUE(scopes.may_publish("a"));
  EXPECT_TRUE(scopes.may_subscribe("a"));
}

TEST(TopicScopes, LimitAListedAppToItsTopics) {
  const TopicScopes scopes({{"publishingScopes", "other=z; app = a , b ;app=c"}}, "app");
  EXPECT_TRUE(scopes.may_publish("a"));
  EXPECT_TRUE(scopes.may_publish("b"));
  EXPECT_TRUE(scopes.may_publish("c"));
  EXPECT_FALSE(scopes.may_publish("z"));
  EXPECT_TRUE(scopes.may_subscribe("z"));
}

TEST(TopicScopes, DenyAllToAnAppListedWithoutTopics) {
  const TopicScopes scopes({{"subscriptionscopes", "app="}}, "app");
  EXPECT_FALSE(scopes.may_subscribe("a"));
  EXPECT_TRUE(scopes.may_publish("a"));
}

TEST(TopicScopes, LeaveAnAppThatIsNotListedFree) {
  const TopicScopes scopes({{"publishingScopes", "other=z"}}, "app");
  EXPECT_TRUE(scopes.may_publish("a"));
}

TEST(TopicScopes, IgnoreAnAppNamedWithoutAnEqualsSign) {
  const TopicScopes scopes({{"publishingScopes", "app"}}, "app");
  EXPECT_TRUE(scopes.may_publish("a"));
}

TEST(TopicScopes, CheckAllowedTopicsFirst) {
  const TopicScopes scopes({{"allowedTopics", "a,b"}, {"publishingScopes", "app=a,c"}}, "app");
  EXPECT_TRUE(scopes.may_publish("a"));
  EXPECT_FALSE(scopes.may_publish("b"));
  EXPECT_FALSE(scopes.may_publish("c"));
  EXPECT_TRUE(scopes.may_subscribe("b"));
}

TEST(TopicScopes, DemandAScopeForProtectedTopics) {
  const components::Properties metadata = {{"protectedTopics", "p"}, {"publishingScopes", "app=p"}};
  EXPECT_TRUE(TopicScopes(metadata, "app").may_publish("p"));
  EXPECT_FALSE(TopicScopes(metadata, "app").may_subscribe("p"));
  EXPECT_TRUE(TopicScopes(metadata, "app").may_subscribe("q"));
  EXPECT_FALSE(TopicScopes(metadata, "other").may_publish("p"));
}

}  // namespace
}  // namespace outrigger::pubsub
