#include "runtime/state/http_body.h"

#include <gtest/gtest.h>

#include "runtime/state/fixture_testing.h"

namespace outrigger::runtime::state::testing {
namespace {

std::string save_error(std::string_view body) {
  const auto read = read_save_body(body);
  return read ? "" : read.error().message();
}

// Bodies of upstream's integration case daprd/state/http/basic, with the texts of Go's decoder.
TEST(SaveBody, WhatIsWrongIsSaidInGosWords) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"", "EOF"},
      {"{}", "json: cannot unmarshal object into Go value of type []state.SetRequest"},
      {"foobar", "invalid character 'o' in literal false (expecting 'a')"},
      {R"([{"key":"k"},])", "invalid character ']' looking for beginning of value"},
      {R"([{"key":"k")", "unexpected EOF"},
      {R"([{"key":"k","etag":123}])",
       "json: cannot unmarshal number into Go struct field SetRequest.etag of type string"},
      {R"([{"key":{}}])",
       "json: cannot unmarshal object into Go struct field SetRequest.key of type string"},
      {R"(["a"])", "json: cannot unmarshal string into Go value of type state.SetRequest"},
      {R"([{"metadata":[1]}])",
       "json: cannot unmarshal array into Go struct field SetRequest.metadata of type "
       "map[string]string"},
      {R"([{"metadata":{"a":true}}])",
       "json: cannot unmarshal bool into Go struct field SetRequest.metadata of type string"},
      {R"([{"options":"x"}])",
       "json: cannot unmarshal string into Go struct field SetRequest.options of type "
       "state.SetStateOption"},
      {R"([{"options":{"concurrency":1}}])",
       "json: cannot unmarshal number into Go struct field SetStateOption.options.Concurrency of "
       "type string"},
      {R"([{"value":[1e999]}])",
       "json: cannot unmarshal number 1e999 into Go struct field SetRequest.value of type "
       "float64"},
      // The first of two counts.
      {R"([{"key":1,"etag":[]}])",
       "json: cannot unmarshal number into Go struct field SetRequest.key of type string"},
  };
  for (const auto& [body, message] : cases) EXPECT_EQ(save_error(body), message) << body;
}

TEST(SaveBody, ThatErrorIsTheWholeMessageToTheClient) {
  Fixture api;
  api.add_fake("store");
  const auto response = api.http("POST", "/v1.0/state/store", "foobar");
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(response.body.whole,
            "{\"errorCode\":\"ERR_MALFORMED_REQUEST\",\"message\":\"invalid character 'o' in "
            "literal false (expecting 'a')\"}");
}

TEST(SaveBody, NullIsTheSameAsAbsent) {
  const auto saves = read_save_body(
      R"([null,{"key":null,"etag":null,"metadata":null,"options":null,"contentType":null}])");
  ASSERT_TRUE(saves);
  ASSERT_EQ(saves->size(), 2u);
  EXPECT_EQ(saves->at(1).request.etag, std::nullopt);
  EXPECT_FALSE(saves->at(1).refusal);
}

TEST(SaveBody, HostileTextIsRefusedInTime) {
  EXPECT_FALSE(read_save_body(std::string(1'000'000, '[')));
  EXPECT_FALSE(read_save_body(std::string("\0[]", 3)));
  EXPECT_FALSE(read_save_body("[{\"key\":\"\xFF\""));
  std::string deep = R"([{"key":"k","value":)";
  for (int i = 0; i < 9'000; ++i) deep += R"({"b":)";
  deep += std::string(1'000'000, '1');
  deep.append(9'000, '}');
  deep += "}]";
  EXPECT_TRUE(read_save_body(deep));
  std::string many = "[";
  for (int i = 0; i < 20'000; ++i) many += R"({"key":"k","metadata":{"a":"b"}},)";
  many.back() = ']';
  EXPECT_EQ(read_save_body(many)->size(), 20'000u);
}

TEST(BulkGetBody, WhatIsWrongIsSaidInGosWords) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"[]", "json: cannot unmarshal array into Go value of type http.BulkGetRequest"},
      {R"({"keys":"a"})",
       "json: cannot unmarshal string into Go struct field BulkGetRequest.keys of type []string"},
      {R"({"keys":[1]})",
       "json: cannot unmarshal number into Go struct field BulkGetRequest.keys of type string"},
      {R"({"parallelism":"a"})",
       "json: cannot unmarshal string into Go struct field BulkGetRequest.parallelism of type "
       "int"},
      {R"({"parallelism":1.5})",
       "json: cannot unmarshal number 1.5 into Go struct field BulkGetRequest.parallelism of type "
       "int"},
  };
  for (const auto& [body, message] : cases) {
    EXPECT_EQ(read_bulk_get_body(body).error().message(), message) << body;
  }
  const auto read = read_bulk_get_body(R"({"Keys":["a",null],"PARALLELISM":3,"x":1})");
  EXPECT_EQ(read->keys, (std::vector<std::string>{"a", ""}));
  EXPECT_EQ(read->parallelism, 3);
}

std::string step_error(std::string_view request) {
  const auto read = read_transaction_body(R"({"operations":[{"operation":"upsert","request":)" +
                                          std::string(request) + "}]}");
  const auto* malformed = std::get_if<MalformedOperation>(&read->steps.at(0));
  return malformed == nullptr ? "" : malformed->error.message();
}

// The texts are those of mapstructure, which upstream decodes requests with.
TEST(TransactionBody, ARequestThatDoesNotFitIsAStepOfItsOwn) {
  const std::string prefix = "failed deserializing HTTP body: ";
  EXPECT_EQ(step_error(R"("x")"), prefix + "'' expected a map, got 'string'");
  EXPECT_EQ(step_error(R"({"key":5})"),
            prefix +
                "1 error(s) decoding:\n\n* 'Key' expected type 'string', got unconvertible "
                "type 'float64', value: '5'");
  EXPECT_EQ(step_error(R"({"key":true,"metadata":{"a":1},"options":[]})"),
            prefix +
                "3 error(s) decoding:\n\n* 'Key' expected type 'string', got unconvertible "
                "type 'bool', value: 'true'\n* 'Metadata[a]' expected type 'string', got "
                "unconvertible type 'float64', value: '1'\n* 'Options' expected a map, got "
                "'slice'");
  EXPECT_EQ(step_error(R"({"key":"k","etag":null})"), "");
}

TEST(TransactionBody, OperationsAreReadWithTheirFields) {
  const auto read = read_transaction_body(R"({"operations":[
      {"operation":"upsert","request":{"Key":"a","value":{"z":1,"y":2},"eTag":"1",
        "metadata":{"m":"n"},"options":{"Concurrency":"last-write"},"contentType":"t"}},
      {"operation":"delete","request":{"key":"b","value":"ignored","etag":"2"}},
      {"operation":"merge","request":{"key":"c"}},
      {"operation":"upsert"}, null
    ],"metadata":{"p":"q"}})");
  ASSERT_TRUE(read);
  ASSERT_EQ(read->steps.size(), 5u);
  const auto& save = std::get<Save>(read->steps[0]);
  EXPECT_EQ(save.request.key, "a");
  EXPECT_EQ(save.request.value, R"({"y":2,"z":1})");
  EXPECT_EQ(save.request.etag, "1");
  EXPECT_EQ(save.request.concurrency, stores::Concurrency::last_write);
  EXPECT_EQ(save.request.content_type, "t");
  const auto& remove = std::get<Remove>(read->steps[1]);
  EXPECT_EQ(remove.request.key, "b");
  EXPECT_EQ(remove.request.etag, "2");
  EXPECT_EQ(std::get<UnknownOperation>(read->steps[2]).type, "merge");
  EXPECT_EQ(std::get<Save>(read->steps[3]).request.value, "null");
  EXPECT_EQ(std::get<UnknownOperation>(read->steps[4]).type, "");
  EXPECT_EQ(read->metadata, (Properties{{"p", "q"}}));
}

TEST(TransactionBody, WhatIsWrongIsSaidInGosWords) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"[]", "json: cannot unmarshal array into Go value of type http.stateTransactionRequestBody"},
      {R"({"operations":{}})",
       "json: cannot unmarshal object into Go struct field stateTransactionRequestBody.operations "
       "of type []http.stateTransactionRequestBodyOperation"},
      {R"({"operations":[{"operation":1}]})",
       "json: cannot unmarshal number into Go struct field stateTransactionRequestBodyOperation."
       "operations.operation of type string"},
  };
  for (const auto& [body, message] : cases) {
    EXPECT_EQ(read_transaction_body(body).error().message(), message) << body;
  }
}

}  // namespace
}  // namespace outrigger::runtime::state::testing
