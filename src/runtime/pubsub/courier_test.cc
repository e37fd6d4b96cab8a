#include "runtime/pubsub/courier.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/scope.h"
#include "dapr/proto/runtime/v1/appcallback.pb.h"
#include "runtime/pubsub/fakes_testing.h"

namespace outrigger::pubsub {
namespace {

using nlohmann::json;
namespace rt = ::dapr::proto::runtime::v1;

constexpr std::string_view kTrace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

std::string event_text(std::string_view id = "1", std::string_view more = "") {
  return R"({"id":")" + std::string(id) +
         R"(","source":"s","type":"t","specversion":"1.0","datacontenttype":"application/json",)"
         R"("data":{"n":12345678901234567890},"topic":"orders","pubsubname":"pubsub",)"
         R"("traceparent":")" +
         std::string(kTrace) + "\"" + std::string(more) + "}";
}

net::Response answer_with(int status, std::string body = {}) {
  net::Response response;
  response.status = status;
  response.body = std::move(body);
  return response;
}

// A subscription with one rule and a default, its courier, and the application behind it.
struct Fixture {
  Service service{{.app_id = "app"}};
  FakeBroker* broker = nullptr;
  std::shared_ptr<OpenBroker> open;
  FakeApp app;
  std::unique_ptr<Postman> postman;
  std::shared_ptr<Subscription> subscription = std::make_shared<Subscription>();
  int status = 200;
  std::string body;
  std::optional<Error> unreachable;
  std::vector<net::Request> requests;

  explicit Fixture(std::string dead_letters = {}, std::string prefix = {}) {
    auto made = std::make_unique<FakeBroker>();
    broker = made.get();
    open = open_fake("pubsub", std::move(made), {}, std::move(prefix));
    service.add(open);
    subscription->pubsub_name = "pubsub";
    subscription->topic = "orders";
    subscription->dead_letter_topic = std::move(dead_letters);
    Routes routes;
    routes.rules.push_back({"event.type == 'special'", "/special"});
    routes.default_path = "orders/in";
    subscription->rules = make_rules(routes).value();
    app.on_http = [this](net::Request request) { return reply(this, std::move(request)); };
    postman = make_http_postman(app);
  }
  static Task<Result<net::Response>> reply(Fixture* self, net::Request request) {
    self->requests.push_back(std::move(request));
    if (self->unreachable) co_return fail(*self->unreachable);
    co_return answer_with(self->status, self->body);
  }
  Courier courier() { return Courier({service, *postman, open, subscription}); }
  Result<> deliver(std::string data, Properties metadata = {}, std::string topic = "orders") {
    components::pubsub::Message message;
    message.topic = std::move(topic);
    message.data = std::move(data);
    message.metadata = std::move(metadata);
    Courier one = courier();
    return run(one.deliver(std::move(message)));
  }
};

TEST(HttpDelivery, PostsTheEventToItsRoute) {
  Fixture f;
  ASSERT_TRUE(f.deliver(event_text(), {{"key", "value"}}));
  ASSERT_EQ(f.requests.size(), 1U);
  const net::Request& request = f.requests[0];
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.target, "/orders/in");
  EXPECT_EQ(request.body.whole, event_text());
  EXPECT_EQ(request.headers.value("content-type"), "application/cloudevents+json");
  EXPECT_EQ(request.headers.value("pubsubname"), "pubsub");
  EXPECT_EQ(request.headers.value("key"), "value");
  EXPECT_EQ(request.headers.value("traceparent"), kTrace);
}

TEST(HttpDelivery, FollowsTheFirstRuleThatMatches) {
  Fixture f;
  ASSERT_TRUE(f.deliver(R"({"id":"1","type":"special"})"));
  EXPECT_EQ(f.requests.at(0).target, "/special");
}

TEST(HttpDelivery, LeavesOutMetadataThatCannotBeAHeader) {
  Fixture f;
  ASSERT_TRUE(f.deliver(
      event_text(),
      {{"bad name", "v"}, {"evil", "a\r\nInjected: yes"}, {"Content-Length", "3"}, {"good", "v"}}));
  const net::Headers& headers = f.requests.at(0).headers;
  EXPECT_FALSE(headers.contains("bad name"));
  EXPECT_FALSE(headers.contains("evil"));
  EXPECT_FALSE(headers.contains("content-length"));
  EXPECT_EQ(headers.value("good"), "v");
}

TEST(HttpDelivery, UnderstandsTheAnswersStatus) {
  struct Case {
    int status;
    std::string_view body;
    bool done;
  };
  const Case cases[] = {
      {200, "", true},
      {204, "", true},
      {200, "no json", true},
      {200, R"({"status":""})", true},
      {200, R"({"status":"SUCCESS"})", true},
      {200, R"({"status":5})", true},
      {200, R"({"Status":"DROP"})", true},
      {200, R"({"status":"RETRY"})", false},
      {200, R"({"status":"success"})", false},
      {404, "", true},
      {500, "", false},
      {302, "", false},
  };
  for (const Case& each : cases) {
    Fixture f;
    f.status = each.status;
    f.body = each.body;
    EXPECT_EQ(f.deliver(event_text()).has_value(), each.done) << each.status << each.body;
    EXPECT_EQ(f.requests.size(), 1U);
  }
}

TEST(HttpDelivery, WhatFailsGoesToTheDeadLettersAndIsDone) {
  for (const int status : {500, 404}) {
    Fixture f("dead");
    f.status = status;
    ASSERT_TRUE(f.deliver(event_text(), {{"key", "value"}}));
    ASSERT_EQ(f.broker->published.size(), 1U);
    EXPECT_EQ(f.broker->published[0].topic, "dead");
    EXPECT_EQ(f.broker->published[0].data, event_text());
    EXPECT_EQ(f.broker->published[0].metadata.at("key"), "value");
  }
}

TEST(HttpDelivery, AMessageWhoseDeadLetterFailsIsGivenAgain) {
  Fixture f("dead");
  f.status = 500;
  f.broker->publish_error = Error(Code::unavailable, "full");
  EXPECT_FALSE(f.deliver(event_text()));
  f.status = 404;
  EXPECT_FALSE(f.deliver(event_text()));
}

TEST(HttpDelivery, AMessageForAnUnreachableAppIsGivenAgain) {
  Fixture f;
  f.unreachable = Error(Code::unavailable, "refused");
  const auto delivered = f.deliver(event_text());
  ASSERT_FALSE(delivered);
  EXPECT_EQ(delivered.error().message(),
            "error returned from app channel while sending pub/sub event to app: refused");
}

TEST(HttpDelivery, DropsWhatHasExpiredOrHasNoRoute) {
  Fixture f("dead");
  ASSERT_TRUE(f.deliver(event_text("1", R"(,"expiration":"2020-01-01T00:00:00Z")")));
  f.subscription->rules.pop_back();
  ASSERT_TRUE(f.deliver(event_text()));
  EXPECT_TRUE(f.requests.empty());
  EXPECT_EQ(f.broker->published.size(), 2U);
}

TEST(HttpDelivery, AMessageThatIsNoEventIsGivenAgainOrBuried) {
  Fixture plain;
  EXPECT_FALSE(plain.deliver("no json at all"));
  EXPECT_TRUE(plain.requests.empty());
  Fixture buried("dead");
  EXPECT_TRUE(buried.deliver("no json at all"));
  EXPECT_EQ(buried.broker->published.at(0).data, "no json at all");
}

TEST(HttpDelivery, WrapsARawPayload) {
  Fixture f;
  f.subscription->metadata["rawPayload"] = "true";
  ASSERT_TRUE(f.deliver("raw"));
  const json event = json::parse(f.requests.at(0).body.whole);
  EXPECT_EQ(event["data_base64"], "cmF3");
  EXPECT_EQ(event["topic"], "orders");
}

TEST(HttpDelivery, TakesTheNamespaceOffTheTopic) {
  Fixture f({}, "ns");
  f.subscription->metadata["rawPayload"] = "true";
  ASSERT_TRUE(f.deliver("raw", {}, "nsorders"));
  EXPECT_EQ(json::parse(f.requests.at(0).body.whole)["topic"], "orders");
}

TEST(HttpDelivery, ToleratesATraceThatIsNoText) {
  Fixture f;
  ASSERT_TRUE(f.deliver(R"({"id":"1","type":"t","traceid":5,"traceparent":{"a":1}})"));
  EXPECT_EQ(f.requests.at(0).headers.value("traceparent"),
            "00-00000000000000000000000000000000-0000000000000000-00");
}

components::pubsub::BulkMessage bulk_of(std::initializer_list<std::string> events) {
  components::pubsub::BulkMessage message;
  message.topic = "orders";
  int id = 0;
  for (const std::string& event : events) {
    components::pubsub::BulkEntry entry;
    entry.entry_id = std::to_string(++id);
    entry.event = event;
    message.entries.push_back(std::move(entry));
  }
  return message;
}

TEST(HttpBulkDelivery, PostsOneEnvelopeForEachPath) {
  Fixture f;
  f.body = R"({"statuses":[{"entryId":"1","status":"SUCCESS"},{"entryId":"2","status":"SUCCESS"},)"
           R"({"entryId":"3","status":"SUCCESS"}]})";
  Courier courier = f.courier();
  const auto failures = run(courier.deliver_bulk(
      bulk_of({event_text("a"), R"({"id":"b","type":"special"})", event_text("c")})));
  ASSERT_TRUE(failures);
  EXPECT_TRUE(failures->empty());
  ASSERT_EQ(f.requests.size(), 2U);
  EXPECT_EQ(f.requests[0].target, "/orders/in");
  EXPECT_EQ(f.requests[0].headers.value("content-type"), "application/json");
  EXPECT_EQ(f.requests[1].target, "/special");
  const json envelope = json::parse(f.requests[0].body.whole);
  EXPECT_EQ(envelope["type"], "com.dapr.event.sent.bulk");
  EXPECT_EQ(envelope["topic"], "orders");
  EXPECT_EQ(envelope["pubsubname"], "pubsub");
  EXPECT_EQ(envelope["metadata"]["pubsubName"], "pubsub");
  ASSERT_EQ(envelope["entries"].size(), 2U);
  EXPECT_EQ(envelope["entries"][0]["entryId"], "1");
  EXPECT_EQ(envelope["entries"][1]["entryId"], "3");
  EXPECT_EQ(envelope["entries"][0]["event"]["id"], "a");
  EXPECT_EQ(envelope["entries"][0]["contentType"], "application/cloudevents+json");
  EXPECT_TRUE(envelope["entries"][0]["metadata"].is_null());
}

TEST(HttpBulkDelivery, GivesAgainWhatTheAnswerDoesNotSettle) {
  Fixture f;
  f.body = R"({"statuses":[{"entryId":"1","status":"SUCCESS"},{"entryId":"2","status":"RETRY"},)"
           R"({"entryId":"3","status":"DROP"},{"entryId":"4"},{"entryId":"nobody"}]})";
  Courier courier = f.courier();
  const auto failures = run(courier.deliver_bulk(
      bulk_of({event_text(), event_text(), event_text(), event_text(), event_text(), "no json"})));
  ASSERT_TRUE(failures);
  std::string ids;
  for (const auto& failure : *failures) ids += failure.entry_id;
  EXPECT_EQ(ids, "2456");
}

TEST(HttpBulkDelivery, UnderstandsTheAnswerAsAWhole) {
  struct Case {
    int status;
    std::string_view body;
    std::size_t failures;
  };
  const Case cases[] = {{404, "", 0}, {500, "", 2}, {200, "", 2}, {200, "[1]", 2}, {200, "{}", 2}};
  for (const Case& each : cases) {
    Fixture f;
    f.status = each.status;
    f.body = each.body;
    Courier courier = f.courier();
    const auto failures = run(courier.deliver_bulk(bulk_of({event_text(), event_text()})));
    ASSERT_TRUE(failures);
    EXPECT_EQ(failures->size(), each.failures) << each.status << each.body;
  }
}

TEST(HttpBulkDelivery, BuriesWhatFailsAndWhatIsDropped) {
  Fixture f("dead");
  f.body = R"({"statuses":[{"entryId":"1","status":"RETRY"},{"entryId":"2","status":"DROP"},)"
           R"({"entryId":"3","status":"SUCCESS"}]})";
  Courier courier = f.courier();
  const auto failures =
      run(courier.deliver_bulk(bulk_of({event_text("a"), event_text("b"), event_text("c")})));
  ASSERT_TRUE(failures);
  EXPECT_TRUE(failures->empty());
  EXPECT_EQ(f.broker->published.size(), 2U);
}

TEST(HttpBulkDelivery, SendsRawPayloadsInBase64) {
  Fixture f;
  f.subscription->metadata["rawPayload"] = "true";
  f.subscription->rules = make_rules({{}, "/raw"}).value();
  f.body = R"({"statuses":[{"entryId":"1","status":"SUCCESS"}]})";
  Courier courier = f.courier();
  ASSERT_TRUE(run(courier.deliver_bulk(bulk_of({"raw"})))->empty());
  const json envelope = json::parse(f.requests.at(0).body.whole);
  EXPECT_EQ(envelope["entries"][0]["event"], "cmF3");
  EXPECT_EQ(envelope["entries"][0]["contentType"], "application/octet-stream");
}

// The same over gRPC.
struct Grpc : Fixture {
  std::vector<std::string> paths;
  std::vector<std::string> messages;
  net::Headers metadata;
  std::map<std::string, net::grpc::Reply> replies;

  Grpc() {
    app.speaks_grpc = true;
    app.on_grpc = [this](std::string path, std::string message, net::grpc::CallOptions options) {
      return call(this, std::move(path), std::move(message), std::move(options));
    };
    postman = make_grpc_postman(app);
  }
  static Task<Result<net::grpc::Reply>> call(Grpc* self, std::string path, std::string message,
                                             net::grpc::CallOptions options) {
    self->metadata = options.metadata;
    self->messages.push_back(std::move(message));
    const std::string method = path.substr(path.rfind('/') + 1);
    self->paths.push_back(std::move(path));
    co_return self->replies[method];
  }
  void reply(const std::string& method, rt::TopicEventResponse::TopicEventResponseStatus status) {
    rt::TopicEventResponse response;
    response.set_status(status);
    replies[method].message = response.SerializeAsString();
  }
};

TEST(GrpcDelivery, CallsOnTopicEvent) {
  Grpc f;
  ASSERT_TRUE(f.deliver(event_text("1", R"(,"extra":{"a":[1,null,true,"x"]})"),
                        {{"Key", "value"}, {"bad name", "v"}, {"content-type", "x"}}));
  EXPECT_EQ(f.paths.at(0), "/dapr.proto.runtime.v1.AppCallback/OnTopicEvent");
  rt::TopicEventRequest request;
  ASSERT_TRUE(request.ParseFromString(f.messages[0]));
  EXPECT_EQ(request.id(), "1");
  EXPECT_EQ(request.source(), "s");
  EXPECT_EQ(request.type(), "t");
  EXPECT_EQ(request.spec_version(), "1.0");
  EXPECT_EQ(request.data_content_type(), "application/json");
  EXPECT_EQ(request.data(), R"({"n":12345678901234567890})");
  EXPECT_EQ(request.topic(), "orders");
  EXPECT_EQ(request.pubsub_name(), "pubsub");
  EXPECT_EQ(request.path(), "orders/in");
  const auto& extensions = request.extensions().fields();
  EXPECT_EQ(extensions.at("topic").string_value(), "orders");
  EXPECT_EQ(extensions.at("traceparent").string_value(), kTrace);
  EXPECT_FALSE(extensions.contains("data"));
  const auto& list = extensions.at("extra").struct_value().fields().at("a").list_value();
  EXPECT_EQ(list.values_size(), 4);
  EXPECT_EQ(f.metadata.value("key"), "value");
  EXPECT_EQ(f.metadata.value("pubsubname"), "pubsub");
  EXPECT_EQ(f.metadata.value("traceparent"), kTrace);
  EXPECT_FALSE(f.metadata.contains("content-type"));
  EXPECT_FALSE(f.metadata.contains("bad name"));
}

TEST(GrpcDelivery, SendsDataOfTheTypesThatUpstreamSends) {
  struct Case {
    std::string_view fields, data;
  };
  const Case cases[] = {
      {R"("datacontenttype":"text/plain","data":"d")", "d"},
      {R"("datacontenttype":"application/json","data":"d")", R"("d")"},
      {R"("datacontenttype":"foo/bar","data":"d")", ""},
      {R"("datacontenttype":"foo/bar","data_base64":"ZA==")", "d"},
      {R"("datacontenttype":"foo/bar")", ""},
  };
  for (const Case& each : cases) {
    Grpc f;
    ASSERT_TRUE(f.deliver(R"({"id":"1","type":"t",)" + std::string(each.fields) + "}"));
    rt::TopicEventRequest request;
    ASSERT_TRUE(request.ParseFromString(f.messages.at(0)));
    EXPECT_EQ(request.data(), each.data) << each.fields;
  }
}

TEST(GrpcDelivery, UnderstandsTheStatus) {
  Grpc f;
  f.reply("OnTopicEvent", rt::TopicEventResponse::RETRY);
  EXPECT_FALSE(f.deliver(event_text()));
  f.reply("OnTopicEvent", rt::TopicEventResponse::DROP);
  EXPECT_TRUE(f.deliver(event_text()));
  f.reply("OnTopicEvent", rt::TopicEventResponse::TopicEventResponseStatus(7));
  EXPECT_FALSE(f.deliver(event_text()));
  f.replies["OnTopicEvent"].status = {Code::unimplemented, "no", ""};
  EXPECT_TRUE(f.deliver(event_text()));
  f.replies["OnTopicEvent"].status = {Code::unavailable, "no", ""};
  EXPECT_FALSE(f.deliver(event_text()));
}

TEST(GrpcDelivery, AnEventNestedBeyondReasonIsGivenAgain) {
  Grpc f;
  std::string deep;
  for (int i = 0; i < 5000; ++i) deep += '[';
  for (int i = 0; i < 5000; ++i) deep += ']';
  EXPECT_FALSE(f.deliver(R"({"id":"1","type":"t","deep":)" + deep + "}"));
  EXPECT_TRUE(f.messages.empty());
}

TEST(GrpcBulkDelivery, FallsBackToTheAlphaMethod) {
  Grpc f;
  f.replies["OnBulkTopicEvent"].status = {Code::unimplemented, "no", ""};
  rt::TopicEventBulkResponse response;
  auto* first = response.add_statuses();
  first->set_entry_id("1");
  first->set_status(rt::TopicEventResponse::SUCCESS);
  auto* second = response.add_statuses();
  second->set_entry_id("2");
  second->set_status(rt::TopicEventResponse::RETRY);
  f.replies["OnBulkTopicEventAlpha1"].message = response.SerializeAsString();
  Courier courier = f.courier();
  const auto failures =
      run(courier.deliver_bulk(bulk_of({event_text("a"), event_text("b"), event_text("c")})));
  ASSERT_TRUE(failures);
  ASSERT_EQ(failures->size(), 2U);
  EXPECT_EQ(f.paths.at(1), "/dapr.proto.runtime.v1.AppCallbackAlpha/OnBulkTopicEventAlpha1");
  rt::TopicEventBulkRequest request;
  ASSERT_TRUE(request.ParseFromString(f.messages[0]));
  EXPECT_EQ(request.entries_size(), 3);
  EXPECT_EQ(request.entries(0).entry_id(), "1");
  EXPECT_EQ(request.entries(0).cloud_event().id(), "a");
  EXPECT_EQ(request.path(), "orders/in");
  EXPECT_EQ(request.type(), "com.dapr.event.sent.bulk");
}

TEST(GrpcBulkDelivery, AnAppWithoutTheMethodDropsThemAll) {
  Grpc f;
  for (const char* method : {"OnBulkTopicEvent", "OnBulkTopicEventAlpha1"}) {
    f.replies[method].status = {Code::unimplemented, "no", ""};
  }
  Courier courier = f.courier();
  EXPECT_TRUE(run(courier.deliver_bulk(bulk_of({event_text(), event_text()})))->empty());
}

}  // namespace
}  // namespace outrigger::pubsub
