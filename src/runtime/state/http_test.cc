#include "runtime/state/http.h"

#include <gtest/gtest.h>

#include "base/json.h"
#include "runtime/state/fixture_testing.h"

namespace outrigger::runtime::state::testing {
namespace {

constexpr auto kState = "/v1.0/state/store";
constexpr auto kBulk = "/v1.0/state/store/bulk";

/// {"errorCode","message"} and nothing else.
void expect_simple(const net::Response& response, int status, std::string_view code,
                   const std::string& message) {
  EXPECT_EQ(response.status, status);
  EXPECT_EQ(response.headers.value("Content-Type"), "application/json");
  EXPECT_EQ(response.body.whole,
            "{\"errorCode\":" + json::quote(code) + ",\"message\":" + json::quote(message) + "}");
}

std::string read(Fixture& api, const std::string& key) {
  return api.http("GET", std::string(kState) + "/" + key).body.whole;
}

TEST(StateHttp, WhatIsSavedIsReadBackAndGoneOnceDeleted) {
  Fixture api;
  api.add_in_memory("store");
  const auto saved = api.http("POST", kState, R"([{"key":"k","value":"v"}])");
  EXPECT_EQ(saved.status, 204);
  EXPECT_EQ(saved.body.whole, "");
  const auto found = api.http("GET", "/v1.0/state/store/k");
  EXPECT_EQ(found.status, 200);
  EXPECT_EQ(found.body.whole, R"("v")");
  EXPECT_EQ(found.headers.value("Content-Type"), "application/json");
  EXPECT_NE(found.headers.value("ETag"), "");
  EXPECT_EQ(api.http("DELETE", "/v1.0/state/store/k").status, 204);
  EXPECT_EQ(api.http("GET", "/v1.0/state/store/k").status, 204);
}

TEST(StateHttp, ValuesAreStoredAsJsonThatGoWouldWrite) {
  Fixture api;
  api.add_in_memory("store");
  const auto saved = api.http("PUT", kState, R"([
    {"key":"object","value":{"b": 1.0, "a": "<"}},
    {"key":"large","value":9007199254740993},
    {"key":"none"}, {"key":"null","value":null},
    {"KEY":"folded","Value":true,"unknown":[{}]}
  ] and more)");
  ASSERT_EQ(saved.status, 204);
  EXPECT_EQ(read(api, "object"), R"({"a":"\u003c","b":1})");
  EXPECT_EQ(read(api, "large"), "9007199254740993");
  EXPECT_EQ(read(api, "none"), "null");
  EXPECT_EQ(read(api, "null"), "null");
  EXPECT_EQ(read(api, "folded"), "true");
}

TEST(StateHttp, ASaveOfNothingDoesNothing) {
  Fixture api;
  FakeStore& store = api.add_fake("store");
  for (const auto body : {"[]", "null", " [ ] "}) {
    EXPECT_EQ(api.http("POST", kState, body).status, 204) << body;
  }
  EXPECT_TRUE(store.sets.empty());
}

TEST(StateHttp, OneWriteIsASetAndSeveralAreABulkSet) {
  Fixture api;
  FakeStore& store = api.add_fake("store");
  EXPECT_EQ(api.http("POST", kState, R"([{"key":"a"}])").status, 204);
  EXPECT_EQ(store.bulk_sets, 0);
  EXPECT_EQ(api.http("POST", kState, R"([{"key":"a"},{"key":"b"}])").status, 204);
  EXPECT_EQ(store.bulk_sets, 1);
  EXPECT_EQ(store.sets.back().key, "app||b");
}

TEST(StateHttp, AWriteCarriesItsEtagOptionsAndMetadata) {
  Fixture api;
  FakeStore& store = api.add_fake("store");
  const auto saved = api.http(
      "POST", std::string(kState) + "?metadata.partitionKey=p&metadata.ttlInSeconds=9&other=x",
      R"([{"key":"k","value":1,"etag":"7","contentType":"text/plain",
           "metadata":{"ttlInSeconds":"3","a":"b"},
           "options":{"concurrency":"first-write","consistency":"strong"}}])");
  ASSERT_EQ(saved.status, 204);
  const stores::SetRequest& set = store.sets.at(0);
  EXPECT_EQ(set.kind, stores::ValueKind::json);
  EXPECT_EQ(set.etag, "7");
  EXPECT_EQ(set.concurrency, stores::Concurrency::first_write);
  EXPECT_EQ(set.consistency, stores::Consistency::strong);
  EXPECT_EQ(set.content_type, "text/plain");
  // The query's metadata goes over the item's own.
  EXPECT_EQ(set.metadata, (Properties{{"a", "b"}, {"partitionKey", "p"}, {"ttlInSeconds", "9"}}));
}

TEST(StateHttp, AReadCarriesConsistencyAndMetadata) {
  Fixture api;
  FakeStore& store = api.add_fake("store");
  api.http("GET", std::string(kState) + "/a%20b+c?consistency=strong&metadata.x=1");
  EXPECT_EQ(store.gets.at(0).key, "app||a b c");
  EXPECT_EQ(store.gets.at(0).consistency, stores::Consistency::strong);
  EXPECT_EQ(store.gets.at(0).metadata, (Properties{{"x", "1"}}));
  EXPECT_EQ(api.http("GET", std::string(kState) + "/k?consistency=odd").status, 204);
}

TEST(StateHttp, AnItemsMetadataAndEtagAreHeaders) {
  Fixture api;
  api.add_fake("store").item = Item{
      .value = "1",
      .etag = "e1",
      .metadata = {{"ttlExpireTime", "2030-01-01T00:00:00Z"}, {"bad name", "x"}, {"n", "a\r\nb"}}};
  const auto found = api.http("GET", "/v1.0/state/store/k");
  EXPECT_EQ(found.headers.value("etag"), "e1");
  EXPECT_EQ(found.headers.value("metadata.ttlexpiretime"), "2030-01-01T00:00:00Z");
  EXPECT_EQ(found.headers.value("metadata.n"), "a  b");
  EXPECT_FALSE(found.headers.contains("metadata.bad name"));
}

TEST(StateHttp, AnItemWithoutAValueIs204) {
  Fixture api;
  api.add_fake("store").item = Item{.value = "", .etag = "1"};
  EXPECT_EQ(api.http("GET", "/v1.0/state/store/k").status, 204);
}

TEST(StateHttp, ADeletionCarriesItsConditions) {
  Fixture api;
  FakeStore& store = api.add_fake("store");
  net::Headers headers;
  headers.add("If-Match", "5");
  const auto removed =
      api.http("DELETE",
               std::string(kState) + "/k?concurrency=first-write&consistency=eventual&metadata.a=b",
               "", headers);
  EXPECT_EQ(removed.status, 204);
  const stores::DeleteRequest& request = store.removes.at(0);
  EXPECT_EQ(request.key, "app||k");
  EXPECT_EQ(request.etag, "5");
  EXPECT_EQ(request.concurrency, stores::Concurrency::first_write);
  EXPECT_EQ(request.consistency, stores::Consistency::eventual);
  EXPECT_EQ(request.metadata, (Properties{{"a", "b"}}));
}

TEST(StateHttp, AStaleEtagIs409AndAnImpossibleOne400) {
  Fixture api;
  FakeStore& store = api.add_fake("store");
  store.error = stores::etag_mismatch();
  expect_simple(api.http("DELETE", "/v1.0/state/store/k"), 409, "ERR_STATE_DELETE",
                "failed deleting state with key k: possible etag mismatch. error from state store");
  expect_simple(api.http("POST", kState, R"([{"key":"k"}])"), 409, "ERR_STATE_SAVE",
                "failed saving state in state store store: possible etag mismatch. error from "
                "state store");
  store.error = stores::etag_invalid("not a number");
  expect_simple(api.http("DELETE", "/v1.0/state/store/k"), 400, "ERR_STATE_DELETE",
                "failed deleting state with key k: invalid etag value: not a number");
  expect_simple(api.http("POST", kState, R"([{"key":"k"}])"), 400, "ERR_STATE_SAVE",
                "failed saving state in state store store: invalid etag value: not a number");
}

TEST(StateHttp, AnyOtherErrorOfAStoreIs500) {
  Fixture api;
  FakeStore& store = api.add_fake("store");
  store.error = Error(Code::invalid_argument, "broken");
  expect_simple(api.http("GET", "/v1.0/state/store/k"), 500, "ERR_STATE_GET",
                "fail to get k from state store store: broken");
  expect_simple(api.http("POST", kState, R"([{"key":"k"}])"), 500, "ERR_STATE_SAVE",
                "failed saving state in state store store: broken");
  expect_simple(api.http("DELETE", "/v1.0/state/store/k"), 500, "ERR_STATE_DELETE",
                "failed deleting state with key k: broken");
  expect_simple(api.http("POST", kBulk, R"({"keys":["k"]})"), 500, "ERR_STATE_BULK_GET", "broken");
}

TEST(StateHttp, UnknownOptionsAreTheStoresRefusal) {
  Fixture api;
  FakeStore& store = api.add_fake("store");
  expect_simple(api.http("POST", kState, R"([{"key":"k","options":{"concurrency":"x"}}])"), 500,
                "ERR_STATE_SAVE",
                "failed saving state in state store store: unrecognized concurrency model 'x'");
  expect_simple(api.http("DELETE", "/v1.0/state/store/k?consistency=y"), 500, "ERR_STATE_DELETE",
                "failed deleting state with key k: unrecognized consistency model 'y'");
  EXPECT_TRUE(store.sets.empty());
  EXPECT_TRUE(store.removes.empty());
}

/// As a pluggable component gives it, with a status, a tag and details of its own.
Error rich_error(Code code, int status) {
  ErrorDetails details;
  details.reason = "its-reason";
  return Error(code, "its-tag", "its-error").with_http_status(status).with_details(details);
}

// The messages of upstream's integration case daprd/state/http/customerrors.
TEST(StateHttp, AnErrorThatSaysWhatItIsKeepsItsStatus) {
  Fixture api;
  FakeStore& store = api.add_fake("store");
  store.error = rich_error(Code::data_loss, 506);
  expect_simple(api.http("GET", "/v1.0/state/store/key1"), 506, "ERR_STATE_GET",
                "fail to get key1 from state store store: api error: code = DataLoss desc = "
                "its-error");
  store.error = rich_error(Code::cancelled, 510);
  expect_simple(api.http("POST", kState, R"([{"key":"a"},{"key":"b"}])"), 510, "ERR_STATE_SAVE",
                "failed saving state in state store store: api error: code = Canceled desc = "
                "its-error");
  store.error = rich_error(Code::out_of_range, 511);
  expect_simple(api.http("DELETE", "/v1.0/state/store/key1"), 511, "ERR_STATE_DELETE",
                "failed deleting state with key key1: api error: code = OutOfRange desc = "
                "its-error");
  store.error = rich_error(Code::aborted, 507);
  expect_simple(api.http("POST", kBulk, R"({"keys":["k"]})"), 507, "ERR_STATE_BULK_GET",
                "api error: code = Aborted desc = its-error");
  store.error = rich_error(Code::already_exists, 509);
  const auto query = api.http("POST", "/v1.0-alpha1/state/store/query", "{}");
  EXPECT_EQ(query.status, 509);
  EXPECT_EQ(query.body.whole,
            R"({"errorCode":"its-tag","message":"its-error","details":[{"@type":)"
            R"("type.googleapis.com/google.rpc.ErrorInfo","domain":"dapr.io","metadata":null,)"
            R"("reason":"its-reason"}]})");
}

TEST(StateHttp, FailuresOfSeveralWritesAreJoined) {
  Fixture api;
  FakeStore& store = api.add_fake("store");
  constexpr auto kBody = R"([{"key":"a"},{"key":"b"},{"key":"c"}])";
  store.errors_of_keys = {{"app||a", Error(Code::internal, "no a")},
                          {"app||c", Error(Code::internal, "no c")}};
  expect_simple(api.http("POST", kState, kBody), 500, "ERR_STATE_SAVE",
                "failed saving state in state store store: no a\nno c");
  store.errors_of_keys = {{"app||b", stores::etag_mismatch("b")},
                          {"app||c", stores::etag_mismatch("c")}};
  expect_simple(api.http("POST", kState, kBody), 409, "ERR_STATE_SAVE",
                "failed saving state in state store store: possible etag mismatch. error from "
                "state store: possible etag mismatch. error from state store: b\npossible etag "
                "mismatch. error from state store: c");
  store.errors_of_keys = {{"app||b", stores::etag_mismatch("b")},
                          {"app||c", stores::etag_invalid("c")}};
  EXPECT_EQ(api.http("POST", kState, kBody).status, 400);
  // One of each: the one about the ETag decides, as upstream.
  store.errors_of_keys = {{"app||b", Error(Code::internal, "no b")},
                          {"app||c", stores::etag_mismatch()}};
  expect_simple(api.http("POST", kState, kBody), 409, "ERR_STATE_SAVE",
                "failed saving state in state store store: possible etag mismatch. error from "
                "state store");
}

TEST(StateHttp, AFailureOfManyWritesIsToldOnceAndCounted) {
  Fixture api;
  FakeStore& store = api.add_fake("store");
  std::string body;
  for (int i = 0; i < 1000; ++i) {
    const std::string key = "k" + std::to_string(i);
    body += (body.empty() ? "[{\"key\":\"" : ",{\"key\":\"") + key + "\"}";
    store.errors_of_keys.emplace("app||" + key, Error(Code::internal, i == 5 ? "odd" : "full"));
  }
  body += "]";
  expect_simple(api.http("POST", kState, body), 500, "ERR_STATE_SAVE",
                "failed saving state in state store store: full\nodd\n(1000 items failed in all)");
}

TEST(StateHttp, BulkReadsAnswerEveryKey) {
  Fixture api;
  api.add_in_memory("store");
  api.http("POST", kState, R"([{"key":"a","value":{"x":"<"}}])");
  api.http("POST", kState, R"([{"key":"b","value":"s","metadata":{"ttlInSeconds":"1000"}}])");
  const auto answer = api.http("POST", kBulk, R"({"keys":["a","gone","b"],"parallelism":2})");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.headers.value("Content-Type"), "application/json");
  ASSERT_TRUE(answer.body.whole.ends_with("]\n"));
  std::vector<std::string> items;
  ASSERT_TRUE(json::for_each_element(answer.body.whole,
                                     [&](std::string_view raw) { items.emplace_back(raw); }));
  ASSERT_EQ(items.size(), 3u);
  EXPECT_EQ(json::member(items[0], "data"), R"({"x":"\u003c"})");
  EXPECT_TRUE(json::member(items[0], "etag"));
  EXPECT_EQ(items[1], R"({"key":"gone"})");
  EXPECT_EQ(json::member(items[2], "data"), R"("s")");
  EXPECT_TRUE(json::member(*json::member(items[2], "metadata"), "ttlExpireTime"));
}

TEST(StateHttp, ABulkReadOfNoKeysIsAnEmptyArray) {
  Fixture api;
  api.add_fake("store");
  for (const auto body : {"{}", R"({"keys":[]})", R"({"keys":null,"metadata":null})", "null"}) {
    const auto answer = api.http("PUT", kBulk, body);
    EXPECT_EQ(answer.status, 200) << body;
    EXPECT_EQ(answer.body.whole, "[]\n") << body;
  }
}

TEST(StateHttp, AnErrorOfOneKeyIsInItsAnswer) {
  Fixture api;
  FakeStore& store = api.add_fake("store");
  store.item = Item{.value = "not JSON"};
  store.errors_of_keys = {{"app||b", Error(Code::internal, "no b")}};
  const auto answer = api.http("POST", std::string(kBulk) + "?metadata.q=1",
                               R"({"keys":["a","b"],"metadata":{"p":"2","q":"0"}})");
  // A value that is no JSON is a string; upstream's whole answer is then empty.
  EXPECT_EQ(answer.body.whole,
            "[{\"key\":\"a\",\"data\":\"not JSON\"},{\"key\":\"b\",\"error\":\"no b\"}]\n");
  EXPECT_EQ(store.gets.at(0).metadata, (Properties{{"p", "2"}, {"q", "1"}}));
}

TEST(StateHttp, QueriesAnswerTheirItems) {
  Fixture api;
  FakeStore& store = api.add_fake("store");
  EXPECT_EQ(api.http("POST", "/v1.0-alpha1/state/store/query", "{}").status, 204);
  stores::QueryAnswer answer;
  answer.results.push_back({.key = "app||k", .value = R"({"a":1})", .etag = "1"});
  answer.results.push_back({.key = "app||l", .error = "unreadable"});
  answer.token = "next";
  answer.metadata = {{"m", "v"}};
  store.answer = answer;
  const auto found = api.http("PUT", "/v1.0-alpha1/state/store/query",
                              R"({"filter":{"EQ":{"a":1}},"page":{"limit":2}})");
  EXPECT_EQ(found.status, 200);
  EXPECT_EQ(found.body.whole,
            R"({"results":[{"key":"k","data":{"a":1},"etag":"1"},{"key":"l","data":null,)"
            R"("error":"unreadable"}],"token":"next","metadata":{"m":"v"}})"
            "\n");
}

TEST(StateHttp, ABodyAboveTheLimitIsRefused) {
  Fixture api;
  api.add_fake("store");
  const std::string large(5U << 20, ' ');
  expect_simple(api.http("POST", kState, large), 400, "ERR_MALFORMED_REQUEST", "stream too large");
  expect_simple(api.http("POST", kBulk, large), 400, "ERR_MALFORMED_REQUEST",
                "failed deserializing HTTP body: stream too large");
  expect_simple(api.http("POST", "/v1.0-alpha1/state/store/query", large), 400, "ERR_BODY_READ",
                "failed to read request body: stream too large");
}

TEST(StateHttp, MethodsBesideTheRoutesAreNotServed) {
  Fixture api;
  api.add_fake("store");
  EXPECT_GE(api.http("PATCH", kState, "[]").status, 400);
  EXPECT_GE(api.http("POST", "/v1.0/state/store/k", "[]").status, 400);
}

}  // namespace
}  // namespace outrigger::runtime::state::testing
