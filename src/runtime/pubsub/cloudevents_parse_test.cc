#include "runtime/pubsub/cloudevents_parse.h"

#include <gtest/gtest.h>

#include "runtime/cel/program.h"

namespace outrigger::pubsub {
namespace {

constexpr std::string_view kEvent =
    R"({"id":"1","source":"app","type":"t","specversion":"1.0","topic":"orders",)"
    R"("datacontenttype":"application/json","data":{"b": 12345678901234567890, "a":"x y"},)"
    R"("traceparent":"tp","n":5,"o":{"k":[1]}})";

CloudEvent event(std::string_view json) {
  auto parsed = CloudEvent::parse(std::string(json));
  EXPECT_TRUE(parsed) << json;
  return *std::move(parsed);
}

std::string data_of(std::string_view content_type, std::string_view data_field) {
  const auto parsed = event("{\"datacontenttype\":\"" + std::string(content_type) + "\"," +
                            std::string(data_field) + "}");
  const auto data = parsed.data();
  return data ? *data : "error";
}

CloudEvent::Message message(std::string_view data) {
  CloudEvent::Message result;
  result.data = data;
  result.topic = "orders";
  result.pubsub_name = "pubsub";
  return result;
}

TEST(CloudEvent, KeepsTheBodyAsItCame) { EXPECT_EQ(event(kEvent).body(), kEvent); }

TEST(CloudEvent, GivesTextFieldsAndEmptyForOthers) {
  const auto parsed = event(kEvent);
  EXPECT_EQ(parsed.text("id"), "1");
  EXPECT_EQ(parsed.text("n"), "");
  EXPECT_EQ(parsed.text("absent"), "");
  EXPECT_EQ(parsed.raw("n"), "5");
  EXPECT_EQ(parsed.raw("absent"), std::nullopt);
}

TEST(CloudEvent, TakesTheLastOfFieldsWithOneName) {
  EXPECT_EQ(event(R"({"id":"1","x":1,"id":"2"})").text("id"), "2");
}

TEST(CloudEvent, RefusesWhatIsNoObject) {
  for (const std::string_view body : {"", "[]", "null", "{} {}", "{", "\"x\""}) {
    EXPECT_FALSE(CloudEvent::parse(std::string(body))) << body;
  }
}

TEST(CloudEvent, GivesGrpcAppsTheOtherFieldsAsExtensions) {
  const auto parsed = event(kEvent);
  std::string names;
  for (const auto* field : parsed.extensions()) names += field->name + "=" + field->json + " ";
  EXPECT_EQ(names, R"(n=5 o={"k":[1]} topic="orders" traceparent="tp" )");
}

TEST(CloudEvent, GivesTheDataAsBytes) {
  EXPECT_EQ(event(kEvent).data().value(), R"({"b":12345678901234567890,"a":"x y"})");
  EXPECT_EQ(data_of("text/plain", R"("data":"h\u00e9")"), "h\xc3\xa9");
  EXPECT_EQ(data_of("application/xml", R"("data":"<a/>")"), "<a/>");
  EXPECT_EQ(data_of("text/plain", R"("data":5)"), "error");
  EXPECT_EQ(data_of("application/json", R"("data":"s")"), "\"s\"");
  EXPECT_EQ(data_of("application/cloudevents+json", R"("data":[ 1 ])"), "[1]");
  EXPECT_EQ(data_of("application/octet-stream", R"("data_base64":"/wE=")"), "\xff\x01");
  EXPECT_EQ(data_of("application/json", R"("data_base64":"/wE=","data":1)"), "\xff\x01");
  EXPECT_EQ(data_of("application/json", R"("data_base64":null,"data":1)"), "1");
  EXPECT_EQ(data_of("x/y", R"("data_base64":"*")"), "error");
  EXPECT_EQ(data_of("x/y", R"("data_base64":5)"), "error");
  EXPECT_EQ(data_of("text/plain", R"("data":null)"), "");
  EXPECT_EQ(data_of("text/plain", R"("x":1)"), "");
}

TEST(CloudEvent, KeepsDataOfContentTypesThatUpstreamDrops) {
  EXPECT_EQ(data_of("application/vnd.x+json", R"("data":"{\"a\":1}")"), R"({"a":1})");
  EXPECT_EQ(data_of("", R"("data":"x")"), "x");
}

TEST(CloudEvent, ReplacesIllFormedText) {
  const auto parsed =
      event("{\"data\":\"a\xff\",\"datacontenttype\":\"text/plain\",\"e\":\"\\ud800\"}");
  EXPECT_EQ(parsed.data().value(), "a\xef\xbf\xbd");
  EXPECT_EQ(parsed.raw("e"), "\"\\ufffd\"");
}

TEST(CloudEvent, TakesMissingTraceFieldsFromTheMessage) {
  const Properties metadata = {
      {"traceid", "i"}, {"traceparent", "p"}, {"tracestate", "s"}, {"content-type", "x/y"}};
  const auto all = CloudEvent::read(message("{}"), metadata).value();
  EXPECT_EQ(all.text("traceid"), "p");
  EXPECT_EQ(all.text("traceparent"), "p");
  EXPECT_EQ(all.text("tracestate"), "s");
  EXPECT_EQ(all.body(), "{}");
  const auto own = CloudEvent::read(message(R"({"traceparent":"own"})"), metadata).value();
  EXPECT_EQ(own.text("traceid"), "i");
  EXPECT_EQ(own.text("traceparent"), "own");
  EXPECT_EQ(own.trace_parent(), "own");
  EXPECT_EQ(event(R"({"traceid":"i"})").trace_parent(), "i");
  EXPECT_EQ(event(R"({"traceid":"i","traceparent":5})").trace_parent(), "");
}

TEST(CloudEvent, WrapsARawPayload) {
  auto raw = message("\xff");
  raw.framing = CloudEvent::Framing::raw_payload;
  const auto wrapped = CloudEvent::read(std::move(raw), {{"traceid", "i"}}).value();
  EXPECT_EQ(wrapped.data().value(), "\xff");
  EXPECT_EQ(wrapped.text("topic"), "orders");
  EXPECT_EQ(wrapped.text("traceid"), "i");
  EXPECT_TRUE(wrapped.body().starts_with(R"({"data_base64":"/w==",)"));
}

TEST(CloudEvent, ReadsTheBinaryMode) {
  const Properties metadata = {{"content-type", "application/octet-stream"},
                               {"CE_Type", "t"},
                               {"ce_id", "7"},
                               {"ce_data", "no"},
                               {"other", "x"}};
  const auto binary = CloudEvent::read(message("\xff{"), metadata).value();
  EXPECT_EQ(binary.text("type"), "t");
  EXPECT_EQ(binary.text("id"), "7");
  EXPECT_EQ(binary.text("datacontenttype"), "application/octet-stream");
  EXPECT_EQ(binary.data().value(), "\xff{");
  EXPECT_EQ(binary.body(), "\xff{");
  EXPECT_EQ(binary.raw("other"), std::nullopt);
  const auto rule = cel::compile("event.type == 't' && event.data == b'\\377{'");
  EXPECT_TRUE(rule->matches(binary.value()).value());
}

TEST(CloudEvent, ExpiresAtItsTime) {
  const WallTime now = *parse_rfc3339("2026-01-02T03:04:05Z");
  EXPECT_TRUE(event(R"({"expiration":"2026-01-02T03:04:04Z"})").expired(now));
  EXPECT_FALSE(event(R"({"expiration":"2026-01-02T03:04:05Z"})").expired(now));
  EXPECT_TRUE(event(R"({"expiration":"2026-01-02T05:04:04+02:00"})").expired(now));
  EXPECT_FALSE(event(R"({"expiration":"soon"})").expired(now));
  EXPECT_FALSE(event(R"({"expiration":""})").expired(now));
  EXPECT_FALSE(event(R"({"expiration":5})").expired(now));
  EXPECT_FALSE(event("{}").expired(now));
}

TEST(CloudEvent, IsTheVariableOfRoutingRules) {
  const auto parsed = event(kEvent);
  const auto rule = cel::compile("event.data.a == 'x y' && event.n == 5 && has(event.o.k)");
  EXPECT_TRUE(rule->matches(parsed.value()).value());
}

TEST(CloudEvent, TakesManyFieldsInReasonableTime) {
  std::string text = "{";
  for (int i = 0; i < 20'000; ++i) text += "\"f" + std::to_string(i * 7919 % 20'000) + "\":1,";
  text += "\"id\":\"last\"}";
  EXPECT_EQ(event(text).text("id"), "last");
}

}  // namespace
}  // namespace outrigger::pubsub
