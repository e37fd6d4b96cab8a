#include "runtime/pubsub/cloudevents.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/uuid.h"

namespace outrigger::pubsub {
namespace {

constexpr std::string_view kTrace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

Publication publication(std::string_view content_type, std::string_view data) {
  Publication result;
  result.id = "the-id";
  result.source = "app";
  result.topic = "orders";
  result.pubsub_name = "pubsub";
  result.content_type = content_type;
  result.data = data;
  result.trace_parent = kTrace;
  result.trace_state = "a=b";
  result.time = *parse_rfc3339("2026-01-02T03:04:05Z");
  return result;
}

nlohmann::json parsed(const std::string& text) {
  auto value = nlohmann::json::parse(text, nullptr, false);
  EXPECT_FALSE(value.is_discarded()) << text;
  return value;
}

nlohmann::json envelope(const Publication& what) {
  const auto text = make_envelope(what);
  EXPECT_TRUE(text);
  return text ? parsed(*text) : nlohmann::json();
}

TEST(Envelope, HasAllFieldsInTheOrderOfTheirNames) {
  auto what = publication("text/plain", "hello");
  what.subject = "s";
  what.expiration = *parse_rfc3339("2026-01-02T03:05:05Z");
  EXPECT_EQ(make_envelope(what).value(),
            R"({"data":"hello","datacontenttype":"text/plain","expiration":"2026-01-02T03:05:05Z",)"
            R"("id":"the-id","pubsubname":"pubsub","source":"app","specversion":"1.0",)"
            R"("subject":"s","time":"2026-01-02T03:04:05Z","topic":"orders",)"
            R"("traceid":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",)"
            R"("traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",)"
            R"("tracestate":"a=b","type":"com.dapr.event.sent"})");
}

struct DataCase {
  std::string_view content_type;
  std::string_view data;
  std::string_view expected;
};

// What upstream's envelope has for these bodies.
constexpr DataCase kDataCases[] = {
    // clang-format off
    {"application/json", "{\"a\":1}", "\"data\":{\"a\":1}"},
    {"application/json; charset=utf-8",
     " {\"a\":12345678901234567890,\"b\":1.50e2} ",
     "\"data\":{\"a\":12345678901234567890,\"b\":1.50e2}"},
    {"APPLICATION/JSON", "[1,2", "\"data\":\"[1,2\""},
    {"application/json", "", "\"data\":\"\""},
    {"application/json", "null", "\"data\":null"},
    {"application/json", "\"x\"", "\"data\":\"x\""},
    {"application/json", "12abc", "\"data\":12"},
    {"application/json", "{\"a\":1} trailing", "\"data\":{\"a\":1}"},
    {"application/json",
     "{\"a\":\"\xff\xfe\",\"b\":\"\\ud800\",\"c\":\"\\ud83d\\ude00\"}",
     "\"data\":{\"a\":\"\xef\xbf\xbd\xef\xbf\xbd\",\"b\":\"\xef\xbf\xbd\",\"c\":\""
     "\xf0\x9f\x98\x80\"}"},
    {"application/json", "tru", "\"data\":\"tru\""},
    {"application/json", "{\"a\":1}{\"b\":2}", "\"data\":{\"a\":1}"},
    {"application/json", "01", "\"data\":0"},
    {"text/plain",
     "hello <b>&\"\\\x0a\x01\x7f",
     "\"data\":\"hello \\u003cb\\u003e\\u0026\\\"\\\\\\n\\u0001\x7f\""},
    {"text/plain",
     "h\xc3\xa9 \xe2\x80\xa8\xe2\x80\xa9 \xf0\x9f\x98\x80",
     "\"data\":\"h\xc3\xa9 \\u2028\\u2029 \xf0\x9f\x98\x80\""},
    {"text/plain", "\xff\xc3(", "\"data\":\"\\ufffd\\ufffd(\""},
    {"", "no type", "\"data\":\"no type\""},
    {"application/xml", "<a/>", "\"data\":\"\\u003ca/\\u003e\""},
    {"application/vnd.x+json", "{\"a\":1}", "\"data\":\"{\\\"a\\\":1}\""},
    {"application/octet-stream", std::string_view("\x00\x01\xff", 3), "\"data_base64\":\"AAH/\""},
    {"application/octet-stream", "", "\"data_base64\":\"\""},
    {"application/cloudevents+protobuf", "\x01\x02", "\"data_base64\":\"AQI=\""},
    {"application/x-protobuf", "\x0a\x01x", "\"data_base64\":\"CgF4\""},
    {"application/x-protobuf", "\x0a\x01\xff", "\"data\":\"\\n\\u0001\\ufffd\""},
    {"application/x-protobuf", "", "\"data_base64\":\"\""},
    {"application/x-protobuf", "\xff\xff", "\"data\":\"\\ufffd\\ufffd\""},
    {"application/x-protobuf", "\x08\x01", "\"data_base64\":\"CAE=\""},
    {"application/x-protobuf",
     "*\x07\x0a\x01k\x12\x02\x08\x01", "\"data_base64\":\"KgcKAWsSAggB\""},
    {"application/x-protobuf", "*\x03\x0a\x01k", "\"data\":\"*\\u0003\\n\\u0001k\""},
    {"application/x-protobuf",
     "*\x08\x0a\x01k\x12\x03\x1a\x01v", "\"data_base64\":\"KggKAWsSAxoBdg==\""},
    {"application/x-protobuf",
     std::string_view("*\x05\x0a\x01k\x12\x00", 7),
     "\"data\":\"*\\u0005\\n\\u0001k\\u0012\\u0000\""},
    {"application/x-protobuf", "{\"a\":1}", "\"data\":\"{\\\"a\\\":1}\""},
    {"application/x-protobuf", "2\x03""abc", "\"data_base64\":\"MgNhYmM=\""},
    {"application/x-protobuf", ":\x03""abc", "\"data_base64\":\"OgNhYmM=\""},
    {"application/x-protobuf", "B\x03""abc", "\"data\":\"B\\u0003abc\""},
    {"application/x-protobuf", "B\x05\x0a\x03""abc", "\"data_base64\":\"QgUKA2FiYw==\""},
    {"application/x-protobuf", "J\x03""abc", "\"data_base64\":\"SgNhYmM=\""},
    {"image/png", "\x89PNG", "\"data\":\"\\ufffdPNG\""},
    // clang-format on
};

TEST(Envelope, CarriesDataByContentType) {
  for (const DataCase& entry : kDataCases) {
    const auto event = envelope(publication(entry.content_type, entry.data));
    const auto expected = parsed("{" + std::string(entry.expected) + "}");
    ASSERT_EQ(expected.size(), 1U);
    const auto& name = expected.begin().key();
    EXPECT_EQ(event.value(name, nlohmann::json("absent")), expected.begin().value())
        << entry.content_type << ": " << entry.expected;
    EXPECT_EQ(event.contains("data"), name == "data") << entry.content_type;
  }
}

TEST(Envelope, KeepsJsonByteForByte) {
  constexpr std::string_view kData = R"({"z": 12345678901234567890123, "a":1.50e2,"html":"<&>"})";
  const auto text = make_envelope(publication("application/json", kData)).value();
  EXPECT_TRUE(text.starts_with("{\"data\":" + std::string(kData) + ",")) << text;
}

TEST(Envelope, EscapesAndRepairsAsGoDoes) {
  const auto text = make_envelope(publication("text/plain", "<b>&\"\\\n\x01\x7f\xff")).value();
  EXPECT_TRUE(text.starts_with(R"({"data":"\u003cb\u003e\u0026\"\\\n\u0001)"
                               "\x7f"
                               R"(\ufffd",)"))
      << text;
}

TEST(Envelope, FallsBackToDefaults) {
  Publication what;
  what.topic = "t";
  const auto event = envelope(what);
  EXPECT_TRUE(is_uuid(event["id"].get<std::string>()));
  EXPECT_EQ(event["source"], "Dapr");
  EXPECT_EQ(event["type"], "com.dapr.event.sent");
  EXPECT_EQ(event["datacontenttype"], "text/plain");
  EXPECT_EQ(event["data"], "");
  EXPECT_FALSE(event.contains("subject"));
}

TEST(Envelope, TakesOverridesFromMetadataInAnyCase) {
  const Properties metadata = {{"CLOUDEVENT.Source", "s2"},     {"cloudevent.type", "t2"},
                               {"cloudevent.subject", "sub"},   {"cloudevent.id", "i2"},
                               {"cloudevent.tracestate", "ts"}, {"cloudevent.topic", "no"}};
  auto what = publication("text/plain", "x");
  apply_overrides(what, metadata);
  const auto event = envelope(what);
  EXPECT_EQ(event["source"], "s2");
  EXPECT_EQ(event["type"], "t2");
  EXPECT_EQ(event["subject"], "sub");
  EXPECT_EQ(event["id"], "i2");
  EXPECT_EQ(event["tracestate"], "ts");
  EXPECT_EQ(event["topic"], "orders");
  EXPECT_EQ(event["traceid"], kTrace);
}

TEST(Envelope, LetsATraceparentOverrideTheTraceid) {
  const Properties both = {{"cloudevent.traceid", "tid"}, {"cloudevent.traceparent", "tp"}};
  auto what = publication("text/plain", "x");
  apply_overrides(what, both);
  EXPECT_EQ(envelope(what)["traceid"], "tp");
  EXPECT_EQ(envelope(what)["traceparent"], "tp");
  const Properties only_id = {{"cloudevent.traceid", "tid"}, {"cloudevent.traceparent", ""}};
  what = publication("text/plain", "x");
  apply_overrides(what, only_id);
  EXPECT_EQ(envelope(what)["traceparent"], "tid");
}

TEST(Envelope, GoesBackToDefaultsForEmptyOverrides) {
  const Properties metadata = {{"cloudevent.source", ""}, {"cloudevent.type", ""}};
  auto what = publication("text/plain", "x");
  what.type = "mine";
  apply_overrides(what, metadata);
  EXPECT_EQ(envelope(what)["source"], "Dapr");
  EXPECT_EQ(envelope(what)["type"], "com.dapr.event.sent");
}

constexpr std::string_view kCloudEvents = "application/cloudevents+json; charset=utf-8";

TEST(Envelope, CompletesACloudEvent) {
  const Properties metadata = {{"cloudevent.id", "no"}};
  auto what = publication(kCloudEvents, R"({"type":"t","id":"1","data":{"z":1,"a":2},"x":1e400})");
  apply_overrides(what, metadata);
  EXPECT_EQ(make_envelope(what).value(),
            R"({"data":{"z":1,"a":2},"id":"1","pubsubname":"pubsub","source":"Dapr",)"
            R"("specversion":"1.0","time":"2026-01-02T03:04:05Z","topic":"orders",)"
            R"("traceid":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",)"
            R"("traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",)"
            R"("tracestate":"a=b","type":"t","x":1e400})");
}

TEST(Envelope, KeepsWhatACloudEventSaysButItsTopicAndPubsub) {
  const auto event = envelope(publication(
      kCloudEvents, R"({"time":null,"source":null,"type":null,"specversion":null,"traceid":"mine",)"
                    R"("topic":"x","pubsubname":5,"tracestate":"q"} and more)"));
  EXPECT_EQ(event["time"], nullptr);
  EXPECT_EQ(event["source"], "Dapr");
  EXPECT_EQ(event["type"], "com.dapr.event.sent");
  EXPECT_EQ(event["specversion"], "1.0");
  EXPECT_EQ(event["traceid"], "mine");
  EXPECT_FALSE(event.contains("traceparent"));
  EXPECT_EQ(event["tracestate"], "q");
  EXPECT_EQ(event["topic"], "orders");
  EXPECT_EQ(event["pubsubname"], "pubsub");
}

TEST(Envelope, SetsBothTraceFieldsWhenACloudEventHasNoTraceid) {
  const auto event = envelope(publication(kCloudEvents, R"({"traceparent":"mine"})"));
  EXPECT_EQ(event["traceid"], kTrace);
  EXPECT_EQ(event["traceparent"], kTrace);
}

TEST(Envelope, RefusesACloudEventThatIsNoObject) {
  for (const std::string_view body : {"", "[1]", "nope", "null", "\"x\"", "{\"a\":"}) {
    const auto result = make_envelope(publication(kCloudEvents, body));
    ASSERT_FALSE(result) << body;
    EXPECT_EQ(result.error().code(), Code::invalid_argument);
  }
}

TEST(Envelope, HasTheExpirationInACloudEventToo) {
  auto what = publication(kCloudEvents, "{}");
  what.expiration = *parse_rfc3339("2026-01-02T03:05:05Z");
  EXPECT_EQ(envelope(what)["expiration"], "2026-01-02T03:05:05Z");
}

TEST(RawPayload, IsWrappedForTheSubscriber) {
  const Properties metadata = {{"traceid", "tid"}, {"tracestate", "ts"}, {"other", "x"}};
  const auto event = parsed(wrap_raw_payload("\xff\x01", "t", "p", metadata));
  EXPECT_EQ(event["data_base64"], "/wE=");
  EXPECT_EQ(event["datacontenttype"], "application/octet-stream");
  EXPECT_EQ(event["source"], "Dapr");
  EXPECT_EQ(event["type"], "com.dapr.event.sent");
  EXPECT_EQ(event["specversion"], "1.0");
  EXPECT_EQ(event["topic"], "t");
  EXPECT_EQ(event["pubsubname"], "p");
  EXPECT_EQ(event["traceid"], "tid");
  EXPECT_EQ(event["tracestate"], "ts");
  EXPECT_FALSE(event.contains("traceparent"));
  EXPECT_FALSE(event.contains("time"));
  EXPECT_FALSE(event.contains("other"));
}

TEST(RawPayload, LetsTheTraceparentWin) {
  const auto event =
      parsed(wrap_raw_payload("", "t", "p", {{"traceid", "a"}, {"traceparent", "b"}}));
  EXPECT_EQ(event["traceid"], "b");
  EXPECT_EQ(event["traceparent"], "b");
}

TEST(MessageTtl, ReadsDurationsAndSeconds) {
  using std::chrono::seconds;
  EXPECT_EQ(message_ttl({{"ttlInSeconds", "10"}}), seconds(10));
  EXPECT_EQ(message_ttl({{"TTLINSECONDS", "1m30s"}}), seconds(90));
  EXPECT_EQ(message_ttl({{"ttl", "5s"}, {"ttlInSeconds", "10"}}), seconds(5));
  EXPECT_EQ(message_ttl({{"ttl", "-5s"}}), seconds(0));
  EXPECT_EQ(message_ttl({{"ttl", "9223372036854775807"}}), std::chrono::nanoseconds::max());
  for (const char* text : {"", "-1", "x", "1.5"}) {
    EXPECT_EQ(message_ttl({{"ttlInSeconds", text}}), std::nullopt) << text;
  }
  EXPECT_EQ(message_ttl({}), std::nullopt);
}

TEST(RawPayloadFlag, IsABooleanOrAnError) {
  EXPECT_FALSE(is_raw_payload({}).value());
  EXPECT_FALSE(is_raw_payload({{"rawPayload", ""}}).value());
  EXPECT_TRUE(is_raw_payload({{"rawPayload", "true"}}).value());
  EXPECT_TRUE(is_raw_payload({{"rawPayload", "1"}}).value());
  const auto bad = is_raw_payload({{"rawPayload", "yes"}});
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().message(), "rawPayload value must be a valid boolean: actual is 'yes'");
}

}  // namespace
}  // namespace outrigger::pubsub
