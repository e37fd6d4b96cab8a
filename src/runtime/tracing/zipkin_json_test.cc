#include "runtime/tracing/zipkin_json.h"

#include <nlohmann/json.hpp>

#include "runtime/tracing/span_testing.h"

namespace outrigger::runtime::tracing {
namespace {

using testing::make_span;

Resource shop() {
  Resource resource;
  resource.attributes = {{"service.name", "shop"}};
  return resource;
}

/// What an independent parser reads.
nlohmann::json decode(const telemetry::FinishedSpan& span) {
  std::string text;
  append_zipkin_json(text, span, shop());
  return nlohmann::json::parse(text, nullptr, false);
}

TEST(ZipkinJson, ASpanHasTheFieldsOfVersion2) {
  const auto expected = nlohmann::json::parse(R"({
    "timestamp": 1700000000123456, "duration": 876543,
    "traceId": "0af7651916cd43dd8448eb211c80319c", "id": "b7ad6b7169203331",
    "parentId": "0001020304050607", "name": "calllocal/callee/echo", "kind": "CLIENT",
    "localEndpoint": {"serviceName": "shop"}, "remoteEndpoint": {"serviceName": "callee"},
    "tags": {"dapr.protocol": "http", "net.peer.name": "callee", "service.name": "shop",
             "otel.scope.name": "dapr-diagnostics"}})");
  EXPECT_EQ(decode(make_span("CallLocal/callee/echo")), expected);
}

TEST(ZipkinJson, AnErrorIsATag) {
  telemetry::FinishedSpan span = make_span("x");
  span.fail("Code(404): Not Found");
  const auto read = decode(span);
  EXPECT_EQ(read["tags"]["error"], "Code(404): Not Found");
  EXPECT_EQ(read["tags"]["otel.status_code"], "ERROR");
}

TEST(ZipkinJson, WhatAClientCallsErrorIsNone) {
  telemetry::FinishedSpan span = make_span("x");
  span.set("error", "made up");
  EXPECT_FALSE(decode(span)["tags"].contains("error"));
}

TEST(ZipkinJson, ARootAndAServerLackWhatTheyDoNotHave) {
  telemetry::FinishedSpan span = make_span("root");
  span.parent_span_id = {};
  span.kind = telemetry::SpanKind::server;
  const auto read = decode(span);
  EXPECT_FALSE(read.contains("parentId"));
  EXPECT_FALSE(read.contains("remoteEndpoint"));
  EXPECT_EQ(read["kind"], "SERVER");
  span.kind = telemetry::SpanKind::internal;
  EXPECT_FALSE(decode(span).contains("kind"));
}

TEST(ZipkinJson, NoTimeIsZero) {
  telemetry::FinishedSpan span = make_span("quick");
  span.end = span.start;
  EXPECT_EQ(decode(span)["duration"], 1);
  span.end = span.start - std::chrono::hours(1);
  EXPECT_EQ(decode(span)["duration"], 1);
}

TEST(ZipkinJson, WhateverClientsSendIsValidJson) {
  telemetry::FinishedSpan span = make_span("\"\\\n\x01\xff</script>");
  span.set("dapr-\x80", std::string("\0\xc3\"", 3));
  const auto read = decode(span);
  EXPECT_FALSE(read.is_discarded());
  EXPECT_EQ(read["name"], "\"\\\n\x01\xEF\xBF\xBD</script>");
}

}  // namespace
}  // namespace outrigger::runtime::tracing
