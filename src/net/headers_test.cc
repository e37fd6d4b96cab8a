#include "net/headers.h"

#include <gtest/gtest.h>

namespace outrigger::net {
namespace {

TEST(Headers, LooksUpNamesInAnyCaseAndKeepsTheCaseGiven) {
  Headers headers{{"Content-Type", "text/plain"}, {"X-A", "1"}};
  EXPECT_EQ(headers.get("content-type"), "text/plain");
  EXPECT_EQ(headers.value("x-b"), "");
  EXPECT_EQ(headers.get("x-b"), std::nullopt);
  EXPECT_EQ(headers[0].name, "Content-Type");
}

TEST(Headers, KeepsRepeatedFieldsInOrder) {
  Headers headers;
  headers.add("via", "a");
  headers.add("x", "");
  headers.add("Via", "b");
  EXPECT_EQ(headers.size(), 3U);
  EXPECT_EQ(headers.joined("VIA"), "a, b");
  EXPECT_EQ(headers.value("via"), "a");
}

TEST(Headers, ReplacesAndRemovesEveryFieldOfAName) {
  Headers headers{{"a", "1"}, {"b", "2"}, {"A", "3"}};
  headers.set("a", "4");
  EXPECT_EQ(headers.joined("a"), "4");
  headers.remove("B");
  EXPECT_FALSE(headers.contains("b"));
  EXPECT_EQ(headers.size(), 1U);
  headers.clear();
  EXPECT_TRUE(headers.empty());
}

TEST(Headers, KeepsEachValueHoweverOftenOthersAreReplaced) {
  Headers headers{{"first", "1"}, {"x", "old"}, {"last", "2"}};
  for (int i = 0; i < 1000; ++i) {
    headers.set("x", std::string(1000, static_cast<char>('a' + i % 26)));
    headers.set("first", std::to_string(i));
    if (i % 100 == 0) headers.remove("last");
    if (i % 100 == 0) headers.add("last", std::to_string(i));
  }
  headers.set("again", std::string(headers.value("x")));
  EXPECT_EQ(headers.size(), 4U);
  EXPECT_EQ(headers.value("x"), std::string(1000, 'a' + 999 % 26));
  EXPECT_EQ(headers.value("again"), headers.value("x"));
  EXPECT_EQ(headers.value("first"), "999");
  EXPECT_EQ(headers.value("last"), "900");
}

TEST(Headers, FindsATokenInTheListsOfAllFieldsOfAName) {
  const Headers headers{{"connection", "foo ,\tKeep-Alive"}, {"Connection", ",,Upgrade"}};
  EXPECT_TRUE(headers.has_token("connection", "keep-alive"));
  EXPECT_TRUE(headers.has_token("connection", "upgrade"));
  EXPECT_FALSE(headers.has_token("connection", "keep"));
  EXPECT_FALSE(headers.has_token("te", "trailers"));
}

TEST(Headers, ComparesAsciiLettersOnly) {
  EXPECT_TRUE(iequals("aZ-", "Az-"));
  EXPECT_FALSE(iequals("@", "`"));
  EXPECT_FALSE(iequals("[", "{"));
  EXPECT_FALSE(iequals("a", "ab"));
}

}  // namespace
}  // namespace outrigger::net
