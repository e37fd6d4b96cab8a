#include "runtime/pubsub/service.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/scope.h"
#include "net/http/server.h"
#include "runtime/pubsub/fakes_testing.h"
#include "runtime/pubsub/http.h"

namespace outrigger::pubsub {
namespace {

using nlohmann::json;

constexpr std::string_view kTrace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

struct Fixture {
  Service service{{.app_id = "app"}};
  FakeBroker* broker = nullptr;

  explicit Fixture(Properties properties = {}, std::string prefix = {}) {
    auto made = std::make_unique<FakeBroker>();
    broker = made.get();
    service.add(open_fake("pubsub", std::move(made), std::move(properties), std::move(prefix)));
  }
  Result<> publish(Publish request) { return run(service.publish(std::move(request))); }
};

Publish request(std::string data = "hello", std::string content_type = "text/plain") {
  Publish out;
  out.pubsub_name = "pubsub";
  out.topic = "orders";
  out.data = std::move(data);
  out.content_type = std::move(content_type);
  out.trace = *telemetry::parse_traceparent(kTrace);
  return out;
}

TEST(PublishService, PutsTheMessageIntoAnEnvelope) {
  Fixture f;
  ASSERT_TRUE(f.publish(request()));
  ASSERT_EQ(f.broker->published.size(), 1U);
  const auto& sent = f.broker->published[0];
  EXPECT_EQ(sent.topic, "orders");
  const json event = json::parse(sent.data);
  EXPECT_EQ(event["data"], "hello");
  EXPECT_EQ(event["source"], "app");
  EXPECT_EQ(event["pubsubname"], "pubsub");
  EXPECT_EQ(event["topic"], "orders");
  EXPECT_EQ(event["traceid"], std::string(kTrace));
  EXPECT_EQ(event["traceparent"], std::string(kTrace));
  EXPECT_FALSE(event.contains("expiration"));
}

TEST(PublishService, AnEventOfNoTraceSaysNothingOfATrace) {
  Fixture f;
  Publish untraced = request();
  untraced.trace = {};
  ASSERT_TRUE(f.publish(std::move(untraced)));
  const json event = json::parse(f.broker->published[0].data);
  EXPECT_EQ(event["traceid"], "");
  EXPECT_EQ(event["traceparent"], "");
  EXPECT_EQ(event["tracestate"], "");
}

TEST(PublishService, SendsARawPayloadAsItIs) {
  Fixture f;
  Publish raw = request("\x01\x02 raw", "application/octet-stream");
  raw.metadata["rawPayload"] = "true";
  raw.face = Face::grpc;
  ASSERT_TRUE(f.publish(std::move(raw)));
  EXPECT_EQ(f.broker->published[0].data, "\x01\x02 raw");
  EXPECT_EQ(f.broker->published[0].metadata.at("traceid"), kTrace);
  EXPECT_EQ(f.broker->published[0].metadata.at("rawPayload"), "true");
}

TEST(PublishService, GivesTheExpirationIfTheBrokerHasNoTimeToLive) {
  Fixture f;
  Publish mortal = request();
  mortal.metadata["ttlInSeconds"] = "60";
  ASSERT_TRUE(f.publish(std::move(mortal)));
  const json event = json::parse(f.broker->published[0].data);
  const auto expires = parse_rfc3339(event["expiration"].get<std::string>());
  ASSERT_TRUE(expires);
  EXPECT_GT(*expires, wall_now() + std::chrono::seconds(50));
  EXPECT_LT(*expires, wall_now() + std::chrono::seconds(70));
}

TEST(PublishService, LeavesTheExpirationToABrokerThatCanExpireMessages) {
  Service service({.app_id = "app"});
  auto made = std::make_unique<FakeBroker>();
  made->abilities.message_ttl = true;
  FakeBroker* const broker = made.get();
  service.add(open_fake("pubsub", std::move(made)));
  Publish mortal = request();
  mortal.metadata["ttlInSeconds"] = "60";
  ASSERT_TRUE(run(service.publish(std::move(mortal))));
  EXPECT_FALSE(json::parse(broker->published[0].data).contains("expiration"));
  EXPECT_EQ(broker->published[0].metadata.at("ttlInSeconds"), "60");
}

TEST(PublishService, PrefixesTheTopicOfANamespaceScopedComponent) {
  Fixture f({}, "default");
  ASSERT_TRUE(f.publish(request()));
  EXPECT_EQ(f.broker->published[0].topic, "defaultorders");
  EXPECT_EQ(json::parse(f.broker->published[0].data)["topic"], "orders");
}

TEST(PublishService, TellsWhatIsMissingAsUpstreamDoes) {
  Fixture f;
  Publish unknown = request();
  unknown.pubsub_name = "other";
  const auto not_found = f.publish(std::move(unknown));
  ASSERT_FALSE(not_found);
  EXPECT_EQ(not_found.error().tag(), "ERR_PUBSUB_NOT_FOUND");
  EXPECT_EQ(not_found.error().message(), "pubsub other is not found");
  EXPECT_EQ(not_found.error().http_status(), 404);
  EXPECT_EQ(not_found.error().code(), Code::invalid_argument);
  EXPECT_TRUE(not_found.error().details()->resources.empty());
  EXPECT_EQ(not_found.error().details()->reason, "DAPR_PUBSUB_NOT_FOUND");

  Publish nameless = request();
  nameless.topic = "";
  const auto no_topic = f.publish(std::move(nameless));
  ASSERT_FALSE(no_topic);
  EXPECT_EQ(no_topic.error().tag(), "ERR_TOPIC_NAME_EMPTY");
  EXPECT_EQ(no_topic.error().message(), "topic is empty in pubsub pubsub");

  Publish anonymous = request();
  anonymous.pubsub_name = "";
  const auto no_name = f.publish(std::move(anonymous));
  ASSERT_FALSE(no_name);
  EXPECT_EQ(no_name.error().tag(), "ERR_PUBSUB_EMPTY");
}

TEST(PublishService, RefusesRawPayloadThatIsNoBoolean) {
  Fixture f;
  Publish odd = request();
  odd.metadata["rawPayload"] = "invalidBooleanValue";
  const auto refused = f.publish(std::move(odd));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message(),
            "failed deserializing metadata. Error: rawPayload value must be a valid boolean: "
            "actual is 'invalidBooleanValue'");
  EXPECT_EQ(refused.error().tag(), "ERR_PUBSUB_REQUEST_METADATA");
}

TEST(PublishService, RefusesATopicOutOfScope) {
  Fixture f({{"publishingScopes", "app=a,b"}});
  const auto refused = f.publish(request());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().tag(), "ERR_PUBSUB_FORBIDDEN");
  EXPECT_EQ(refused.error().message(), "topic orders is not allowed for app id app");
  EXPECT_EQ(refused.error().code(), Code::permission_denied);
  EXPECT_TRUE(f.broker->published.empty());
}

TEST(PublishService, PassesTheBrokersErrorOn) {
  Fixture f;
  f.broker->publish_error = Error(Code::unavailable, "no connection");
  const auto failed = f.publish(request());
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().tag(), "ERR_PUBSUB_PUBLISH_MESSAGE");
  EXPECT_EQ(failed.error().message(),
            "error when publishing to topic orders in pubsub pubsub: no connection");
  EXPECT_EQ(failed.error().http_status(), 500);
  EXPECT_EQ(failed.error().details()->metadata.at("topic"), "orders");
}

BulkPublish bulk(std::initializer_list<std::string_view> ids) {
  BulkPublish out;
  out.pubsub_name = "pubsub";
  out.topic = "orders";
  for (const std::string_view id : ids) {
    BulkPublish::Entry entry;
    entry.entry_id = id;
    entry.content_type = "text/plain";
    entry.data = "data of " + std::string(id);
    out.entries.push_back(std::move(entry));
  }
  return out;
}

TEST(BulkPublishService, PublishesEachEntryWhereTheBrokerTakesNoBatches) {
  Fixture f;
  const auto outcome = run(f.service.bulk_publish(bulk({"1", "2", "3"})));
  EXPECT_FALSE(outcome.error);
  ASSERT_EQ(f.broker->published.size(), 3U);
  EXPECT_EQ(json::parse(f.broker->published[1].data)["data"], "data of 2");
}

TEST(BulkPublishService, TellsWhichEntriesFailed) {
  Fixture f;
  f.broker->fail_publish_of = "data of 2";
  const auto outcome = run(f.service.bulk_publish(bulk({"1", "2", "3"})));
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->tag(), "ERR_PUBSUB_PUBLISH_MESSAGE");
  ASSERT_EQ(outcome.failures.size(), 1U);
  EXPECT_EQ(outcome.failures[0].entry_id, "2");
}

TEST(BulkPublishService, RefusesEntriesWithoutAnIdOfTheirOwn) {
  Fixture f;
  for (const auto& ids : {std::initializer_list<std::string_view>{"1", "1"}, {"1", ""}}) {
    const auto outcome = run(f.service.bulk_publish(bulk(ids)));
    ASSERT_TRUE(outcome.error);
    EXPECT_EQ(outcome.error->tag(), "ERR_PUBSUB_EVENTS_SER");
    EXPECT_EQ(outcome.error->details()->reason, "DAPR_PUBSUB_MARSHAL_EVENTS");
    EXPECT_EQ(outcome.error->message(),
              "error marshaling events to bytes for topic orders pubsub pubsub. error: entryId is "
              "duplicated or not present for entry");
  }
  EXPECT_TRUE(f.broker->published.empty());
}

TEST(BulkPublishService, AnEntrysMetadataWinsOverTheRequests) {
  Fixture f;
  BulkPublish both = bulk({"1", "2"});
  both.metadata = {{"cloudevent.type", "of-request"}, {"cloudevent.subject", "s"}};
  both.entries[0].metadata = Properties{{"cloudevent.type", "of-entry"}};
  ASSERT_FALSE(run(f.service.bulk_publish(std::move(both))).error);
  const json first = json::parse(f.broker->published[0].data);
  EXPECT_EQ(first["type"], "of-entry");
  EXPECT_EQ(first["subject"], "s");
  EXPECT_EQ(json::parse(f.broker->published[1].data)["type"], "com.dapr.event.sent");
}

TEST(PublishService, ClosingWaitsForTheCallsInside) {
  Loop loop;
  Service service({.app_id = "app"});
  auto made = std::make_unique<FakeBroker>();
  made->hold_publish = true;
  FakeBroker* const broker = made.get();
  service.add(open_fake("pubsub", std::move(made)));
  struct Steps {
    static Task<void> publish(Service* service, std::string* log) {
      auto done = co_await service->publish(request());
      *log += done ? "published " : "failed ";
    }
    static Task<void> remove(Service* service, std::string* log) {
      const auto taken = service->take_out("pubsub");
      co_await taken->close();
      *log += "closed";
    }
    static Task<std::string> all(Service* service, FakeBroker* broker) {
      std::string log;
      Scope scope;
      scope.spawn(publish(service, &log));
      scope.spawn(remove(service, &log));
      EXPECT_EQ(log, "");
      broker->release_publish.notify_all();
      co_await scope.join();
      co_return log;
    }
  };
  EXPECT_EQ(run_on(loop, Steps::all(&service, broker)), "published closed");
}

// The HTTP face, through the router.
struct Http {
  Fixture f;
  runtime::api::Router router;
  Http() { add_http_routes(router, f.service); }

  net::Response post(std::string_view target, std::string body,
                     std::string_view content_type = "application/json") {
    runtime::api::HttpCall call;
    call.clean_target = target;
    const net::Target parts = net_target(call.clean_target);
    call.path = parts.path;
    call.query = parts.query;
    call.request.headers.add("Content-Type", content_type);
    call.trace = *telemetry::parse_traceparent(kTrace);
    call.request.body = std::move(body);
    auto match = router.find("POST", call.path);
    EXPECT_TRUE(match && match->route != nullptr) << target;
    call.route = match->route;
    call.params = std::move(match->params);
    auto& handler = const_cast<runtime::api::HttpHandler&>(call.route->handler);
    return run(handler(call));
  }
};

TEST(PublishHttp, AnswersNoContent) {
  Http http;
  const auto response =
      http.post("/v1.0/publish/pubsub/a/b?metadata.k=v", R"({"big":12345678901234567890})");
  EXPECT_EQ(response.status, 204);
  EXPECT_EQ(http.f.broker->published[0].topic, "a/b");
  EXPECT_EQ(http.f.broker->published[0].metadata.at("k"), "v");
  EXPECT_NE(http.f.broker->published[0].data.find(R"("data":{"big":12345678901234567890})"),
            std::string::npos);
  EXPECT_NE(http.f.broker->published[0].data.find(kTrace), std::string::npos);
}

TEST(PublishHttp, RendersRichErrors) {
  Http http;
  const auto response = http.post("/v1.0/publish/nobody/topic", "");
  EXPECT_EQ(response.status, 404);
  const json body = json::parse(response.body.whole);
  EXPECT_EQ(body["errorCode"], "ERR_PUBSUB_NOT_FOUND");
  EXPECT_EQ(body["message"], "pubsub nobody is not found");
  ASSERT_EQ(body["details"].size(), 1U);
  EXPECT_EQ(body["details"][0]["reason"], "DAPR_PUBSUB_NOT_FOUND");
}

TEST(PublishHttp, PublishesInBulk) {
  Http http;
  const auto response =
      http.post("/v1.0/publish/bulk/pubsub/t",
                R"([{"entryId":"1","event":{"a":1},"contentType":"application/json"},)"
                R"({"entryID":"2","event":"text","contentType":"text/plain","metadata":{"m":"1"}},)"
                R"({"entryId":"3","event":"AQI=","contentType":"application/octet-stream"}])");
  EXPECT_EQ(response.status, 204);
  ASSERT_EQ(http.f.broker->published.size(), 3U);
  EXPECT_EQ(json::parse(http.f.broker->published[0].data)["data"], json({{"a", 1}}));
  EXPECT_EQ(json::parse(http.f.broker->published[1].data)["data"], "text");
  EXPECT_EQ(http.f.broker->published[1].metadata.at("m"), "1");
  EXPECT_EQ(json::parse(http.f.broker->published[2].data)["data_base64"], "AQI=");
}

TEST(PublishHttp, ListsTheEntriesOfABulkThatFailed) {
  Http http;
  http.f.broker->fail_publish_of = "second";
  const auto response =
      http.post("/v1.0-alpha1/publish/bulk/pubsub/t",
                R"([{"entryId":"1","event":"first","contentType":"text/plain"},)"
                R"({"entryId":"2","event":"second","contentType":"text/plain"}])");
  EXPECT_EQ(response.status, 500);
  EXPECT_EQ(response.body.whole, R"({"failedEntries":[{"entryId":"2","error":"refused"}],)"
                                 R"("errorCode":"ERR_PUBSUB_PUBLISH_MESSAGE"})");
  EXPECT_EQ(response.headers.value("metadata.responseData"), response.body.whole);
  EXPECT_EQ(response.headers.value("metadata.error"),
            "api error: code = Internal desc = error when publishing to topic t in pubsub pubsub: "
            "refused");
}

TEST(PublishHttp, RefusesBulkBodiesInUpstreamsWords) {
  Http http;
  struct Case {
    std::string_view body, reason, message;
  };
  const Case cases[] = {
      {R"({"entryID": "})", "DAPR_PUBSUB_UNMARSHAL_EVENTS",
       "error when unmarshaling the request for topic t pubsub pubsub: unexpected EOF"},
      {"", "DAPR_PUBSUB_UNMARSHAL_EVENTS",
       "error when unmarshaling the request for topic t pubsub pubsub: EOF"},
      {R"({"a":1})", "DAPR_PUBSUB_UNMARSHAL_EVENTS",
       "error when unmarshaling the request for topic t pubsub pubsub: json: cannot unmarshal "
       "object into Go value of type []http.bulkPublishMessageEntry"},
      {R"([{"entryId":"1","event":{"a":1},"contentType":"text/plain"}])",
       "DAPR_PUBSUB_MARSHAL_ENVELOPE",
       "error when marshalling cloud event envelope for topic t pubsub pubsub: error: mismatch "
       "between contentType and event"},
  };
  for (const Case& each : cases) {
    const auto response = http.post("/v1.0/publish/bulk/pubsub/t", std::string(each.body));
    EXPECT_EQ(response.status, 400) << each.body;
    const json body = json::parse(response.body.whole);
    EXPECT_EQ(body["errorCode"], "ERR_PUBSUB_EVENTS_SER");
    EXPECT_EQ(body["message"], std::string(each.message));
    EXPECT_EQ(body["details"].back()["reason"], std::string(each.reason));
  }
}

}  // namespace
}  // namespace outrigger::pubsub
