#include "runtime/state/key_prefix.h"

#include <gtest/gtest.h>

namespace outrigger::runtime::state {
namespace {

std::string applied(components::Properties properties, KeyOwner owner = {"app", "space"}) {
  const components::Metadata metadata{.name = "store", .properties = std::move(properties)};
  const auto prefix = KeyPrefix::from(metadata, owner);
  return prefix ? prefix->apply("key") : prefix.error().message();
}

TEST(KeyPrefix, TheApplicationsIdIsTheDefault) {
  EXPECT_EQ(applied({}), "app||key");
  EXPECT_EQ(applied({{"keyPrefix", "appid"}}), "app||key");
  EXPECT_EQ(applied({}, {"", ""}), "key");
}

TEST(KeyPrefix, NameNamespaceAndNoneAreStrategies) {
  EXPECT_EQ(applied({{"keyPrefix", "name"}}), "store||key");
  EXPECT_EQ(applied({{"keyPrefix", "none"}}), "key");
  EXPECT_EQ(applied({{"keyPrefix", "namespace"}}), "space.app||key");
  EXPECT_EQ(applied({{"keyPrefix", "namespace"}}, {"app", ""}), "app||key");
  EXPECT_EQ(applied({{"keyPrefix", "namespace"}}, {"", "space"}), "key");
}

TEST(KeyPrefix, AnythingElseIsThePrefixInLowerCase) {
  EXPECT_EQ(applied({{"KEYPREFIX", "Shared"}}), "shared||key");
}

TEST(KeyPrefix, ASeparatorInThePrefixIsRefused) {
  EXPECT_EQ(applied({{"keyPrefix", "a||b"}}),
            "failed to save lock keyprefix: api error: code = InvalidArgument desc = input "
            "key/keyPrefix 'a||b' can't contain '||'");
}

TEST(KeyPrefix, TheOriginalKeyIsTheSecondPart) {
  EXPECT_EQ(original_key("app||key"), "key");
  EXPECT_EQ(original_key("key"), "key");
  EXPECT_EQ(original_key("app||key||more"), "key");
  EXPECT_EQ(original_key("||"), "");
  EXPECT_EQ(original_key(""), "");
}

}  // namespace
}  // namespace outrigger::runtime::state
