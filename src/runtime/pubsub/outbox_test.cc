#include "runtime/pubsub/outbox.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/scope.h"
#include "runtime/pubsub/fakes_testing.h"
#include "runtime/pubsub/outbox_readers.h"

namespace outrigger::pubsub {
namespace {

using nlohmann::json;
namespace state = components::state;
namespace brokers = components::pubsub;

constexpr std::string_view kTrace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

class FakeMarks final : public OutboxMarks {
 public:
  std::map<std::string, int> looks;
  std::map<std::string, bool> marks;
  int absent_looks = 0;
  std::optional<Error> error;
  std::vector<std::string> removed;
  int remove_failures = 0;

  Task<Result<bool>> has(std::string store, std::string key) override {
    EXPECT_EQ(store, "store");
    ++looks[key];
    if (error) co_return fail(*error);
    if (absent_looks > 0) {
      --absent_looks;
      co_return false;
    }
    co_return marks.contains(key);
  }
  Task<Result<>> remove(std::string, std::string key) override {
    if (remove_failures > 0) {
      --remove_failures;
      co_return fail(Code::unavailable, "not now");
    }
    marks.erase(key);
    removed.push_back(std::move(key));
    co_return Result<>();
  }
};

struct World {
  Loops loops{1};
  Service service{{.app_id = "app"}};
  FakeMarks marks;
  FakeBroker* broker = nullptr;
  Outbox outbox{{service, marks, "default", std::chrono::milliseconds(1),
                 std::chrono::milliseconds(3), std::chrono::milliseconds(30)}};
  OutboxReaders readers{{loops, {&outbox}, std::chrono::milliseconds(1)}};

  explicit World(Properties more = {}) {
    auto made = std::make_unique<FakeBroker>();
    broker = made.get();
    service.add(open_fake("pubsub", std::move(made)));
    more.insert({{"outboxPublishPubsub", "pubsub"}, {"outboxPublishTopic", "orders"}});
    outbox.add_store("store", more);
  }
  Result<Outbox::Operations> publish(Outbox::Operations operations) {
    return run_on(loops[0], outbox.publish_internal("store", std::move(operations),
                                                    *telemetry::parse_traceparent(kTrace)));
  }
  json event(std::size_t index) { return json::parse(broker->published.at(index).data); }

  static Task<void> whole(World* self, Task<void> (*steps)(World*)) {
    co_await self->readers.start();
    co_await steps(self);
    co_await self->readers.shut_down();
  }
  void play(Task<void> (*steps)(World*)) { run_on(loops[0], whole(this, steps)); }
  Task<Result<>> give(std::string data) {
    brokers::Message message;
    message.topic = "defaultappordersoutbox";
    message.data = std::move(data);
    return broker->give(std::move(message));
  }
};

state::SetRequest set(std::string key, std::string value,
                      state::ValueKind kind = state::ValueKind::json) {
  state::SetRequest request;
  request.key = std::move(key);
  request.value = std::move(value);
  request.kind = kind;
  return request;
}

TEST(Outbox, IsThereIfTheStoreSaysWhereToPublish) {
  World world;
  EXPECT_TRUE(world.outbox.enabled("store"));
  EXPECT_FALSE(world.outbox.enabled("other"));
  world.outbox.add_store("other", {{"outboxPublishTopic", "t"}});
  EXPECT_FALSE(world.outbox.enabled("other"));
  const auto config = OutboxConfig::read({{"outboxPublishPubsub", "a"},
                                          {"outboxPublishTopic", "t"},
                                          {"outboxPubsub", "b"},
                                          {"outboxDiscardWhenMissingState", "true"}});
  ASSERT_TRUE(config);
  EXPECT_EQ(config->outbox_pubsub, "b");
  EXPECT_TRUE(config->discard_when_missing_state);
}

TEST(Outbox, PublishesEachItemInsideAndMarksIt) {
  World world;
  state::DeleteRequest removal;
  removal.key = "app||gone";
  auto item = set("app||1", "\"hello\"");
  item.metadata = {{"ttlInSeconds", "5"}, {"data", "no"}, {"id", "no"}, {"type", "mine"}};
  const auto operations = world.publish({item, removal});
  ASSERT_TRUE(operations);
  ASSERT_EQ(operations->size(), 3U);
  const auto& mark = std::get<state::SetRequest>(operations->at(2));
  EXPECT_TRUE(mark.key.starts_with("outbox-"));
  EXPECT_EQ(mark.value, "\"0\"");
  ASSERT_EQ(world.broker->published.size(), 1U);
  EXPECT_EQ(world.broker->published[0].topic, "defaultappordersoutbox");
  const json event = world.event(0);
  EXPECT_EQ(event["id"], mark.key);
  EXPECT_EQ(event["source"], "app");
  EXPECT_EQ(event["data"], "hello");
  EXPECT_EQ(event["ttlInSeconds"], "5");
  EXPECT_EQ(event["type"], "mine");
  EXPECT_EQ(event["traceid"], std::string(kTrace));
}

TEST(Outbox, KeepsJsonAsItIs) {
  struct Case {
    std::string_view value;
    state::ValueKind kind;
    std::string_view content_type, data, stored_type;
  };
  const Case cases[] = {
      {R"({"a":12345678901234567890})", state::ValueKind::json, "",
       R"("data":{"a":12345678901234567890})", "application/json"},
      {R"([1,2])", state::ValueKind::json, "", R"("data":[1,2])", "application/json"},
      {R"({"a":1})", state::ValueKind::json, "application/json", R"("data":{"a":1})",
       "application/json"},
      {R"("text")", state::ValueKind::json, "", R"("data":"text")", "text/plain"},
      {"12345678901234567890", state::ValueKind::json, "", R"("data":"12345678901234567890")",
       "text/plain"},
      {R"("text")", state::ValueKind::json, "application/json", R"("data":"text")",
       "application/json"},
      {R"({"a":1})", state::ValueKind::bytes, "", R"("data":"{\"a\":1}")", "text/plain"},
      {R"({"a":1})", state::ValueKind::bytes, "application/json", R"("data":{"a":1})",
       "application/json"},
      {R"({"id":"x"})", state::ValueKind::bytes, "application/cloudevents+json",
       R"("data":"{\"id\":\"x\"}")", "application/cloudevents+json"},
  };
  for (const Case& each : cases) {
    World world;
    auto item = set("app||1", std::string(each.value), each.kind);
    if (!each.content_type.empty()) item.metadata["contentType"] = each.content_type;
    const auto operations = world.publish({item});
    ASSERT_TRUE(operations);
    EXPECT_NE(world.broker->published[0].data.find(each.data), std::string::npos)
        << world.broker->published[0].data;
    EXPECT_EQ(world.event(0)["datacontenttype"], std::string(each.stored_type)) << each.value;
    EXPECT_EQ(world.event(0)["id"], std::get<state::SetRequest>(operations->back()).key);
  }
}

TEST(Outbox, AProjectionTakesTheItemsPlaceInTheMessageOnly) {
  World world;
  auto projected = set("app||1", R"({"shown":true})");
  projected.metadata["outbox.projection"] = "true";
  const auto operations =
      world.publish({projected, set("app||1", R"({"secret":true})"), set("app||2", "\"plain\"")});
  ASSERT_TRUE(operations);
  ASSERT_EQ(operations->size(), 4U);
  EXPECT_EQ(std::get<state::SetRequest>(operations->at(0)).value, R"({"secret":true})");
  EXPECT_EQ(world.event(0)["data"], json({{"shown", true}}));
  EXPECT_EQ(world.event(1)["data"], "plain");
}

TEST(Outbox, ATransactionWhoseMessageCannotBeSentIsRefused) {
  World world;
  world.broker->publish_error = Error(Code::unavailable, "outbox error");
  const auto operations = world.publish({set("app||1", "1")});
  ASSERT_FALSE(operations);
  EXPECT_EQ(operations.error().tag(), "ERR_PUBLISH_OUTBOX");
  EXPECT_EQ(operations.error().message(), "error while publishing outbox message: outbox error");
  EXPECT_EQ(operations.error().details()->reason, "DAPR_PUBSUB_OUTBOX");
  EXPECT_EQ(operations.error().details()->metadata.at("appID"), "app");
  EXPECT_TRUE(operations.error().details()->resources.empty());
}

TEST(Outbox, PublishesAMessageOnceItsMarkIsThere) {
  World world;
  world.marks.marks["outbox-1"] = true;
  world.marks.absent_looks = 2;
  world.marks.remove_failures = 1;
  world.play([](World* w) -> Task<void> {
    EXPECT_TRUE(co_await w->give(
        R"({"id":"outbox-1","datacontenttype":"application/json","data":{"n":1},"topic":""})"));
    EXPECT_EQ(w->broker->published.size(), 1U);
    const auto& sent = w->broker->published[0];
    EXPECT_EQ(sent.topic, "orders");
    EXPECT_EQ(sent.content_type, "application/json");
    const json event = json::parse(sent.data);
    EXPECT_EQ(event["topic"], "orders");
    EXPECT_EQ(event["pubsubname"], "pubsub");
    EXPECT_EQ(event["data"], json({{"n", 1}}));
    EXPECT_EQ(w->marks.removed.at(0), "outbox-1");
  });
}

TEST(Outbox, AMessageWithoutAMarkIsGivenAgain) {
  World world;
  world.play([](World* w) -> Task<void> {
    EXPECT_FALSE(co_await w->give(R"({"id":"outbox-1","data":"d"})"));
    EXPECT_TRUE(w->broker->published.empty());
    EXPECT_GT(w->marks.looks["outbox-1"], 2);
    EXPECT_FALSE(co_await w->give("no json"));
  });
}

TEST(Outbox, AMessageWithoutAMarkIsDiscardedIfThatIsWanted) {
  World world({{"outboxDiscardWhenMissingState", "true"}});
  world.play([](World* w) -> Task<void> {
    EXPECT_TRUE(co_await w->give(R"({"id":"outbox-1","data":"d"})"));
    EXPECT_TRUE(w->broker->published.empty());
    w->marks.error = Error(Code::unavailable, "store is down");
    EXPECT_FALSE(co_await w->give(R"({"id":"outbox-1","data":"d"})"));
  });
}

TEST(Outbox, AMessageThatCannotBePublishedKeepsItsMark) {
  World world;
  world.marks.marks["outbox-1"] = true;
  world.play([](World* w) -> Task<void> {
    w->broker->publish_error = Error(Code::unavailable, "full");
    EXPECT_FALSE(co_await w->give(R"({"id":"outbox-1","data":"d"})"));
    EXPECT_TRUE(w->marks.removed.empty());
  });
}

TEST(OutboxReaders, FollowTheComponentAndTryAgain) {
  World world;
  world.play([](World* w) -> Task<void> {
    EXPECT_TRUE(w->broker->delivers.contains("defaultappordersoutbox"));
    co_await w->readers.start();
    EXPECT_EQ(w->broker->subscribe_calls, 1);
    co_await w->readers.component_closing("pubsub");
    EXPECT_TRUE(w->broker->delivers.empty());
    w->broker->subscribe_error = Error(Code::unavailable, "not yet");
    co_await w->readers.component_opened("pubsub");
    EXPECT_TRUE(w->broker->delivers.empty());
    w->broker->subscribe_error.reset();
    while (w->broker->delivers.empty()) {
      EXPECT_TRUE(co_await sleep_for(std::chrono::milliseconds(1)));
    }
  });
}

TEST(OutboxReaders, FollowWhatAStoreSaysNow) {
  World world;
  world.play([](World* w) -> Task<void> {
    w->outbox.add_store("store", {{"outboxPublishPubsub", "pubsub"},
                                  {"outboxPublishTopic", "orders"},
                                  {"outboxDiscardWhenMissingState", "true"}});
    co_await w->readers.start();
    EXPECT_EQ(w->broker->subscribe_calls, 2);
    EXPECT_TRUE(co_await w->give(R"({"id":"outbox-1","data":"d"})"));
    w->outbox.add_store("store",
                        {{"outboxPublishPubsub", "pubsub"}, {"outboxPublishTopic", "bills"}});
    co_await w->readers.start();
    co_await w->readers.start();
    EXPECT_EQ(w->broker->subscribe_calls, 3);
    EXPECT_TRUE(w->broker->delivers.contains("defaultappbillsoutbox"));
    // What was sent there may not have come yet.
    EXPECT_TRUE(w->broker->delivers.contains("defaultappordersoutbox"));
    co_await w->readers.component_closing("pubsub");
    EXPECT_TRUE(w->broker->delivers.empty());
  });
}

TEST(OutboxReaders, EndWithoutWaitingForMarks) {
  World world;
  world.play([](World* w) -> Task<void> {
    struct Give {
      static Task<void> run(World* w, bool* failed) {
        const auto given = co_await w->give(R"({"id":"outbox-1","data":"d"})");
        *failed = !given;
      }
    };
    bool failed = false;
    Scope scope;
    scope.spawn(Give::run(w, &failed));
    co_await w->readers.shut_down();
    co_await scope.join();
    EXPECT_TRUE(failed);
  });
}

}  // namespace
}  // namespace outrigger::pubsub
