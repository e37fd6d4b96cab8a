// What the HTTP API and the gate of the gRPC servers say in spans. Expected names, kinds and
// attributes are those of upstream's 1.18.3 for the same calls.
#include "base/scope.h"
#include "runtime/api/grpc_gate.h"
#include "runtime/api/http_api.h"
#include "runtime/api/render.h"
#include "runtime/telemetry/span_notes.h"

namespace outrigger::runtime::api {
namespace {

using telemetry::SpanKind;
using ::testing::IsEmpty;
using Attributes = std::map<std::string, std::string>;

constexpr std::string_view kParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
constexpr std::string_view kUnsampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

struct Collector final : telemetry::SpanSink {
  void accept(std::unique_ptr<telemetry::FinishedSpan> span) override {
    spans.push_back(std::move(span));
  }
  std::vector<std::unique_ptr<telemetry::FinishedSpan>> spans;
};

Attributes attributes_of(const telemetry::FinishedSpan& span) {
  return {span.attributes.begin(), span.attributes.end()};
}

/// The HTTP API with routes of some blocks, all of which answer with `status`.
struct HttpWorld {
  std::shared_ptr<Collector> sink = std::make_shared<Collector>();
  telemetry::RuntimeMetrics metrics{{.app_id = "me"}};
  std::shared_ptr<HttpApiSettings> settings = std::make_shared<HttpApiSettings>();
  Router router;
  int status = 200;
  net::Peer peer;
  HttpApi api{settings, router, metrics};

  HttpWorld() {
    settings->tracer = telemetry::Tracer("1", sink);
    peer.address = "10.1.2.3:4711";
    add("GetState", "state", "/v1.0/state/{storeName}/{key}");
    add("InvokeActor", "actors", "/v1.0/actors/{actorType}/{actorId}/method/{method}");
    add("GetActorState", "actors", "/v1.0/actors/{actorType}/{actorId}/state/{key}");
    add("PublishEvent", "publish", "/v1.0/publish/{pubsubname}/{topic*}");
    add("Healthz", "healthz", "/v1.0/healthz");
  }
  void add(std::string name, std::string group, std::string pattern) {
    Route route;
    route.methods = "ANY";
    route.pattern = std::move(pattern);
    route.group = std::move(group);
    route.version = "v1";
    route.name = std::move(name);
    route.handler = [this](HttpCall&) { return answer(this); };
    router.add(std::move(route));
  }
  static Task<net::Response> answer(HttpWorld* self) {
    net::Response response;
    response.status = self->status;
    co_return response;
  }
  static Task<net::Response> ask(HttpWorld* self, std::string target, net::Headers headers) {
    net::Request request;
    request.method = "GET";
    request.target = std::move(target);
    request.headers = std::move(headers);
    request.peer = &self->peer;
    auto response = co_await self->api.handle(std::move(request));
    co_return response;
  }
  net::Response get(std::string target, net::Headers headers = {}) {
    return run(ask(this, std::move(target), std::move(headers)));
  }
  const telemetry::FinishedSpan& only() {
    EXPECT_EQ(sink->spans.size(), 1U);
    return *sink->spans.at(0);
  }
};

TEST(HttpSpan, SaysWhatWasAskedOfWhomAndHowItWent) {
  HttpWorld world;
  world.status = 400;
  const auto response =
      world.get("//v1.0/state/store/key%20one/?x=1", {{"traceparent", kParent},
                                                      {"Dapr-Team", "blue"},
                                                      {"Dapr-Api-Token", "hidden"},
                                                      {"authorization", "hidden"}});
  const auto& span = world.only();
  EXPECT_EQ(span.name, "/v1.0/state/store/key one");
  EXPECT_EQ(span.kind, SpanKind::client);
  EXPECT_EQ(span.parent_span_id, telemetry::parse_traceparent(kParent)->span_id);
  EXPECT_EQ(response.headers.value("traceparent"), telemetry::format_traceparent(span.context));
  EXPECT_TRUE(span.failed);
  EXPECT_EQ(span.status_message, "Code(400): Bad Request");
  const Attributes expected = {{"dapr-team", "blue"},
                               {"dapr.api", "GET /v1.0/state/store/key one"},
                               {"dapr.protocol", "http"},
                               {"dapr.status_code", "400"},
                               {"db.connection_string", "state"},
                               {"db.name", "store"},
                               {"db.statement", "GET /v1.0/state/store/key one"},
                               {"db.system", "state"},
                               {"http.request.method", "GET"},
                               {"server.address", "10.1.2.3"},
                               {"server.port", "4711"},
                               {"url.full", "//v1.0/state/store/key%20one/?x=1"}};
  EXPECT_EQ(attributes_of(span), expected);
}

TEST(HttpSpan, SeveralTracestatesAndBaggagesAreOneListEach) {
  HttpWorld world;
  const auto response = world.get("/v1.0/state/store/k", {{"traceparent", kParent},
                                                          {"tracestate", "a=1"},
                                                          {"baggage", "user=7"},
                                                          {"tracestate", "b=2, c=3"},
                                                          {"baggage", "shop=blue;p"}});
  EXPECT_EQ(world.only().context.state, "a=1,b=2,c=3");
  EXPECT_EQ(response.headers.joined("tracestate", "|"), "a=1,b=2,c=3");
  EXPECT_EQ(response.headers.joined("baggage", "|"), "user=7,shop=blue;p");
  std::string half;
  for (int i = 0; i < 32; ++i) half += (i == 0 ? "k" : ",k") + std::to_string(i) + "=v";
  net::Headers many = {{"baggage", half}, {"baggage", half}};
  EXPECT_EQ(world.get("/v1.0/state/store/k", many).status, 200);
  many.add("baggage", "z=" + std::string(8193 - 2 * half.size() - 4, 'v'));
  const auto refused = world.get("/v1.0/state/store/k", std::move(many));
  EXPECT_EQ(refused.status, 400) << "together they are too large: 8193 bytes";
}

TEST(HttpSpan, OfAnActorIsNamedByTheCallAndNotByThePath) {
  HttpWorld world;
  world.get("/v1.0/actors/Clock/7/method/tick");
  const auto& span = world.only();
  EXPECT_EQ(span.name, "CallActor/Clock/tick");
  EXPECT_FALSE(span.failed);
  Attributes attributes = attributes_of(span);
  EXPECT_EQ(attributes["dapr.actor"], "Clock.7");
  EXPECT_EQ(attributes["net.peer.name"], "Clock.7");
  EXPECT_EQ(attributes["rpc.service"], "ServiceInvocation");
}

TEST(HttpSpan, OfAnActorsStateNamesNoComponent) {
  HttpWorld world;
  world.get("/v1.0/actors/Clock/7/state/k");
  Attributes attributes = attributes_of(world.only());
  EXPECT_EQ(attributes["dapr.actor"], "Clock.7");
  EXPECT_EQ(attributes["db.name"], "actor");
}

TEST(HttpSpan, OfAPublicationNamesTheTopic) {
  HttpWorld world;
  world.get("/v1.0/publish/events/a/b");
  Attributes attributes = attributes_of(world.only());
  EXPECT_EQ(attributes["messaging.system"], "pubsub");
  EXPECT_EQ(attributes["messaging.destination.name"], "a/b");
}

TEST(HttpSpan, IsMadeForAPathThatNobodyServes) {
  HttpWorld world;
  world.get("/v1.0/nothing/here");
  EXPECT_EQ(world.only().name, "/v1.0/nothing/here");
  EXPECT_EQ(world.only().status_message, "Code(404): Not Found");
}

TEST(HttpSpan, IsNotMadeForHealthChecksAndUnsampledCalls) {
  HttpWorld world;
  EXPECT_FALSE(world.get("/v1.0/healthz").headers.contains("traceparent"));
  const auto response = world.get("/v1.0/state/store/key", {{"traceparent", kUnsampled}});
  EXPECT_TRUE(response.headers.value("traceparent").ends_with("-00"));
  EXPECT_THAT(world.sink->spans, IsEmpty());
}

/// A gate, and calls through it.
struct GateWorld {
  std::shared_ptr<Collector> sink = std::make_shared<Collector>();
  telemetry::RuntimeMetrics metrics{{.app_id = "me"}};
  std::shared_ptr<GrpcGateSettings> settings = std::make_shared<GrpcGateSettings>();
  GrpcGate gate{settings, metrics};
  net::grpc::Call call;

  explicit GateWorld(std::string path) {
    settings->tracer = telemetry::Tracer("1", sink);
    settings->app_id = "me";
    call.path = std::move(path);
  }
  Result<> begin() { return gate.begin(call); }
  const telemetry::FinishedSpan& end(net::grpc::Status status = {}) {
    gate.end(call, status);
    EXPECT_EQ(sink->spans.size(), 1U);
    return *sink->spans.at(0);
  }
};

TEST(GrpcSpan, SaysWhichMethodWasCalledAndWhatTheClientAdded) {
  GateWorld world("/dapr.proto.runtime.v1.Dapr/GetState");
  world.call.metadata = {{"traceparent", kParent},
                         {"dapr-team", "blue"},
                         {"dapr-data-bin", "AAE="},
                         {"dapr-api-token", "hidden"}};
  ASSERT_TRUE(world.begin());
  telemetry::note_store_call(span_of(world.call), "state", "store", world.call.path);
  const auto& span = world.end({.code = Code::invalid_argument, .message = "no such store"});
  EXPECT_EQ(span.name, "/dapr.proto.runtime.v1.Dapr/GetState");
  EXPECT_EQ(span.kind, SpanKind::client);
  EXPECT_EQ(span.context, trace_of(world.call));
  EXPECT_EQ(span.parent_span_id, telemetry::parse_traceparent(kParent)->span_id);
  EXPECT_EQ(span.status_message, "no such store");
  const Attributes expected = {
      {"dapr-team", "blue"},     {"dapr.api", "/dapr.proto.runtime.v1.Dapr/GetState"},
      {"dapr.protocol", "grpc"}, {"db.connection_string", "state"},
      {"db.name", "store"},      {"db.statement", "/dapr.proto.runtime.v1.Dapr/GetState"},
      {"db.system", "state"},    {"rpc.service", "Dapr"}};
  EXPECT_EQ(attributes_of(span), expected);
}

TEST(GrpcSpan, IsThatOfAServerForCallsFromOtherSidecars) {
  GateWorld world("/dapr.proto.internals.v1.ServiceInvocation/CallLocalStream");
  ASSERT_TRUE(world.begin());
  telemetry::note_app_call(*span_of(world.call), "me", "echo");
  const auto& span = world.end();
  EXPECT_EQ(span.kind, SpanKind::server);
  EXPECT_EQ(span.name, "CallLocal/me/echo");
  EXPECT_FALSE(span.failed);
}

TEST(GrpcSpan, OfAProxiedCallIsTheServersWhereTheApplicationIs) {
  for (const auto& [header, app, kind] :
       {std::tuple("dapr-app-id", "me", SpanKind::server),
        std::tuple("dapr-app-id", "other", SpanKind::client),
        std::tuple("dapr-callee-app-id", "me", SpanKind::server)}) {
    GateWorld world("/shop.Orders/Buy");
    world.call.metadata = {{header, app}};
    ASSERT_TRUE(world.begin());
    const auto& span = world.end();
    EXPECT_EQ(span.kind, kind) << header << app;
    const Attributes expected = {{header, app}};
    EXPECT_EQ(attributes_of(span), expected);
  }
}

TEST(GrpcSpan, IsShownToTheClientOfEveryMethodButInvocation) {
  GateWorld world("/dapr.proto.runtime.v1.Dapr/GetState");
  ASSERT_TRUE(world.begin());
  const auto bin = telemetry::encode_trace_bin(trace_of(world.call));
  EXPECT_EQ(world.call.reply_metadata.value("grpc-trace-bin"),
            std::string_view(bin.data(), bin.size()));
  GateWorld invocation("/dapr.proto.runtime.v1.Dapr/InvokeService");
  ASSERT_TRUE(invocation.begin());
  EXPECT_FALSE(invocation.call.reply_metadata.contains("grpc-trace-bin"));
}

TEST(GrpcSpan, IsNotMadeForWhatIsRefusedAtTheGateOrNotSampled) {
  GateWorld refused("/dapr.proto.runtime.v1.Dapr/GetState");
  refused.settings->api_token = "secret";
  EXPECT_FALSE(refused.begin());
  refused.gate.end(refused.call, {.code = Code::unauthenticated, .message = "no"});
  EXPECT_THAT(refused.sink->spans, IsEmpty());
  EXPECT_EQ(span_of(refused.call), nullptr);

  GateWorld unsampled("/dapr.proto.runtime.v1.Dapr/GetState");
  unsampled.call.metadata = {{"traceparent", kUnsampled}};
  ASSERT_TRUE(unsampled.begin());
  EXPECT_EQ(span_of(unsampled.call), nullptr);
  unsampled.gate.end(unsampled.call, {});
  EXPECT_THAT(unsampled.sink->spans, IsEmpty());
}

TEST(GrpcSpan, BaggageIsShownToTheClientAgainAndRefusedIfItIsNone) {
  GateWorld world("/dapr.proto.runtime.v1.Dapr/GetState");
  world.call.metadata = {{"baggage", "a=1,b=2"}};
  ASSERT_TRUE(world.begin());
  EXPECT_EQ(world.call.reply_metadata.value("baggage"), "a=1,b=2");
  GateWorld several("/dapr.proto.runtime.v1.Dapr/GetState");
  several.call.metadata = {{"traceparent", kParent},
                           {"tracestate", "a=1"},
                           {"baggage", "a=1"},
                           {"tracestate", "b=2"},
                           {"baggage", "b=2"}};
  ASSERT_TRUE(several.begin());
  EXPECT_EQ(several.call.reply_metadata.value("baggage"), "a=1,b=2");
  EXPECT_EQ(trace_of(several.call).state, "a=1,b=2");
  GateWorld bad("/dapr.proto.runtime.v1.Dapr/GetState");
  bad.call.metadata = {{"baggage", "none"}};
  EXPECT_FALSE(bad.begin());
}

}  // namespace
}  // namespace outrigger::runtime::api
