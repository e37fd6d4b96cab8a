#include "runtime/invoke/envelope.h"

#include <google/rpc/status.pb.h>
#include <gtest/gtest.h>

#include "dapr/proto/internals/v1/service_invocation.pb.h"
#include "dapr/proto/runtime/v1/dapr.pb.h"

/// The bytes are compared with what protobuf's own code reads and writes.
namespace outrigger::runtime::invoke {
namespace {

namespace pb = dapr::proto::internals::v1;

RequestView sample_request() {
  RequestView request;
  request.method = "a/b";
  request.has_http_extension = true;
  request.verb = Verb::put;
  request.query = "x=1&y=2";
  request.content_type = "application/json";
  request.metadata = {{"X-A", "1"}, {"Accept", ""}, {"X-A", "2"}, {"x-a", "3"}};
  return request;
}

void expect_sample(const pb::InternalInvokeRequest& request) {
  EXPECT_EQ(request.ver(), pb::APIVersion::V1);
  EXPECT_EQ(request.message().method(), "a/b");
  EXPECT_EQ(request.message().http_extension().verb(), 4);
  EXPECT_EQ(request.message().http_extension().querystring(), "x=1&y=2");
  EXPECT_EQ(request.message().content_type(), "application/json");
  ASSERT_EQ(request.metadata_size(), 3);
  ASSERT_EQ(request.metadata().at("X-A").values_size(), 2);
  EXPECT_EQ(request.metadata().at("X-A").values(1), "2");
  EXPECT_EQ(request.metadata().at("x-a").values(0), "3");
  EXPECT_EQ(request.metadata().at("Accept").values(0), "");
}

TEST(RequestChunk, IsWhatProtobufReads) {
  const RequestView request = sample_request();
  const std::string data(300, 'd');
  std::string bytes;
  encode_request_chunk(bytes, &request, Payload{.data = data, .seq = 0});
  pb::InternalInvokeRequestStream read;
  ASSERT_TRUE(read.ParseFromString(bytes));
  expect_sample(read.request());
  EXPECT_FALSE(read.request().message().has_data());
  EXPECT_EQ(read.payload().data(), data);
  EXPECT_EQ(read.payload().seq(), 0U);
}

TEST(RequestChunk, WithoutARequestIsAPayload) {
  std::string bytes;
  encode_request_chunk(bytes, nullptr, Payload{.data = "xy", .seq = 300});
  pb::InternalInvokeRequestStream read;
  ASSERT_TRUE(read.ParseFromString(bytes));
  EXPECT_FALSE(read.has_request());
  EXPECT_EQ(read.payload().data(), "xy");
  EXPECT_EQ(read.payload().seq(), 300U);
}

TEST(RequestChunk, HasTheTypeOfAProtobufBodyInItsMessage) {
  RequestView request = sample_request();
  request.type_url = "type.googleapis.com/x.Y";
  std::string bytes;
  encode_request_chunk(bytes, &request, std::nullopt);
  pb::InternalInvokeRequestStream read;
  ASSERT_TRUE(read.ParseFromString(bytes));
  EXPECT_FALSE(read.has_payload());
  EXPECT_EQ(read.request().message().data().type_url(), "type.googleapis.com/x.Y");
  const auto decoded = decode_request_chunk(bytes).value();
  EXPECT_EQ(decoded.request.effective_content_type(), "application/x-protobuf");
}

TEST(RequestChunk, OfProtobufIsRead) {
  pb::InternalInvokeRequestStream message;
  auto& request = *message.mutable_request();
  request.set_ver(pb::APIVersion::V1);
  request.mutable_message()->set_method("m");
  request.mutable_message()->set_content_type("text/plain");
  request.mutable_message()->mutable_http_extension()->set_verb(
      dapr::proto::common::v1::HTTPExtension::PATCH);
  auto& values = (*request.mutable_metadata())["k"];
  values.add_values("v1");
  values.add_values("v2");
  message.mutable_payload()->set_data("data");
  message.mutable_payload()->set_seq(7);
  const std::string bytes = message.SerializeAsString();
  const auto read = decode_request_chunk(bytes).value();
  EXPECT_TRUE(read.is_complete);
  EXPECT_EQ(read.request.method, "m");
  EXPECT_EQ(read.request.verb, Verb::patch);
  ASSERT_EQ(read.request.metadata.size(), 2U);
  EXPECT_EQ(read.request.metadata_value("K"), "v1");
  EXPECT_EQ(read.payload->data, "data");
  EXPECT_EQ(read.payload->seq, 7U);
}

TEST(RequestChunk, WithoutMetadataOrMessageIsNotComplete) {
  EXPECT_FALSE(decode_request_chunk("").value().has_request);
  pb::InternalInvokeRequestStream message;
  message.mutable_request()->mutable_message()->set_method("m");
  const auto read = decode_request_chunk(message.SerializeAsString()).value();
  EXPECT_TRUE(read.has_request);
  EXPECT_FALSE(read.is_complete);
}

TEST(RequestChunk, ThatIsMalformedIsAnError) {
  using namespace std::string_view_literals;
  for (const auto bytes : {"\x0a"sv, "\x0a\x05zz"sv, "\xff"sv, "\x0b"sv, "\x0a\x02\x12\x7f"sv,
                           "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"sv, "\x00"sv}) {
    EXPECT_FALSE(decode_request_chunk(bytes));
    EXPECT_FALSE(decode_reply_chunk(bytes));
  }
}

TEST(Request, CarriesItsData) {
  std::string bytes;
  encode_request(bytes, sample_request(), "body");
  pb::InternalInvokeRequest read;
  ASSERT_TRUE(read.ParseFromString(bytes));
  expect_sample(read);
  EXPECT_EQ(read.message().data().value(), "body");
  const auto decoded = decode_request(bytes).value();
  EXPECT_TRUE(decoded.is_complete);
  EXPECT_EQ(decoded.data, "body");
}

TEST(Request, HasItsManyFieldsGroupedByName) {
  std::vector<std::string> names;
  for (int i = 0; i < 500; ++i) names.push_back("n" + std::to_string(i % 50));
  RequestView request;
  for (const std::string& name : names) request.metadata.push_back({name, name});
  std::string bytes;
  encode_request(bytes, request, "");
  pb::InternalInvokeRequest read;
  ASSERT_TRUE(read.ParseFromString(bytes));
  EXPECT_EQ(read.metadata_size(), 50);
  EXPECT_EQ(read.metadata().at("n49").values_size(), 10);
}

TEST(Request, IsAlwaysUtf8) {
  RequestView request = sample_request();
  request.metadata.push_back({"X-Latin", "caf\xe9"});
  request.metadata.push_back({"X-Utf8", "caf\xc3\xa9"});
  request.query = "q=\xff";
  std::string bytes;
  encode_request(bytes, request, "\xff\xfe");
  pb::InternalInvokeRequest read;
  ASSERT_TRUE(read.ParseFromString(bytes));
  EXPECT_EQ(read.metadata().at("X-Latin").values(0), "caf\xef\xbf\xbd");
  EXPECT_EQ(read.metadata().at("X-Utf8").values(0), "caf\xc3\xa9");
  EXPECT_EQ(read.message().http_extension().querystring(), "q=\xef\xbf\xbd");
  EXPECT_EQ(read.message().data().value(), "\xff\xfe");
}

Reply sample_reply() {
  Reply reply;
  reply.status = 404;
  reply.status_message = "no";
  reply.headers.add("X-A", "1");
  reply.headers.add("X-A", "2");
  reply.trailers.add("t-bin", "AAE=");
  reply.content_type = "text/plain";
  return reply;
}

TEST(ReplyChunk, IsWhatProtobufReads) {
  const Reply reply = sample_reply();
  std::string bytes;
  encode_reply_chunk(bytes, &reply, Payload{.data = "body", .seq = 0});
  pb::InternalInvokeResponseStream read;
  ASSERT_TRUE(read.ParseFromString(bytes));
  EXPECT_EQ(read.response().status().code(), 404);
  EXPECT_EQ(read.response().status().message(), "no");
  EXPECT_EQ(read.response().headers().at("X-A").values_size(), 2);
  EXPECT_EQ(read.response().trailers().at("t-bin").values(0), "AAE=");
  EXPECT_EQ(read.response().message().content_type(), "text/plain");
  EXPECT_EQ(read.payload().data(), "body");

  const auto again = decode_reply_chunk(bytes).value();
  EXPECT_TRUE(again.has_status);
  EXPECT_EQ(again.reply.status, 404);
  EXPECT_EQ(again.reply.headers.joined("x-a"), "1, 2");
  EXPECT_EQ(again.reply.content_type, "text/plain");
  EXPECT_EQ(again.payload->data, "body");
}

TEST(ReplyChunk, OfAnOkStatusStillHasAStatus) {
  Reply reply;
  std::string bytes;
  encode_reply_chunk(bytes, &reply, std::nullopt);
  EXPECT_TRUE(decode_reply_chunk(bytes).value().has_status);
  pb::InternalInvokeResponseStream read;
  ASSERT_TRUE(read.ParseFromString(bytes));
  EXPECT_TRUE(read.response().has_status());
  EXPECT_TRUE(read.response().has_message());
}

TEST(ReplyChunk, WithAnEmptyResponseIsAPayloadOnly) {
  // How upstream sends server-sent events after the first.
  pb::InternalInvokeResponseStream message;
  message.mutable_response();
  message.mutable_payload()->set_data("event");
  message.mutable_payload()->set_seq(1);
  const auto read = decode_reply_chunk(message.SerializeAsString()).value();
  EXPECT_FALSE(read.has_reply);
  EXPECT_EQ(read.payload->seq, 1U);
}

TEST(Reply, CarriesStatusDetailsAndData) {
  Reply reply = sample_reply();
  reply.status = 5;
  google::protobuf::Any detail;
  detail.set_type_url("type.googleapis.com/x.Y");
  detail.set_value("v");
  reply.status_details.push_back(detail.SerializeAsString());
  std::string bytes;
  encode_reply(bytes, reply, "data");
  pb::InternalInvokeResponse read;
  ASSERT_TRUE(read.ParseFromString(bytes));
  ASSERT_EQ(read.status().details_size(), 1);
  EXPECT_EQ(read.status().details(0).type_url(), "type.googleapis.com/x.Y");
  EXPECT_EQ(read.message().data().value(), "data");
  const auto again = decode_reply(bytes).value();
  EXPECT_EQ(again.reply.status_details, reply.status_details);
  EXPECT_EQ(again.reply.body.whole, "data");

  const std::string joined = join_details(5, "no", reply.status_details);
  google::rpc::Status status;
  ASSERT_TRUE(status.ParseFromString(joined));
  EXPECT_EQ(status.code(), 5);
  EXPECT_EQ(status.message(), "no");
  EXPECT_EQ(split_details(joined), reply.status_details);
}

TEST(ServiceRequest, OfProtobufIsRead) {
  dapr::proto::runtime::v1::InvokeServiceRequest message;
  message.set_id("app");
  message.mutable_message()->set_method("m");
  message.mutable_message()->mutable_data()->set_value("data");
  message.mutable_message()->mutable_data()->set_type_url("t");
  message.mutable_message()->mutable_http_extension()->set_querystring("a=b");
  const std::string bytes = message.SerializeAsString();
  const auto read = decode_service_request(bytes).value();
  EXPECT_EQ(read.app, "app");
  EXPECT_EQ(read.request.method, "m");
  EXPECT_EQ(read.request.type_url, "t");
  EXPECT_EQ(read.data, "data");
  EXPECT_EQ(read.request.query, "a=b");
  EXPECT_TRUE(read.request.has_http_extension);
  EXPECT_EQ(read.request.verb, Verb::none);
}

TEST(InvokeMessage, TakesItsDataLast) {
  std::string bytes;
  encode_message(bytes, sample_request());
  finish_message(bytes, "", "data");
  dapr::proto::common::v1::InvokeRequest read;
  ASSERT_TRUE(read.ParseFromString(bytes));
  EXPECT_EQ(read.method(), "a/b");
  EXPECT_EQ(read.data().value(), "data");
  EXPECT_EQ(read.http_extension().verb(), dapr::proto::common::v1::HTTPExtension::PUT);
}

TEST(InvokeResponse, GoesThereAndBack) {
  std::string bytes;
  encode_invoke_response(bytes, {.data = "d", .type_url = "t", .content_type = "c"});
  dapr::proto::common::v1::InvokeResponse read;
  ASSERT_TRUE(read.ParseFromString(bytes));
  EXPECT_EQ(read.data().value(), "d");
  EXPECT_EQ(read.data().type_url(), "t");
  const auto again = decode_invoke_response(bytes).value();
  EXPECT_EQ(again.content_type, "c");
  EXPECT_EQ(again.data, "d");
}

}  // namespace
}  // namespace outrigger::runtime::invoke
