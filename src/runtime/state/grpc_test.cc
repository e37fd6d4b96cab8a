#include "runtime/state/grpc.h"

#include <gtest/gtest.h>

#include "dapr/proto/runtime/v1/dapr.pb.h"
#include "runtime/state/fixture_testing.h"

namespace outrigger::runtime::state::testing {
namespace {

namespace pb = dapr::proto::runtime::v1;
namespace common = dapr::proto::common::v1;

pb::SaveStateRequest save_of(const std::string& key, const std::string& value) {
  pb::SaveStateRequest save;
  save.set_store_name("store");
  auto* item = save.add_states();
  item->set_key(key);
  item->set_value(value);
  return save;
}

pb::GetStateRequest get_of(const std::string& key) {
  pb::GetStateRequest get;
  get.set_store_name("store");
  get.set_key(key);
  return get;
}

pb::GetStateResponse read(Fixture& api, const std::string& key) {
  pb::GetStateResponse reply;
  EXPECT_TRUE(reply.ParseFromString(api.grpc("GetState", get_of(key)).message));
  return reply;
}

TEST(StateGrpc, WhatIsSavedIsReadBackAndGoneOnceDeleted) {
  Fixture api;
  api.add_in_memory("store");
  const std::string bytes("value\0\xff", 7);
  EXPECT_TRUE(api.grpc("SaveState", save_of("k", bytes)).status.ok());
  EXPECT_EQ(read(api, "k").data(), bytes);
  EXPECT_NE(read(api, "k").etag(), "");
  EXPECT_TRUE(api.grpc("DeleteState", get_of("k")).status.ok());
  EXPECT_EQ(read(api, "k").data(), "");
  EXPECT_EQ(read(api, "k").etag(), "");
}

TEST(StateGrpc, ALargeValueFitsToo) {
  Fixture api;
  api.add_in_memory("store");
  const std::string large(300'000, 'x');
  EXPECT_TRUE(api.grpc("SaveState", save_of("k", large)).status.ok());
  EXPECT_EQ(read(api, "k").data(), large);
}

TEST(StateGrpc, ASaveOfNothingDoesNothing) {
  Fixture api;
  FakeStore& store = api.add_fake("store");
  pb::SaveStateRequest save;
  save.set_store_name("store");
  EXPECT_TRUE(api.grpc("SaveState", save).status.ok());
  EXPECT_TRUE(store.sets.empty());
}

TEST(StateGrpc, AWriteCarriesItsEtagOptionsAndMetadata) {
  Fixture api;
  FakeStore& store = api.add_fake("store");
  auto save = save_of("k", "v");
  auto* item = save.mutable_states(0);
  item->mutable_etag()->set_value("7");
  item->mutable_options()->set_concurrency(common::StateOptions::CONCURRENCY_FIRST_WRITE);
  item->mutable_options()->set_consistency(common::StateOptions::CONSISTENCY_STRONG);
  (*item->mutable_metadata())["ttlInSeconds"] = "3";
  EXPECT_TRUE(api.grpc("SaveState", save).status.ok());
  const stores::SetRequest& set = store.sets.at(0);
  EXPECT_EQ(set.key, "app||k");
  EXPECT_EQ(set.value, "v");
  EXPECT_EQ(set.kind, stores::ValueKind::bytes);
  EXPECT_EQ(set.etag, "7");
  EXPECT_EQ(set.concurrency, stores::Concurrency::first_write);
  EXPECT_EQ(set.consistency, stores::Consistency::strong);
  EXPECT_EQ(set.metadata, (Properties{{"ttlInSeconds", "3"}}));
  save.mutable_states(0)->clear_etag();
  EXPECT_TRUE(api.grpc("SaveState", save).status.ok());
  EXPECT_EQ(store.sets.at(1).etag, std::nullopt);
}

TEST(StateGrpc, AValueOfContentTypeJsonIsCheckedAndStoredAsJson) {
  Fixture api;
  FakeStore& store = api.add_fake("store");
  auto save = save_of("k", R"({"b": 1, "a": 12345678901234567890})");
  (*save.mutable_states(0)->mutable_metadata())["contentType"] = "application/json";
  EXPECT_TRUE(api.grpc("SaveState", save).status.ok());
  EXPECT_EQ(store.sets.at(0).kind, stores::ValueKind::json);
  EXPECT_EQ(store.sets.at(0).value, R"({"a":12345678901234567890,"b":1})");
  save.mutable_states(0)->set_value("{");
  const auto refused = api.grpc("SaveState", save);
  // Upstream lets the decoder's error out as it is.
  EXPECT_EQ(refused.status.code, Code::unknown);
  EXPECT_EQ(refused.status.message, "unexpected end of JSON input");
}

TEST(StateGrpc, AReadCarriesConsistencyAndMetadata) {
  Fixture api;
  FakeStore& store = api.add_fake("store");
  store.item = Item{.value = "v", .etag = "e", .metadata = {{"ttlExpireTime", "t"}}};
  auto get = get_of("k");
  get.set_consistency(common::StateOptions::CONSISTENCY_EVENTUAL);
  (*get.mutable_metadata())["a"] = "b";
  pb::GetStateResponse reply;
  ASSERT_TRUE(reply.ParseFromString(api.grpc("GetState", get).message));
  EXPECT_EQ(reply.data(), "v");
  EXPECT_EQ(reply.etag(), "e");
  EXPECT_EQ(reply.metadata().at("ttlExpireTime"), "t");
  EXPECT_EQ(store.gets.at(0).consistency, stores::Consistency::eventual);
  EXPECT_EQ(store.gets.at(0).metadata, (Properties{{"a", "b"}}));
}

TEST(StateGrpc, BulkReadsAnswerEveryKey) {
  Fixture api;
  FakeStore& store = api.add_fake("store");
  store.item = Item{.value = "v", .etag = "e", .metadata = {{"m", "n"}}};
  store.errors_of_keys = {{"app||b", Error(Code::internal, "no b")}};
  pb::GetBulkStateRequest bulk;
  bulk.set_store_name("store");
  pb::GetBulkStateResponse reply;
  ASSERT_TRUE(reply.ParseFromString(api.grpc("GetBulkState", bulk).message));
  EXPECT_EQ(reply.items_size(), 0);
  bulk.add_keys("a");
  bulk.add_keys("b");
  bulk.set_parallelism(-1);
  ASSERT_TRUE(reply.ParseFromString(api.grpc("GetBulkState", bulk).message));
  ASSERT_EQ(reply.items_size(), 2);
  EXPECT_EQ(reply.items(0).key(), "a");
  EXPECT_EQ(reply.items(0).data(), "v");
  EXPECT_EQ(reply.items(0).etag(), "e");
  EXPECT_EQ(reply.items(0).metadata().at("m"), "n");
  EXPECT_EQ(reply.items(1).key(), "b");
  EXPECT_EQ(reply.items(1).error(), "no b");
}

TEST(StateGrpc, BulkDeletionsGoToTheStoreTogether) {
  Fixture api;
  FakeStore& store = api.add_fake("store");
  pb::DeleteBulkStateRequest request;
  request.set_store_name("store");
  EXPECT_TRUE(api.grpc("DeleteBulkState", request).status.ok());
  request.add_states()->set_key("a");
  request.mutable_states(0)->mutable_etag()->set_value("3");
  EXPECT_TRUE(api.grpc("DeleteBulkState", request).status.ok());
  EXPECT_EQ(store.bulk_removes, 1);  // The empty one; a single one goes alone.
  EXPECT_EQ(store.removes.at(0).etag, "3");
  request.add_states()->set_key("b");
  EXPECT_TRUE(api.grpc("DeleteBulkState", request).status.ok());
  EXPECT_EQ(store.bulk_removes, 2);
}

TEST(StateGrpc, ATransactionKeepsItsOrderAndFields) {
  Fixture api;
  FakeStore& store = api.add_fake("store");
  pb::ExecuteStateTransactionRequest request;
  request.set_storename("store");
  auto* upsert = request.add_operations();
  upsert->set_operationtype("upsert");
  upsert->mutable_request()->set_key("a");
  upsert->mutable_request()->set_value("1");
  (*upsert->mutable_request()->mutable_metadata())["x"] = "y";
  auto* remove = request.add_operations();
  remove->set_operationtype("delete");
  remove->mutable_request()->set_key("b");
  remove->mutable_request()->mutable_etag()->set_value("2");
  (*request.mutable_metadata())["p"] = "q";
  EXPECT_TRUE(api.grpc("ExecuteStateTransaction", request).status.ok());
  const stores::TransactionRequest& done = store.transactions.at(0);
  EXPECT_EQ(done.metadata, (Properties{{"p", "q"}}));
  const auto& set = std::get<stores::SetRequest>(done.operations.at(0));
  EXPECT_EQ(set.key, "app||a");
  EXPECT_EQ(set.value, "1");
  EXPECT_EQ(set.metadata, (Properties{{"x", "y"}}));
  const auto& deletion = std::get<stores::DeleteRequest>(done.operations.at(1));
  EXPECT_EQ(deletion.key, "app||b");
  EXPECT_EQ(deletion.etag, "2");
}

TEST(StateGrpc, QueriesAnswerTheirItems) {
  Fixture api;
  FakeStore& store = api.add_fake("store");
  stores::QueryAnswer answer;
  answer.results.push_back({.key = "app||k", .value = "v", .etag = "1"});
  answer.token = "next";
  answer.metadata = {{"m", "n"}};
  store.answer = answer;
  pb::QueryStateRequest request;
  request.set_store_name("store");
  request.set_query("{}");
  pb::QueryStateResponse reply;
  ASSERT_TRUE(reply.ParseFromString(api.grpc("QueryStateAlpha1", request).message));
  ASSERT_EQ(reply.results_size(), 1);
  EXPECT_EQ(reply.results(0).key(), "k");
  EXPECT_EQ(reply.results(0).data(), "v");
  EXPECT_EQ(reply.results(0).etag(), "1");
  EXPECT_EQ(reply.token(), "next");
  EXPECT_EQ(reply.metadata().at("m"), "n");
}

TEST(StateGrpc, ABrokenMessageIsRefusedByEveryMethod) {
  Fixture api;
  api.add_fake("store");
  for (const auto method : {"GetState", "SaveState", "DeleteState", "GetBulkState",
                            "DeleteBulkState", "QueryStateAlpha1", "ExecuteStateTransaction"}) {
    EXPECT_EQ(api.grpc_raw(method, "\x0a\xff").status.code, Code::internal) << method;
    // A field of another type, and a text that is no UTF-8.
    EXPECT_FALSE(api.grpc_raw(method, "\x0a\x01\xff").status.ok()) << method;
  }
}

}  // namespace
}  // namespace outrigger::runtime::state::testing
