#include "runtime/security/operation_tree.h"

#include <gtest/gtest.h>

namespace outrigger::runtime::access_control {
namespace {

/// The first pattern that stands for the path, as the tree finds it; "" if none does.
std::string found(std::initializer_list<const char*> patterns, std::string_view path) {
  OperationTree tree;
  std::vector<std::pair<std::string, std::shared_ptr<const Operation>>> known;
  for (const char* pattern : patterns) {
    auto operation = std::make_shared<const Operation>();
    tree.add(pattern, operation);
    known.emplace_back(pattern, std::move(operation));
  }
  const Operation* const operation = tree.find(path);
  for (const auto& [pattern, same] : known) {
    if (same.get() == operation) return pattern;
  }
  return "";
}

TEST(OperationTree, FindsAPathThatIsWrittenSo) {
  EXPECT_EQ(found({"/op1", "/op2"}, "/op2"), "/op2");
  EXPECT_EQ(found({"/op1", "/op2"}, "/op3"), "");
  EXPECT_EQ(found({"/a/b"}, "/a"), "");
  EXPECT_EQ(found({"/"}, "/"), "/");
  EXPECT_EQ(found({"/"}, "/a"), "");
  EXPECT_EQ(found({}, "/a"), "");
}

TEST(OperationTree, AnOperationStandsForWhatIsBelowIt) {
  EXPECT_EQ(found({"/op1"}, "/op1/deep/down"), "/op1");
  EXPECT_EQ(found({"/op1", "/op1/deep"}, "/op1/deep"), "/op1");
}

TEST(OperationTree, AStarIsOneSegmentAndTheLastOne) {
  EXPECT_EQ(found({"/op7/a/b/*"}, "/op7/a/b/c"), "/op7/a/b/*");
  EXPECT_EQ(found({"/op7/a/b/*"}, "/op7/a/b/c/d"), "");
  EXPECT_EQ(found({"/a/*/c"}, "/a/b/c"), "");
  EXPECT_EQ(found({"/a/*/c"}, "/a/*/c"), "/a/*/c");
}

TEST(OperationTree, AStarStandsForItsParentToo) {
  EXPECT_EQ(found({"/op3/a/*"}, "/op3/a"), "/op3/a/*");
  EXPECT_EQ(found({"/op3/a/**"}, "/op3/a"), "/op3/a/**");
  EXPECT_EQ(found({"/op3/a/b"}, "/op3/a"), "");
}

TEST(OperationTree, TwoStarsAreAnyNumberOfSegments) {
  EXPECT_EQ(found({"/op7/c/**"}, "/op7/c/d/e"), "/op7/c/**");
  EXPECT_EQ(found({"/**"}, "/a/b/c"), "/**");
}

TEST(OperationTree, AStarInsideASegmentIsAnythingInIt) {
  EXPECT_EQ(found({"/op7/a/b*"}, "/op7/a/bc"), "/op7/a/b*");
  EXPECT_EQ(found({"/op7/a/b*"}, "/op7/a/b"), "/op7/a/b*");
  EXPECT_EQ(found({"/a*/c"}, "/abc/c"), "/a*/c");
  EXPECT_EQ(found({"/a*"}, "/b"), "");
}

TEST(OperationTree, TheFirstChildThatFitsIsTakenAndNoneAfterIt) {
  EXPECT_EQ(found({"/a*", "/abc"}, "/abc"), "/a*");
  EXPECT_EQ(found({"/abc", "/a*"}, "/abc"), "/abc");
  EXPECT_EQ(found({"/**", "/abc"}, "/abc"), "/**");
  EXPECT_EQ(found({"/a*/x", "/abc/y"}, "/abc/y"), "");
  EXPECT_EQ(found({"/op7/a/b/*", "/op7/a/b/c/f"}, "/op7/a/b/c/f"), "/op7/a/b/c/f");
}

TEST(OperationTree, OfTwoThatAreAlikeTheFirstStays) {
  OperationTree tree;
  auto first = std::make_shared<const Operation>();
  tree.add("/a", first);
  tree.add("/a", std::make_shared<const Operation>());
  EXPECT_EQ(tree.find("/a"), first.get());
}

TEST(Fits, AStarIsAnyNumberOfCharacters) {
  EXPECT_TRUE(fits("ABC", "A*"));
  EXPECT_TRUE(fits("ABC.a", "*a"));
  EXPECT_TRUE(fits("ABC.a", "AB*.a"));
  EXPECT_TRUE(fits("", "*"));
  EXPECT_TRUE(fits("aXbXbc", "a*b*c"));
  EXPECT_TRUE(fits("abab", "*ab"));
  EXPECT_FALSE(fits("ABC", "B*"));
  EXPECT_FALSE(fits("", "a"));
  EXPECT_FALSE(fits("ab", "a"));
}

TEST(Fits, TakesNoLongerThanTheProductOfTheLengths) {
  const std::string text(20'000, 'a');
  std::string pattern;
  for (int i = 0; i < 200; ++i) pattern += "*a";
  EXPECT_FALSE(fits(text, pattern + "*b"));
}

}  // namespace
}  // namespace outrigger::runtime::access_control
