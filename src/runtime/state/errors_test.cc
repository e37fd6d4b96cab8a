#include <gtest/gtest.h>

#include "dapr/proto/runtime/v1/dapr.pb.h"
#include "runtime/state/fixture_testing.h"

/// The rows of the error table that both faces have, literally (facts/errors.tsv, State).
namespace outrigger::runtime::state::testing {
namespace {

namespace pb = dapr::proto::runtime::v1;

constexpr auto kTransaction = "/v1.0/state/store/transaction";
constexpr auto kQuery = "/v1.0-alpha1/state/store/query";

pb::SaveStateRequest save_of(const std::string& key, const std::string& store = "store") {
  pb::SaveStateRequest request;
  request.set_store_name(store);
  request.add_states()->set_key(key);
  return request;
}

pb::ExecuteStateTransactionRequest transaction_of(const std::string& type, const std::string& key) {
  pb::ExecuteStateTransactionRequest request;
  request.set_storename("store");
  auto* operation = request.add_operations();
  operation->set_operationtype(type);
  operation->mutable_request()->set_key(key);
  return request;
}

/// `details`: what HTTP shows of them.
void expect_rich(const net::Response& response, int status, std::string_view code,
                 std::string_view message, std::string_view details) {
  EXPECT_EQ(response.status, status);
  EXPECT_EQ(response.headers.value("Content-Type"), "application/json");
  EXPECT_EQ(response.body.whole, R"({"errorCode":")" + std::string(code) + R"(","message":")" +
                                     std::string(message) + R"(","details":[)" +
                                     std::string(details) + "]}");
}

void expect_status(const GrpcAnswer& answer, Code code, std::string_view message,
                   std::string_view reason, std::map<std::string, std::string> metadata = {}) {
  EXPECT_EQ(answer.status.code, code);
  EXPECT_EQ(answer.status.message, message);
  ASSERT_TRUE(answer.details);
  EXPECT_EQ(answer.details->reason, reason);
  EXPECT_EQ(answer.details->metadata, metadata);
}

std::string info(std::string_view reason, std::string_view metadata = "null") {
  return R"({"@type":"type.googleapis.com/google.rpc.ErrorInfo","domain":"dapr.io","metadata":)" +
         std::string(metadata) + R"(,"reason":")" + std::string(reason) + R"("})";
}
const std::string kResource =
    R"({"@type":"type.googleapis.com/google.rpc.ResourceInfo","description":"","owner":"",)"
    R"("resource_name":"store","resource_type":"state"})";

TEST(StateErrors, WithoutAnyStoreNoneIsConfigured) {
  Fixture api;
  const std::string details = info("DAPR_STATE_NOT_CONFIGURED", R"({"appID":"app"})");
  for (const auto target : {"/v1.0/state/store", "/v1.0/state/store/bulk", kTransaction}) {
    expect_rich(api.http("POST", target), 500, "ERR_STATE_STORE_NOT_CONFIGURED",
                "state store store is not configured", details);
  }
  for (const auto method : {"GET", "DELETE"}) {
    expect_rich(api.http(method, "/v1.0/state/store/k"), 500, "ERR_STATE_STORE_NOT_CONFIGURED",
                "state store store is not configured", details);
  }
  // Only queries do not tell the application's id.
  expect_rich(api.http("POST", kQuery, "{}"), 500, "ERR_STATE_STORE_NOT_CONFIGURED",
              "state store store is not configured", info("DAPR_STATE_NOT_CONFIGURED"));
  for (const auto method : {"GetState", "SaveState", "DeleteState", "GetBulkState",
                            "DeleteBulkState", "QueryStateAlpha1", "ExecuteStateTransaction"}) {
    pb::GetStateRequest request;
    request.set_store_name("store");
    expect_status(api.grpc(method, request), Code::failed_precondition,
                  "state store store is not configured", "DAPR_STATE_NOT_CONFIGURED");
  }
}

TEST(StateErrors, AnUnknownStoreIsNotFound) {
  Fixture api;
  api.add_fake("other");
  const std::string details = info("DAPR_STATE_NOT_FOUND", R"({"appID":"app"})");
  for (const auto target : {"/v1.0/state/store", "/v1.0/state/store/bulk", kTransaction}) {
    expect_rich(api.http("POST", target), 400, "ERR_STATE_STORE_NOT_FOUND",
                "state store store is not found", details);
  }
  expect_rich(api.http("GET", "/v1.0/state/store/k"), 400, "ERR_STATE_STORE_NOT_FOUND",
              "state store store is not found", details);
  expect_rich(api.http("POST", kQuery, "{}"), 400, "ERR_STATE_STORE_NOT_FOUND",
              "state store store is not found", info("DAPR_STATE_NOT_FOUND"));
  expect_status(api.grpc("SaveState", save_of("k")), Code::invalid_argument,
                "state store store is not found", "DAPR_STATE_NOT_FOUND");
}

std::string violation(std::string_view field, std::string_view message) {
  std::string text =
      R"({"@type":"type.googleapis.com/google.rpc.BadRequest","field_violations":[{)";
  if (!field.empty()) text.append(R"("field":")").append(field).append(R"(",)");
  return text.append(R"("description":")").append(message).append(R"("}]})");
}

TEST(StateErrors, AKeyWithTheSeparatorIsIllegalOverHttp) {
  Fixture api;
  FakeStore& store = api.add_fake("store");
  constexpr auto kMessage =
      "api error: code = InvalidArgument desc = input key/keyPrefix 'a||b' can't contain '||'";
  const std::string rest = "," + kResource + "," + info("DAPR_STATE_ILLEGAL_KEY");
  const std::string details = violation("a||b", kMessage) + rest;
  expect_rich(api.http("POST", "/v1.0/state/store", R"([{"key":"ok"},{"key":"a||b"}])"), 400,
              "ERR_MALFORMED_REQUEST", kMessage, details);
  expect_rich(api.http("GET", "/v1.0/state/store/a%7C%7Cb"), 400, "ERR_MALFORMED_REQUEST", kMessage,
              details);
  expect_rich(api.http("DELETE", "/v1.0/state/store/a%7C%7Cb"), 400, "ERR_MALFORMED_REQUEST",
              kMessage, details);
  expect_rich(api.http("POST", "/v1.0/state/store/bulk", R"({"keys":["a||b"]})"), 400,
              "ERR_MALFORMED_REQUEST", kMessage, details);
  expect_rich(api.http("POST", kTransaction,
                       R"({"operations":[{"operation":"delete","request":{"key":"a||b"}}]})"),
              400, "ERR_MALFORMED_REQUEST", kMessage, violation("", kMessage) + rest);
  EXPECT_TRUE(store.sets.empty());
}

TEST(StateErrors, AKeyWithTheSeparatorIsIllegalOverGrpc) {
  Fixture api;
  FakeStore& store = api.add_fake("store");
  constexpr auto kMessage = "input key/keyPrefix 'a||b' can't contain '||'";
  const auto expect_illegal = [&](const GrpcAnswer& answer) {
    expect_status(answer, Code::invalid_argument, kMessage, "DAPR_STATE_ILLEGAL_KEY");
    ASSERT_EQ(answer.details->resources.size(), 1u);
    EXPECT_EQ(answer.details->resources[0].type, "state");
    EXPECT_EQ(answer.details->resources[0].name, "store");
    ASSERT_EQ(answer.details->field_violations.size(), 1u);
    EXPECT_EQ(answer.details->field_violations[0].field, "a||b");
    EXPECT_EQ(answer.details->field_violations[0].description, kMessage);
  };
  expect_illegal(api.grpc("SaveState", save_of("a||b")));
  pb::GetStateRequest get;
  get.set_store_name("store");
  get.set_key("a||b");
  expect_illegal(api.grpc("GetState", get));
  expect_illegal(api.grpc("DeleteState", get));  // The same two fields.
  pb::GetBulkStateRequest bulk;
  bulk.set_store_name("store");
  bulk.add_keys("a||b");
  expect_illegal(api.grpc("GetBulkState", bulk));
  expect_illegal(api.grpc("DeleteBulkState", save_of("a||b")));
  expect_illegal(api.grpc("ExecuteStateTransaction", transaction_of("upsert", "a||b")));
  // The key is looked at before the kind of operation.
  expect_illegal(api.grpc("ExecuteStateTransaction", transaction_of("merge", "a||b")));
  EXPECT_TRUE(store.sets.empty());
}

TEST(StateErrors, AnEmptyKeyCannotBeSaved) {
  Fixture api;
  api.add_fake("store");
  EXPECT_EQ(api.http("POST", "/v1.0/state/store", R"([{"value":1}])").body.whole,
            R"({"errorCode":"ERR_MALFORMED_REQUEST","message":"\"key\" is a required field"})");
  expect_status(api.grpc("SaveState", save_of("")), Code::invalid_argument,
                "state key cannot be empty", "ERR_STATE_SAVE");
}

TEST(StateErrors, AStoreWithoutTransactionsSaysWhereToLook) {
  Fixture api;
  api.add_fake("store").with_transactions = false;
  const std::string help =
      R"({"@type":"type.googleapis.com/google.rpc.Help","links":[{"description":"Check the list )"
      R"(of state stores and the features they support","url":)"
      R"("https://docs.dapr.io/reference/components-reference/supported-state-stores/"}]},)";
  expect_rich(api.http("POST", kTransaction, "not read"), 500, "ERR_STATE_STORE_NOT_SUPPORTED",
              "state store store doesn't support transactions",
              help + kResource + "," + info("DAPR_STATE_TRANSACTIONS_NOT_SUPPORTED"));
  const auto answer = api.grpc("ExecuteStateTransaction", transaction_of("upsert", "k"));
  expect_status(answer, Code::unimplemented, "state store store doesn't support transactions",
                "DAPR_STATE_TRANSACTIONS_NOT_SUPPORTED");
  EXPECT_EQ(answer.details->help_links.at(0).url,
            "https://docs.dapr.io/reference/components-reference/supported-state-stores/");
}

TEST(StateErrors, TooManyOperationsAreRefusedBeforeAnyIsDone) {
  Fixture api;
  FakeStore& store = api.add_fake("store");
  store.max = 1;
  constexpr auto kMessage =
      "the transaction contains 2 operations, which is more than what the state store supports: 1";
  expect_rich(api.http("POST", kTransaction,
                       R"({"operations":[{"operation":"upsert","request":{"key":"a"}},
                                         {"operation":"delete","request":{"key":"b"}}]})"),
              400, "ERR_STATE_STORE_TOO_MANY_TRANSACTIONS", kMessage,
              kResource + "," +
                  info("DAPR_STATE_TOO_MANY_TRANSACTIONS",
                       R"({"currentOpsTransaction":"2","maxOpsPerTransaction":"1"})"));
  auto request = transaction_of("upsert", "a");
  *request.add_operations() = request.operations(0);
  expect_status(api.grpc("ExecuteStateTransaction", request), Code::invalid_argument, kMessage,
                "DAPR_STATE_TOO_MANY_TRANSACTIONS",
                {{"currentOpsTransaction", "2"}, {"maxOpsPerTransaction", "1"}});
  EXPECT_TRUE(store.transactions.empty());
}

TEST(StateErrors, AnUnknownOperationIsNamed) {
  Fixture api;
  FakeStore& store = api.add_fake("store");
  EXPECT_EQ(api.http("POST", kTransaction, R"({"operations":[{"operation":"merge"}]})").body.whole,
            R"({"errorCode":"ERR_NOT_SUPPORTED_STATE_OPERATION","message":"operation type merge )"
            R"(not supported"})");
  EXPECT_EQ(api.http("POST", kTransaction, R"({"operations":[{"operation":"merge"}]})").status,
            400);
  expect_status(api.grpc("ExecuteStateTransaction", transaction_of("merge", "k")),
                Code::unimplemented, "operation type merge not supported",
                "ERR_NOT_SUPPORTED_STATE_OPERATION");
  EXPECT_TRUE(store.transactions.empty());
}

TEST(StateErrors, AFailedTransactionIs500EvenForAStaleEtag) {
  Fixture api;
  api.add_fake("store").error = stores::etag_mismatch();
  constexpr auto kMessage =
      "error while executing state transaction: possible etag mismatch. error from state store";
  const auto response = api.http(
      "POST", kTransaction, R"({"operations":[{"operation":"upsert","request":{"key":"a"}}]})");
  EXPECT_EQ(response.status, 500);
  EXPECT_EQ(response.body.whole,
            R"({"errorCode":"ERR_STATE_TRANSACTION","message":")" + std::string(kMessage) + "\"}");
  expect_status(api.grpc("ExecuteStateTransaction", transaction_of("upsert", "k")), Code::internal,
                kMessage, "ERR_STATE_TRANSACTION");
}

TEST(StateErrors, AStoreThatCannotBeQueriedSaysSo) {
  Fixture api;
  api.add_fake("store").with_queries = false;
  expect_rich(api.http("POST", kQuery, "{}"), 500, "ERR_STATE_STORE_NOT_SUPPORTED",
              "state store does not support querying",
              kResource + "," + info("DAPR_STATE_QUERYING_NOT_SUPPORTED"));
  pb::QueryStateRequest request;
  request.set_store_name("store");
  expect_status(api.grpc("QueryStateAlpha1", request), Code::internal,
                "state store does not support querying", "DAPR_STATE_QUERYING_NOT_SUPPORTED");
}

TEST(StateErrors, AFailedQueryNamesTheStore) {
  Fixture api;
  FakeStore& store = api.add_fake("store");
  const std::string details = kResource + "," + info("DAPR_STATE_QUERY_FAILED");
  expect_rich(api.http("POST", kQuery, ""), 500, "ERR_STATE_QUERY",
              "state store store query failed: failed to parse JSON query body: unexpected end of "
              "JSON input",
              details);
  expect_rich(api.http("POST", kQuery, "{} x"), 500, "ERR_STATE_QUERY",
              "state store store query failed: failed to parse JSON query body: invalid character "
              "'x' after top-level value",
              details);
  expect_rich(api.http("POST", kQuery, R"({"filter":{"XOR":{"a":1}}})"), 500, "ERR_STATE_QUERY",
              R"(state store store query failed: failed to parse JSON query body: unsupported )"
              R"(filter \"XOR\")",
              details);
  store.error = Error(Code::unavailable, "down");
  expect_rich(api.http("POST", kQuery, "{}"), 500, "ERR_STATE_QUERY",
              "state store store query failed: down", details);
  pb::QueryStateRequest request;
  request.set_store_name("store");
  request.set_query("{}");
  expect_status(api.grpc("QueryStateAlpha1", request), Code::internal,
                "state store store query failed: down", "DAPR_STATE_QUERY_FAILED");
}

TEST(StateErrors, ErrorsOfAStoreOverGrpcCarryTheErrorCode) {
  Fixture api;
  FakeStore& store = api.add_fake("store");
  pb::GetStateRequest one;
  one.set_store_name("store");
  one.set_key("k");
  store.error = Error(Code::unavailable, "down");
  expect_status(api.grpc("GetState", one), Code::internal,
                "fail to get k from state store store: down", "ERR_STATE_GET");
  expect_status(api.grpc("SaveState", save_of("k")), Code::internal,
                "failed saving state in state store store: down", "ERR_STATE_SAVE");
  expect_status(api.grpc("DeleteState", one), Code::internal,
                "failed deleting state with key k: down", "ERR_STATE_DELETE");
  expect_status(api.grpc("DeleteBulkState", save_of("k")), Code::internal,
                "failed deleting state in state store store: down", "ERR_STATE_BULK_DELETE");
  pb::GetBulkStateRequest bulk;
  bulk.set_store_name("store");
  bulk.add_keys("k");
  const auto answer = api.grpc("GetBulkState", bulk);
  EXPECT_EQ(answer.status.code, Code::unknown);
  EXPECT_EQ(answer.status.message, "down");
  EXPECT_FALSE(answer.details);
}

TEST(StateErrors, AStaleEtagOverGrpcIsAbortedAndAnImpossibleOneInvalid) {
  Fixture api;
  FakeStore& store = api.add_fake("store");
  pb::GetStateRequest one;
  one.set_store_name("store");
  one.set_key("k");
  const std::string stale = "possible etag mismatch. error from state store";
  store.error = stores::etag_mismatch();
  expect_status(api.grpc("SaveState", save_of("k")), Code::aborted,
                "failed saving state in state store store: " + stale, "ERR_STATE_SAVE");
  expect_status(api.grpc("DeleteState", one), Code::aborted,
                "failed deleting state with key k: " + stale, "ERR_STATE_DELETE");
  expect_status(api.grpc("DeleteBulkState", save_of("k")), Code::aborted,
                "failed deleting state in state store store: " + stale, "ERR_STATE_BULK_DELETE");
  store.error = stores::etag_invalid();
  expect_status(api.grpc("SaveState", save_of("k")), Code::invalid_argument,
                "failed saving state in state store store: invalid etag value", "ERR_STATE_SAVE");
  expect_status(api.grpc("DeleteState", one), Code::invalid_argument,
                "failed deleting state with key k: invalid etag value", "ERR_STATE_DELETE");
}

// Upstream's integration case daprd/state/grpc/customerrors.
TEST(StateErrors, AnErrorThatSaysWhatItIsPassesGrpcAsItIs) {
  Fixture api;
  FakeStore& store = api.add_fake("store");
  ErrorDetails details;
  details.reason = "its-reason";
  store.error = Error(Code::already_exists, "its-error").with_details(details);
  pb::GetStateRequest one;
  one.set_store_name("store");
  one.set_key("k");
  for (const auto method : {"GetState", "DeleteState", "QueryStateAlpha1"}) {
    pb::QueryStateRequest query;
    query.set_store_name("store");
    query.set_query(std::string_view(method) == "QueryStateAlpha1" ? "{}" : "k");
    expect_status(api.grpc(method, query), Code::already_exists, "its-error", "its-reason");
  }
  auto two = save_of("a");
  two.add_states()->set_key("b");
  expect_status(api.grpc("SaveState", two), Code::already_exists, "its-error", "its-reason");
  expect_status(api.grpc("DeleteBulkState", two), Code::already_exists, "its-error", "its-reason");
  pb::GetBulkStateRequest bulk;
  bulk.set_store_name("store");
  bulk.add_keys("k");
  expect_status(api.grpc("GetBulkState", bulk), Code::already_exists, "its-error", "its-reason");
}

}  // namespace
}  // namespace outrigger::runtime::state::testing
