#include "runtime/state/service.h"

#include <gtest/gtest.h>

#include "dapr/proto/runtime/v1/dapr.pb.h"
#include "runtime/state/fixture_testing.h"

namespace outrigger::runtime::state::testing {
namespace {

namespace pb = dapr::proto::runtime::v1;

constexpr auto kState = "/v1.0/state/store";
constexpr auto kTransaction = "/v1.0/state/store/transaction";

OpenStore::Settings encrypted(const std::string& name = "key",
                              const std::string& hex = "000102030405060708090a0b0c0d0e0f") {
  OpenStore::Settings settings;
  settings.encryption = Encryption::make({name, hex}, std::nullopt).value();
  return settings;
}

TEST(StateEncryption, AStringIsStoredWithoutItsQuotesAndOtherValuesAsJson) {
  Fixture api;
  FakeStore& store = api.add_fake("store", encrypted());
  ASSERT_EQ(api.http("POST", kState, R"([{"key":"a","value":"value1"},
    {"key":"b","value":{"y":[1,2],"x":null}}, {"key":"c","value":10000000}])")
                .status,
            204);
  const auto encryption = encrypted().encryption;
  const std::string_view expected[] = {"value1", R"({"x":null,"y":[1,2]})", "10000000"};
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(store.sets.at(i).kind, stores::ValueKind::bytes);
    ASSERT_TRUE(store.sets[i].value.ends_with("||key"));
    EXPECT_EQ(encryption->decrypt(store.sets[i].value, "store").value(), expected[i]);
  }
}

// Upstream's integration case daprd/state/http/encryption.
TEST(StateEncryption, AnEncryptedValueIsReadBack) {
  Fixture api;
  api.add_in_memory("store", encrypted());
  api.http("POST", kState, R"([{"key":"key1","value":"value1"}])");
  EXPECT_EQ(api.http("GET", "/v1.0/state/store/key1").body.whole, "value1");
  EXPECT_EQ(api.http("GET", "/v1.0/state/store/gone").status, 204);
  const auto bulk = api.http("POST", "/v1.0/state/store/bulk", R"({"keys":["key1","gone"]})");
  EXPECT_NE(bulk.body.whole.find(R"("data":"value1")"), std::string::npos) << bulk.body.whole;
  pb::GetStateRequest get;
  get.set_store_name("store");
  get.set_key("key1");
  pb::GetStateResponse reply;
  ASSERT_TRUE(reply.ParseFromString(api.grpc("GetState", get).message));
  EXPECT_EQ(reply.data(), "value1");
}

TEST(StateEncryption, BytesOverGrpcStayBytes) {
  Fixture api;
  FakeStore& store = api.add_fake("store", encrypted());
  pb::SaveStateRequest save;
  save.set_store_name("store");
  save.add_states()->set_key("k");
  save.mutable_states(0)->set_value("\"quoted\"");
  (*save.mutable_states(0)->mutable_metadata())["contentType"] = "application/json";
  ASSERT_TRUE(api.grpc("SaveState", save).status.ok());
  pb::ExecuteStateTransactionRequest transaction;
  transaction.set_storename("store");
  transaction.add_operations()->set_operationtype("upsert");
  transaction.mutable_operations(0)->mutable_request()->set_value("bytes");
  ASSERT_TRUE(api.grpc("ExecuteStateTransaction", transaction).status.ok());
  const auto encryption = encrypted().encryption;
  EXPECT_EQ(encryption->decrypt(store.sets.at(0).value, "store").value(), "\"quoted\"");
  const auto& set = std::get<stores::SetRequest>(store.transactions.at(0).operations.at(0));
  EXPECT_EQ(encryption->decrypt(set.value, "store").value(), "bytes");
}

TEST(StateEncryption, AValueThatCannotBeDecryptedIsAnErrorOfItsKey) {
  Fixture api;
  api.add_fake("store", encrypted()).item = Item{.value = "plain", .etag = "1"};
  const std::string why =
      "could not decrypt data for state store store: encryption key name not found on record";
  EXPECT_EQ(api.http("GET", "/v1.0/state/store/k").body.whole,
            R"({"errorCode":"ERR_STATE_GET","message":"fail to get k from state store store: )" +
                why + "\"}");
  EXPECT_EQ(api.http("POST", "/v1.0/state/store/bulk", R"({"keys":["k"]})").body.whole,
            R"([{"key":"k","error":")" + why + "\"}]\n");
}

TEST(StateEncryption, AnEncryptedStoreCannotBeQueried) {
  Fixture api;
  api.add_fake("store", encrypted());
  const auto refused = api.http("POST", "/v1.0-alpha1/state/store/query", "{}");
  EXPECT_EQ(refused.status, 500);
  EXPECT_NE(refused.body.whole.find("query failed: cannot query encrypted store"),
            std::string::npos);
}

TEST(StateTransaction, OperationsGoToTheStoreTogether) {
  Fixture api;
  FakeStore& store = api.add_fake("store");
  EXPECT_EQ(api.http("POST", kTransaction, "{}").status, 204);
  EXPECT_EQ(api.http("POST", kTransaction, R"({"operations":null})").status, 204);
  EXPECT_TRUE(store.transactions.empty());
  const auto done = api.http("PUT", std::string(kTransaction) + "?metadata.q=1",
                             R"({"operations":[
      {"operation":"upsert","request":{"key":"a","value":{"x":1},"metadata":{"own":"2"}}},
      {"operation":"delete","request":{"key":"b","etag":"3"}}],"metadata":{"body":"4"}})");
  EXPECT_EQ(done.status, 204);
  EXPECT_EQ(done.body.whole, "");
  const stores::TransactionRequest& request = store.transactions.at(0);
  EXPECT_EQ(request.metadata, (Properties{{"body", "4"}, {"q", "1"}}));
  const auto& set = std::get<stores::SetRequest>(request.operations.at(0));
  EXPECT_EQ(set.key, "app||a");
  EXPECT_EQ(set.value, R"({"x":1})");
  EXPECT_EQ(set.kind, stores::ValueKind::json);
  EXPECT_EQ(set.metadata, (Properties{{"own", "2"}, {"q", "1"}}));
  const auto& remove = std::get<stores::DeleteRequest>(request.operations.at(1));
  EXPECT_EQ(remove.etag, "3");
  EXPECT_EQ(remove.metadata, (Properties{{"q", "1"}}));
}

TEST(StateTransaction, StepsAreLookedAtInTheirOrder) {
  Fixture api;
  FakeStore& store = api.add_fake("store");
  const auto code = [&](const std::string& operations) {
    return api.http("POST", kTransaction, "{\"operations\":[" + operations + "]}").body.whole;
  };
  const std::string illegal = R"({"operation":"upsert","request":{"key":"a||b"}})";
  const std::string unknown = R"({"operation":"merge"})";
  const std::string malformed = R"({"operation":"delete","request":{"key":1}})";
  EXPECT_TRUE(code(illegal + "," + unknown).find("can't contain") != std::string::npos);
  EXPECT_TRUE(code(unknown + "," + illegal).find("ERR_NOT_SUPPORTED") != std::string::npos);
  EXPECT_TRUE(code(malformed + "," + unknown).find("failed deserializing") != std::string::npos);
  EXPECT_TRUE(store.transactions.empty());
}

class FakeOutbox final : public OutboxHook {
 public:
  std::vector<std::string> events;
  std::optional<Error> error;

  void store_opened(const std::string& store, const Properties& metadata) override {
    events.push_back("opened " + store + " " + metadata.at("outboxPublishTopic"));
  }
  void store_closing(const std::string& store) override { events.push_back("closing " + store); }
  [[nodiscard]] bool enabled(std::string_view store) const override { return store == "store"; }
  Task<Result<std::vector<stores::Operation>>> publish_internal(
      std::string store, std::vector<stores::Operation> operations,
      telemetry::TraceContext) override {
    events.push_back("publish " + store + " " + std::get<stores::SetRequest>(operations[0]).value);
    if (error) co_return fail(*error);
    stores::SetRequest mark;
    mark.key = "mark";
    operations.emplace_back(std::move(mark));
    co_return operations;
  }
};

TEST(StateOutbox, ATransactionIsPublishedFirstAndDoneWithTheOutboxesRecords) {
  FakeOutbox outbox;
  Fixture api;
  api.service.set_outbox(outbox);
  OpenStore::Settings settings;
  settings.properties.emplace("outboxPublishTopic", "t");
  FakeStore& store = api.add_fake("store", settings);
  constexpr auto kBody =
      R"({"operations":[{"operation":"upsert","request":{"key":"a","value":1}}]})";
  EXPECT_EQ(api.http("POST", kTransaction, kBody).status, 204);
  ASSERT_EQ(store.transactions.at(0).operations.size(), 2u);
  EXPECT_EQ(std::get<stores::SetRequest>(store.transactions[0].operations[1]).key, "mark");
  ErrorDetails details;
  details.reason = "DAPR_PUBSUB_OUTBOX";
  outbox.error = Error(Code::internal, "ERR_PUBLISH_OUTBOX",
                       "error while publishing outbox message: no broker")
                     .with_details(details);
  const auto refused = api.http("POST", kTransaction, kBody);
  EXPECT_EQ(refused.status, 500);
  EXPECT_NE(refused.body.whole.find("ERR_PUBLISH_OUTBOX"), std::string::npos);
  EXPECT_EQ(store.transactions.size(), 1u);
  Loop loop;
  run_on(loop, api.service.take_out("store")->close());
  EXPECT_EQ(outbox.events, (std::vector<std::string>{"opened store t", "publish store 1",
                                                     "publish store 1", "closing store"}));
}

TEST(StateOutbox, MarksAreReadAndErasedByTheirOwnKeys) {
  Fixture api;
  FakeStore& store = api.add_fake("store");
  Loop loop;
  EXPECT_FALSE(run_on(loop, api.service.contains("store", "mark")).value());
  store.item = Item{.value = "0"};
  EXPECT_TRUE(run_on(loop, api.service.contains("store", "mark")).value());
  EXPECT_EQ(store.gets.back().key, "mark");
  EXPECT_TRUE(run_on(loop, api.service.erase("store", "mark")));
  EXPECT_EQ(store.removes.back().key, "mark");
  EXPECT_FALSE(run_on(loop, api.service.contains("other", "mark")));
  EXPECT_FALSE(run_on(loop, api.service.erase("other", "mark")));
}

TEST(StateMetrics, EveryOperationIsCountedBySuccess) {
  Fixture api;
  FakeStore& store = api.add_fake("store");
  const auto all = [&] {
    api.http("GET", "/v1.0/state/store/k");
    api.http("POST", kState, R"([{"key":"k"}])");
    api.http("DELETE", "/v1.0/state/store/k");
    api.http("POST", "/v1.0/state/store/bulk", R"({"keys":["k"]})");
    api.http("POST", kTransaction, R"({"operations":[{"operation":"upsert"}]})");
    api.http("POST", "/v1.0-alpha1/state/store/query", "{}");
    pb::DeleteBulkStateRequest bulk;
    bulk.set_store_name("store");
    api.grpc("DeleteBulkState", bulk);
  };
  all();
  store.error = Error(Code::internal, "broken");
  all();
  const std::string text = api.metrics.render();
  for (const auto operation :
       {"get", "set", "delete", "bulk_get", "bulk_delete", "transaction", "query"}) {
    for (const auto success : {"true", "false"}) {
      const std::string labels = R"(component="store",namespace="",operation=")" +
                                 std::string(operation) + R"(",success=")" + success + "\"} 1";
      EXPECT_NE(text.find(labels), std::string::npos) << labels;
    }
  }
}

/// Policies for all stores: up to three attempts, and a breaker if it is wanted.
resiliency::Policies three_times(std::string trip = "") {
  resources::Resiliency document;
  document.retries["DefaultStatestoreComponentOutboundRetryPolicy"] = {
      .duration = std::chrono::nanoseconds(1), .max_retries = 2};
  if (!trip.empty()) {
    document.circuit_breakers["DefaultComponentCircuitBreakerPolicy"] = {.trip = std::move(trip)};
  }
  return resiliency::Policies({document});
}

Service::Settings with(const resiliency::Policies& policies) {
  Service::Settings settings;
  settings.policies = &policies;
  return settings;
}

TEST(StatePolicy, FailedCallsAreRepeated) {
  const auto policies = three_times();
  Fixture api(with(policies));
  FakeStore& store = api.add_fake("store");
  store.error = Error(Code::unavailable, "down");
  EXPECT_EQ(api.http("GET", "/v1.0/state/store/k").status, 500);
  EXPECT_EQ(store.gets.size(), 3u);
  EXPECT_EQ(store.gets.at(2).key, "app||k");
  EXPECT_EQ(api.http("POST", kState, R"([{"key":"k","value":1}])").status, 500);
  EXPECT_EQ(store.sets.size(), 3u);
  EXPECT_EQ(store.sets.at(2).value, "1");
  EXPECT_EQ(api.http("DELETE", "/v1.0/state/store/k").status, 500);
  EXPECT_EQ(store.removes.size(), 3u);
  EXPECT_EQ(api.http("POST", kTransaction, R"({"operations":[{"operation":"upsert"}]})").status,
            500);
  EXPECT_EQ(store.transactions.size(), 3u);
  store.error.reset();
  store.item = Item{.value = "2"};
  EXPECT_EQ(api.http("GET", "/v1.0/state/store/k").body.whole, "2");
  EXPECT_EQ(api.http("POST", "/v1.0/state/store/bulk", R"({"keys":["k"]})").status, 200);
  EXPECT_EQ(api.http("POST", "/v1.0-alpha1/state/store/query", "{}").status, 204);
}

TEST(StatePolicy, AStaleEtagIsNotTriedAgain) {
  const auto policies = three_times();
  Fixture api(with(policies));
  FakeStore& store = api.add_fake("store");
  store.error = stores::etag_mismatch();
  EXPECT_EQ(api.http("POST", kState, R"([{"key":"k"}])").status, 409);
  EXPECT_EQ(store.sets.size(), 1u);
}

TEST(StatePolicy, OfSeveralWritesOnlyTheFailedAreRepeated) {
  const auto policies = three_times();
  Fixture api(with(policies));
  FakeStore& store = api.add_fake("store");
  store.errors_of_keys = {{"app||b", Error(Code::unavailable, "no b")},
                          {"app||c", stores::etag_mismatch("c")},
                          {"app||d", Error(Code::unavailable, "no d")}};
  const auto failed =
      api.http("POST", kState, R"([{"key":"a"},{"key":"b"},{"key":"c"},{"key":"d"}])");
  EXPECT_EQ(failed.status, 409);
  std::vector<std::string> keys;
  for (const auto& set : store.sets) keys.push_back(set.key.substr(5));
  EXPECT_EQ(keys, (std::vector<std::string>{"a", "b", "c", "d", "b", "d", "b", "d"}));
}

TEST(StatePolicy, AStaleEtagIsToldThoughTheOthersSucceedLater) {
  const auto policies = three_times();
  Fixture api(with(policies));
  FakeStore& store = api.add_fake("store");
  store.errors_of_keys = {{"app||b", Error(Code::unavailable, "no b")},
                          {"app||c", stores::etag_mismatch("c")}};
  store.fails_once = {"app||b"};
  EXPECT_EQ(api.http("POST", kState, R"([{"key":"b"},{"key":"c"}])").status, 409);
  EXPECT_EQ(store.sets.size(), 3u);
}

TEST(StatePolicy, ThePolicysOwnErrorIsTold) {
  const auto policies = three_times("consecutiveFailures > 0");
  Fixture api(with(policies));
  FakeStore& store = api.add_fake("store");
  store.error = Error(Code::unavailable, "down");
  EXPECT_EQ(api.http("GET", "/v1.0/state/store/k").status, 500);
  EXPECT_EQ(store.gets.size(), 1u);
  EXPECT_EQ(api.http("POST", kState, R"([{"key":"b"},{"key":"c"}])").body.whole,
            R"({"errorCode":"ERR_STATE_SAVE","message":"failed saving state in state store store: )"
            R"(circuit breaker is open"})");
  EXPECT_TRUE(store.sets.empty());
}

/// Whose reads wait until they are let go.
class SlowStore final : public FakeStore {
 public:
  Signal gate;
  bool closed = false;
  Task<Result<std::optional<Item>>> get(stores::GetRequest) override {
    auto woken = co_await gate.wait();
    EXPECT_FALSE(closed);
    if (!woken) co_return std::unexpected(std::move(woken).error());
    co_return Item{.value = "late"};
  }
  Task<void> close() override {
    closed = true;
    co_return;
  }
};

Task<void> get_into(Service& service, std::string* value) {
  Get request;
  request.store = "store";
  request.request.key = "k";
  auto item = co_await service.get(std::move(request));
  if (item && *item) *value = (*item)->value;
}

Task<void> close_under_a_call(Service& service, SlowStore& store, std::string* value) {
  Scope scope;
  scope.spawn(get_into(service, value));
  const auto taken = service.take_out("store");
  scope.spawn(taken->close());
  EXPECT_FALSE(service.find("store"));
  EXPECT_FALSE(store.closed);
  store.gate.notify_all();
  co_await scope.join();
  EXPECT_TRUE(store.closed);
}

TEST(StateService, AStoreIsClosedOnceTheCallsInsideHaveEnded) {
  Loop loop;
  Service service({});
  auto made = std::make_unique<SlowStore>();
  SlowStore& store = *made;
  OpenStore::Settings settings;
  settings.name = "store";
  service.add(std::make_shared<OpenStore>(std::move(settings), std::move(made), nullptr));
  std::string value;
  // The store lives until its entry is gone: keep that for the look at `closed`.
  const auto kept = service.find("store");
  run_on(loop, close_under_a_call(service, store, &value));
  EXPECT_EQ(value, "late");
}

}  // namespace
}  // namespace outrigger::runtime::state::testing
