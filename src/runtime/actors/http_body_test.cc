#include "runtime/actors/http_body.h"

#include <gtest/gtest.h>

#include "runtime/actors/http_callbacks.h"

namespace outrigger::runtime::actors {
namespace {

TEST(ActorBodies, ATimerAsItsClientsWriteIt) {
  const auto timer = read_timer(
      R"({"dueTime":"0h0m9s0ms","period":"0h0m3s0ms","data":{"a": 1},"callback":"cb","ttl":"1m"})");
  ASSERT_TRUE(timer);
  EXPECT_EQ(timer->when.due_time, "0h0m9s0ms");
  EXPECT_EQ(timer->when.period, "0h0m3s0ms");
  EXPECT_EQ(timer->when.ttl, "1m");
  EXPECT_EQ(timer->callback, "cb");
  EXPECT_EQ(json_of_any(*timer->data), R"({"a": 1})");
  EXPECT_TRUE(read_timer("{} trailing"));
  EXPECT_TRUE(read_timer("null"));
}

TEST(ActorBodies, AReminderOverwritesUnlessItSaysNo) {
  EXPECT_TRUE(read_reminder(R"({"dueTime":"1s"})")->overwrite);
  EXPECT_FALSE(read_reminder(R"({"dueTime":"1s","overwrite":false})")->overwrite);
  EXPECT_TRUE(read_reminder(R"({"overwrite":null})")->overwrite);
  EXPECT_EQ(read_reminder(R"({"dueTime":"1s"})")->data, std::nullopt);
}

TEST(ActorBodies, WhatIsNoBodyIsRefused) {
  for (const char* body : {"", "  ", "{", "[]", "7", "\"x\"", R"({"dueTime":5})",
                           R"({"period":{}})", R"({"ttl":[1]})"}) {
    EXPECT_FALSE(read_timer(body)) << body;
    EXPECT_FALSE(read_reminder(body)) << body;
  }
  EXPECT_EQ(read_timer("").error().message(), "EOF");
  EXPECT_FALSE(read_reminder(R"({"overwrite":"yes"})"));
  EXPECT_FALSE(read_timer(R"({"callback":1})"));
}

TEST(ActorBodies, OperationsOfATransaction) {
  const auto operations = read_operations(R"([
    {"operation":"upsert","request":{"key":"k","value":{"b": "<", "a":1},
     "metadata":{"ttlInSeconds":"2"}}},
    {"operation":"delete","request":{"key":"d","etag":"3"}},
    {"operation":"upsert","request":{"key":"n"}},
    {"operation":"upsert"}, null])");
  ASSERT_TRUE(operations);
  ASSERT_EQ(operations->size(), 5U);
  const auto& all = *operations;
  EXPECT_EQ(all[0].value, R"({"b":"\u003c","a":1})");
  EXPECT_EQ(all[0].kind, components::state::ValueKind::json);
  EXPECT_EQ(all[0].metadata.at("ttlInSeconds"), "2");
  EXPECT_EQ(all[1].operation, "delete");
  EXPECT_EQ(all[1].etag, "3");
  EXPECT_EQ(all[2].value, "null");
  EXPECT_FALSE(all[3].has_request);
  EXPECT_FALSE(all[4].has_request);
}

TEST(ActorBodies, BrokenTransactionsAreRefused) {
  for (const char* body :
       {"", "{}", "[1]", R"([{"operation":1}])", R"([{"request":1}])", R"([{"request":{"key":1}}])",
        R"([{"request":{"metadata":{"a":1}}}])", "[{]"}) {
    EXPECT_FALSE(read_operations(body)) << body;
  }
}

TEST(ActorBodies, AReminderIsShownAsUpstreamShowsIt) {
  StoredReminder reminder;
  reminder.name = "r";
  reminder.actor = {"cat", "1"};
  reminder.due_time = "1s";
  reminder.period = "@every 1s";
  reminder.data = any_of_json(R"({"y": 1})");
  EXPECT_EQ(
      *reminder_json(reminder),
      R"({"actorID":"1","actorType":"cat","data":{"y":1},"dueTime":"1s","period":"@every 1s"})");
  reminder.ttl = "2026-08-21T13:00:00.5Z";
  reminder.data.reset();
  EXPECT_EQ(*reminder_json(reminder),
            R"({"actorID":"1","actorType":"cat","dueTime":"1s","period":"@every 1s",)"
            R"("ttl":"2026-08-21T13:00:00.5Z"})");
  reminder.data = any_of_json("{broken");
  EXPECT_FALSE(reminder_json(reminder));
}

TEST(FiredBody, IsWhatSdksExpect) {
  Reminder reminder;
  reminder.actor = {"cat", "1"};
  reminder.name = "r";
  EXPECT_EQ(*fired_body(reminder), R"({"dueTime":"","period":""})");
  reminder.data = any_of_json("\"aGk=\"");
  reminder.due_time = "1s";
  EXPECT_EQ(*fired_body(reminder), R"({"data":"aGk=","dueTime":"1s","period":""})");
  reminder.is_timer = true;
  reminder.callback = "cb";
  reminder.period = "R2/PT1S";
  EXPECT_EQ(*fired_body(reminder),
            R"({"data":"aGk=","callback":"cb","dueTime":"1s","period":"R2/PT1S"})");
  reminder.data = any_of_json("not json");
  EXPECT_FALSE(fired_body(reminder));
  reminder.data = AnyData{"type.googleapis.com/google.protobuf.StringValue", "x"};
  EXPECT_FALSE(fired_body(reminder));
}

}  // namespace
}  // namespace outrigger::runtime::actors
