#include "runtime/reload/differ.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "resources/subscription.h"

namespace outrigger::runtime::reload {
namespace {

using resources::Component;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

Component component(std::string name, std::string type = "state.x", std::string version = "v1") {
  Component made;
  made.name = std::move(name);
  made.type = std::move(type);
  made.version = std::move(version);
  return made;
}

std::vector<std::string> names(const std::vector<Component>& list) {
  std::vector<std::string> all;
  for (const Component& each : list) all.push_back(each.name);
  return all;
}

TEST(Differ, TellsWhatCameWhatChangedAndWhatWent) {
  const std::vector before = {component("a"), component("b"), component("c"), component("d")};
  const std::vector now = {component("e"), component("b", "state.y"), component("d")};
  const auto changes = difference(before, now);
  EXPECT_THAT(names(changes.deleted), ElementsAre("c", "a"));
  EXPECT_THAT(names(changes.changed), ElementsAre("b"));
  EXPECT_EQ(changes.changed[0].type, "state.y");
  EXPECT_THAT(names(changes.created), ElementsAre("e"));
  EXPECT_FALSE(changes.empty());
}

TEST(Differ, WhereAResourceStandsIsNoDifference) {
  Component moved = component("a");
  moved.origin = {"other.yaml", 7};
  EXPECT_TRUE(
      difference<Component>({component("a"), component("b")}, {component("b"), moved}).empty());
  EXPECT_TRUE(difference<Component>({}, {}).empty());
}

TEST(Differ, OfSeveralOfOneNameTheLastCounts) {
  const auto changes = difference<Component>({component("a", "state.y"), component("a")},
                                             {component("a"), component("a", "state.y")});
  EXPECT_THAT(changes.deleted, IsEmpty());
  EXPECT_THAT(changes.created, IsEmpty());
  ASSERT_EQ(changes.changed.size(), 1U);
  EXPECT_EQ(changes.changed[0].type, "state.y");
  EXPECT_EQ(difference<Component>({}, {component("a"), component("a")}).created.size(), 1U);
  EXPECT_EQ(difference<Component>({component("a"), component("a")}, {}).deleted.size(), 1U);
}

TEST(Differ, SecretStoresComeFirstAndGoLast) {
  const std::vector old_ones = {component("s1", "secretstores.x"), component("a"),
                                component("s2", "secretstores.x"), component("b")};
  EXPECT_THAT(names(component_changes({}, old_ones).created), ElementsAre("s1", "s2", "a", "b"));
  EXPECT_THAT(names(component_changes(old_ones, {}).deleted), ElementsAre("b", "a", "s2", "s1"));
  auto new_ones = old_ones;
  for (Component& each : new_ones) each.version = "v2";
  std::ranges::reverse(new_ones);
  EXPECT_THAT(names(component_changes(old_ones, new_ones).changed),
              ElementsAre("s2", "s1", "b", "a"));
}

}  // namespace
}  // namespace outrigger::runtime::reload
