#include "runtime/actors/http_callbacks.h"

#include <gtest/gtest.h>

namespace outrigger::runtime::actors {
namespace {

TEST(ActorPath, IsBelowTheActorsOfTheApplication) {
  EXPECT_EQ(actor_path({"cat", "1"}).value(), "actors/cat/1");
  EXPECT_EQ(actor_path({"cat", "a b:c||d"}).value(), "actors/cat/a b:c||d");
  EXPECT_EQ(method_path({"cat", "1"}, "feed").value(), "actors/cat/1/method/feed");
  EXPECT_EQ(method_path({"cat", "1"}, "remind/r").value(), "actors/cat/1/method/remind/r");
  EXPECT_EQ(method_path({"cat", "100%25"}, "a%20b").value(), "actors/cat/100%25/method/a%20b");
  // Broken escapes are told of when the request is made.
  EXPECT_EQ(method_path({"cat", "100%"}, "feed").value(), "actors/cat/100%/method/feed");
}

TEST(ActorPath, IsRefusedIfAnApplicationCouldReadAnotherThere) {
  for (const char* id : {"", "../../admin", "..", ".", "1?x", "1#x", "a/b", "%2e%2e",
                         "%2E%2E%2f%2e%2e", "x%2f..%2f..%2f..", "a%2f%2fb"}) {
    EXPECT_FALSE(actor_path({"cat", id})) << id;
    EXPECT_FALSE(method_path({"cat", id}, "m")) << id;
    EXPECT_FALSE(actor_path({id, "1"})) << id;
  }
  for (const char* method : {"%2e%2e/%2e%2e/%2e%2e/%2e%2e/admin", "%2e%2e%2fother", "x%2f..%2f..",
                             "remind/%2e%2e/%2e%2e/secret"}) {
    EXPECT_FALSE(method_path({"cat", "1"}, method)) << method;
  }
}

}  // namespace
}  // namespace outrigger::runtime::actors
