#include "runtime/invoke/grpc.h"

#include "base/base64.h"
#include "dapr/proto/common/v1/common.pb.h"
#include "dapr/proto/runtime/v1/dapr.pb.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "runtime/invoke/sidecar_testing.h"

namespace outrigger::runtime::invoke {
namespace {

using namespace testing;
using Protocol = app::ChannelOptions::Protocol;
namespace common = dapr::proto::common::v1;

constexpr std::string_view kInvokeService = "/dapr.proto.runtime.v1.Dapr/InvokeService";

/// An application that speaks gRPC: OnInvoke, and a service of its own with all kinds of calls.
class GrpcApp {
 public:
  GrpcApp() {
    service.unary("/dapr.proto.runtime.v1.AppCallback/OnInvoke",
                  [this](net::grpc::Call& call, std::string message) {
                    return on_invoke(call, std::move(message));
                  });
    service.stream("/test.Echo/Bidi", [](net::grpc::Call& call, net::grpc::ServerStream& stream) {
      return echo(call, stream);
    });
    service.stream("/test.Echo/Never",
                   [this](net::grpc::Call&, net::grpc::ServerStream&) { return never(); });
    service.unary("/test.Echo/Large",
                  [](net::grpc::Call&, std::string message) { return large(std::move(message)); });
    service.unary("/test.Echo/Fail", [](net::grpc::Call& call, std::string) {
      call.reply_metadata.add("x-head", "h");
      call.reply_trailers.add("x-tail-bin", std::string_view("\0\1", 2));
      return failing();
    });
  }
  Task<Result<std::string>> on_invoke(net::grpc::Call& call, std::string message) {
    common::InvokeRequest request;
    request.ParseFromString(message);
    common::InvokeResponse response;
    if (request.method() == "fail") co_return fail(Error(Code::not_found, "no such thing"));
    if (request.method() == "fail-rich") {
      ErrorDetails details;
      details.reason = "REASON";
      co_return fail(Error(Code::aborted, "rich").with_details(std::move(details)));
    }
    if (request.method() == "metadata") {
      std::string all;
      for (const Field field : call.metadata) {
        all.append(field.name).append(": ").append(field.value).append("\n");
      }
      response.mutable_data()->set_value(all);
    } else {
      response.mutable_data()->set_value(request.method() + "|" + request.data().value() + "|" +
                                         request.http_extension().querystring());
      response.mutable_data()->set_type_url(request.data().type_url());
    }
    response.set_content_type("text/x-app");
    call.reply_metadata.add("x-app-head", "1");
    call.reply_metadata.add("x-app-bin", std::string_view("\0\1", 2));
    call.reply_trailers.add("x-app-tail", "2");
    co_return response.SerializeAsString();
  }
  static Task<Result<>> echo(net::grpc::Call& call, net::grpc::ServerStream& stream) {
    call.reply_metadata.add("x-callee", call.value("dapr-callee-app-id"));
    call.reply_metadata.add("x-caller", call.value("dapr-caller-app-id"));
    call.reply_metadata.add("x-app-id", call.value("dapr-app-id"));
    call.reply_metadata.add("x-token", call.value("dapr-api-token"));
    call.reply_trailers.add("x-tail", "t");
    for (;;) {
      OUT_CO_TRY(auto message, co_await stream.read());
      if (!message) co_return Result<>();
      OUT_CO_CHECK(co_await stream.write("<" + *message + ">"));
    }
  }
  Task<Result<>> never() {
    ++running;
    Completion<> nothing;
    auto woken = co_await nothing.wait();
    ++ended;
    co_return woken;
  }
  /// As many bytes as the message says.
  static Task<Result<std::string>> large(std::string message) {
    co_return std::string(static_cast<std::size_t>(std::stoi(message)), 'l');
  }
  static Task<Result<std::string>> failing() {
    ErrorDetails details;
    details.reason = "WHY";
    co_return fail(Error(Code::data_loss, "lost \xc3\xa9").with_details(std::move(details)));
  }
  net::grpc::Service service;
  std::atomic<int> running = 0;
  std::atomic<int> ended = 0;
};

/// An application that speaks HTTP.
class HttpApp final : public net::RequestHandler {
 public:
  Task<net::Response> handle(net::Request request) override {
    net::Response response;
    auto body = co_await request.body.read_all(1U << 20);
    if (request.target == "/missing") response.status = 404;
    response.headers.add("Content-Type", "text/x-app");
    response.headers.add("X-Custom", "c");
    response.headers.add("X-User", request.headers.value("user-agent"));
    response.body = request.method + " " + request.target + " " +
                    std::string(request.headers.value("content-type")) + " " + body.value_or("?");
    co_return response;
  }
};

net::ServerOptions grpc_options() {
  net::ServerOptions options;
  options.grpc = true;
  return options;
}

/// An application that breaks off in the middle of its answer.
class BreakingApp final : public net::RequestHandler {
 public:
  Task<net::Response> handle(net::Request) override {
    auto pipe = std::make_shared<net::Pipe>();
    std::string frame;
    net::grpc::append_frame(frame, "first");
    pipe->push(std::move(frame));
    pipes.push_back(pipe);
    net::Response response;
    response.headers.add("content-type", "application/grpc");
    response.body = net::Body(std::move(pipe));
    co_return response;
  }
  void break_off() {
    for (const auto& pipe : pipes) pipe->abort(Error(Code::internal, "broken"));
  }
  std::vector<std::shared_ptr<net::Pipe>> pipes;
};

struct Net {
  explicit Net(std::size_t caller_bytes_max = 0, std::size_t callee_bytes_max = 0)
      : caller_max(caller_bytes_max), callee_max(callee_bytes_max) {
    world.on_loop([&] { client = std::make_unique<net::Client>(); });
    caller.resolver.addresses["grpc-app"] = grpc_callee.internal_server->address();
    caller.resolver.addresses["http-app"] = http_callee.internal_server->address();
  }
  ~Net() {
    world.run(close());
    world.on_loop([&] { client.reset(); });
    world.run(drain());
  }
  Task<bool> close() {
    co_await client->close();
    co_return true;
  }
  Task<bool> drain() {
    co_await app.service.drain();
    co_return true;
  }
  net::Endpoint endpoint(std::uint16_t port) const {
    net::Endpoint to;
    to.address = {"127.0.0.1", port};
    to.protocol = net::Endpoint::Protocol::http2;
    return to;
  }
  net::grpc::Reply unary(std::uint16_t port, std::string path, std::string message,
                         net::Headers metadata = {}) {
    return world.run(unary_task(port, std::move(path), std::move(message), std::move(metadata)));
  }
  Task<net::grpc::Reply> unary_task(std::uint16_t port, std::string path, std::string message,
                                    net::Headers metadata) {
    net::grpc::Channel channel(*client, endpoint(port));
    net::grpc::CallOptions options;
    options.metadata = std::move(metadata);
    auto reply = co_await channel.unary(std::move(path), std::move(message), std::move(options));
    co_return reply.value();
  }
  net::grpc::Reply invoke(const std::string& app, const std::string& method,
                          const std::string& data, const std::string& type_url = "",
                          bool extension = true) {
    dapr::proto::runtime::v1::InvokeServiceRequest request;
    request.set_id(app);
    request.mutable_message()->set_method(method);
    request.mutable_message()->mutable_data()->set_value(data);
    request.mutable_message()->mutable_data()->set_type_url(type_url);
    request.mutable_message()->set_content_type("text/x-caller");
    if (extension) {
      request.mutable_message()->mutable_http_extension()->set_verb(common::HTTPExtension::PUT);
      request.mutable_message()->mutable_http_extension()->set_querystring("q=1");
    }
    return unary(caller.grpc_server->port, std::string(kInvokeService), request.SerializeAsString(),
                 {{"x-custom", "v"}, {"x-raw-bin", "\x01"}});
  }

  std::size_t caller_max, callee_max;
  World world;
  GrpcApp app;
  HttpApp http_app;
  TestServer app_server{world, app.service, grpc_options()};
  TestServer http_app_server{world, http_app};
  Sidecar grpc_callee{world, "grpc-app", app_server.port, Protocol::grpc, callee_max};
  Sidecar http_callee{world, "http-app", http_app_server.port};
  Sidecar caller{world, "caller", app_server.port, Protocol::grpc, caller_max};
  std::unique_ptr<net::Client> client;
};

common::InvokeResponse parsed(const net::grpc::Reply& reply) {
  common::InvokeResponse response;
  EXPECT_TRUE(response.ParseFromString(reply.message));
  return response;
}

TEST(InvokeService, ReachesAGrpcApplicationNearAndFar) {
  Net net;
  for (const std::string app : {"grpc-app", "caller"}) {
    const auto reply = net.invoke(app, "a/../m", "data", "type.test/T");
    ASSERT_TRUE(reply.status.ok()) << reply.status.message;
    EXPECT_EQ(parsed(reply).data().value(), "m|data|q=1");
    EXPECT_EQ(parsed(reply).data().type_url(), "type.test/T");
    EXPECT_EQ(parsed(reply).content_type(), "text/x-app");
    EXPECT_EQ(reply.headers.value("x-app-head"), "1");
    EXPECT_EQ(base64_decode_any(reply.headers.value("x-app-bin")), std::string("\0\1", 2));
    EXPECT_EQ(reply.trailers.value("x-app-tail"), "2");
    EXPECT_FALSE(reply.headers.contains("dapr-http-status"));
  }
}

TEST(InvokeService, ShowsTheApplicationTheCallersMetadata) {
  Net net;
  const std::string seen = parsed(net.invoke("grpc-app", "metadata", "")).data().value();
  EXPECT_NE(seen.find("x-custom: v\n"), std::string::npos) << seen;
  EXPECT_NE(seen.find("x-raw-bin: AQ\n"), std::string::npos);
  EXPECT_NE(seen.find("dapr-caller-app-id: caller\n"), std::string::npos);
  EXPECT_NE(seen.find("x-forwarded-host: test-host\n"), std::string::npos);
  EXPECT_EQ(seen.find("destination-app-id"), std::string::npos);
}

TEST(InvokeService, RefusesARequestWithoutItsMessage) {
  Net net;
  dapr::proto::runtime::v1::InvokeServiceRequest request;
  request.set_id("caller");
  const auto reply = net.unary(net.caller.grpc_server->port, std::string(kInvokeService),
                               request.SerializeAsString(), {});
  EXPECT_EQ(reply.status.code, Code::internal);
  EXPECT_EQ(reply.status.message, "failed to invoke, id: caller, err: message is nil");
}

TEST(InvokeService, ReachesAnHttpApplication) {
  Net net;
  auto reply = net.invoke("http-app", "path", "data");
  ASSERT_TRUE(reply.status.ok()) << reply.status.message;
  EXPECT_EQ(parsed(reply).data().value(), "PUT /path?q=1 text/x-caller data");
  EXPECT_EQ(reply.headers.value("dapr-http-status"), "200");
  EXPECT_EQ(reply.headers.value("dapr-content-type"), "text/x-app");
  EXPECT_EQ(reply.headers.value("x-custom"), "c");
  reply = net.invoke("http-app", "path", "data", "type.test/T");
  EXPECT_EQ(parsed(reply).data().value(), "PUT /path?q=1 application/x-protobuf data");
}

TEST(InvokeService, GivesAnHttpErrorAsAStatusWithDetails) {
  Net net;
  dapr::proto::runtime::v1::InvokeServiceRequest request;
  request.set_id("http-app");
  request.mutable_message()->set_method("missing");
  request.mutable_message()->mutable_http_extension()->set_verb(common::HTTPExtension::GET);
  const auto reply = net.unary(net.caller.grpc_server->port, std::string(kInvokeService),
                               request.SerializeAsString());
  EXPECT_EQ(reply.status.code, Code::not_found);
  EXPECT_EQ(reply.status.message, "Not Found");
  EXPECT_EQ(reply.headers.value("dapr-http-status"), "404");
  google::rpc::Status status;
  ASSERT_TRUE(status.ParseFromString(reply.status.details_bin));
  google::rpc::ErrorInfo info;
  ASSERT_TRUE(status.details_size() == 1 && status.details(0).UnpackTo(&info));
  EXPECT_EQ(info.reason(), "Not Found");
  EXPECT_EQ(info.domain(), "dapr.io");
  EXPECT_EQ(info.metadata().at("http.code"), "404");
  EXPECT_EQ(info.metadata().at("http.error_message"), "GET /missing  ");
}

TEST(InvokeService, GivesTheErrorOfAGrpcApplicationAsItIs) {
  Net net;
  auto reply = net.invoke("grpc-app", "fail", "");
  EXPECT_EQ(reply.status.code, Code::not_found);
  EXPECT_EQ(reply.status.message, "no such thing");
  reply = net.invoke("grpc-app", "fail-rich", "");
  EXPECT_EQ(reply.status.code, Code::aborted);
  google::rpc::Status status;
  ASSERT_TRUE(status.ParseFromString(reply.status.details_bin));
  ASSERT_EQ(status.details_size(), 1);
}

TEST(InvokeService, SaysWhyACallFailed) {
  Net net;
  auto reply = net.invoke("http-app", "path", "", "", false);
  EXPECT_EQ(reply.status.code, Code::internal);
  EXPECT_EQ(reply.status.message,
            "failed to invoke, id: http-app, err: rpc error: code = Internal desc = error invoking "
            "app channel: rpc error: code = InvalidArgument desc = missing HTTP extension field");
  reply = net.invoke("nobody", "path", "");
  EXPECT_EQ(reply.status.message, "failed to invoke, id: nobody, err: no address of nobody");
  reply = net.invoke("grpc-app", "a#b", "");
  EXPECT_EQ(reply.status.code, Code::internal);
  EXPECT_NE(reply.status.message.find("code = InvalidArgument desc = invalid method"),
            std::string::npos);
  reply = net.unary(net.caller.grpc_server->port, std::string(kInvokeService), "\xff\xff");
  EXPECT_EQ(reply.status.code, Code::internal);
}

TEST(HttpApi, InvokesAGrpcApplication) {
  Net net;
  TestClient http(net.world);
  const auto port = net.caller.http_server->port;
  auto answer = http.send(port, "POST", "/v1.0/invoke/grpc-app/method/m?x=y", "data");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "m|data|x=y");
  EXPECT_EQ(answer.headers.joined("content-type"), "text/x-app");
  EXPECT_EQ(answer.headers.value("x-app-head"), "1");
  EXPECT_FALSE(answer.headers.contains("x-app-bin"));
  answer = http.send(port, "POST", "/v1.0/invoke/grpc-app/method/fail", "data");
  EXPECT_EQ(answer.status, 404);
  EXPECT_EQ(answer.body, R"({"code":5,"message":"no such thing"})");
  EXPECT_EQ(answer.headers.value("content-type"), "text/plain; charset=utf-8");
  answer = http.send(port, "POST", "/v1.0/invoke/caller/method/fail-rich", "data");
  EXPECT_EQ(answer.status, 409);
  EXPECT_NE(answer.body.find(R"("@type":"type.googleapis.com/google.rpc.ErrorInfo")"),
            std::string::npos)
      << answer.body;
  answer = http.send(port, "GET", "/v1.0/invoke/grpc-app/method/metadata", {},
                     {{"Accept", "a/b"}, {"X-A", "1"}, {"If-Match", "e"}});
  EXPECT_NE(answer.body.find("dapr-accept: a/b\n"), std::string::npos) << answer.body;
  EXPECT_NE(answer.body.find("dapr-if-match: e\n"), std::string::npos);
  EXPECT_NE(answer.body.find("x-a: 1\n"), std::string::npos);
}

struct Conversation {
  std::vector<std::string> heard;
  net::grpc::Status status;
  net::Headers headers, trailers;
};

Task<Conversation> converse(Net* net, std::uint16_t port, std::string path, net::Headers metadata,
                            std::vector<std::string> said) {
  net::grpc::Channel channel(*net->client, net->endpoint(port));
  net::grpc::CallOptions options;
  options.metadata = std::move(metadata);
  auto stream = channel.stream(std::move(path), std::move(options));
  Conversation result;
  for (std::string& message : said) {
    // Ping-pong: each answer before the next question.
    auto written = co_await stream->write(std::move(message));
    if (!written) break;
    auto read = co_await stream->read();
    if (!read || !*read) break;
    result.heard.push_back(**read);
  }
  stream->finish_writing();
  auto end = co_await stream->read();
  if (!end) result.status = net::grpc::to_status(end.error());
  auto headers = co_await stream->headers();
  if (headers) result.headers = *std::move(headers);
  result.trailers = stream->trailers();
  stream.reset();
  co_await channel.drain();
  co_return result;
}

TEST(Proxy, PassesAConversationThroughToFarAndOwnApplications) {
  Net net;
  const std::string large(300'000, 'l');
  for (const std::string app : {"grpc-app", "caller"}) {
    const auto talk = net.world.run(converse(&net, net.caller.grpc_server->port, "/test.Echo/Bidi",
                                             {{"dapr-app-id", app}, {"dapr-stream", "true"}},
                                             {"one", "", large}));
    EXPECT_TRUE(talk.status.ok()) << talk.status.message;
    EXPECT_EQ(talk.heard, (std::vector<std::string>{"<one>", "<>", "<" + large + ">"}));
    EXPECT_EQ(talk.headers.value("x-app-id"), "");
    EXPECT_EQ(talk.headers.value("x-callee"), app == "caller" ? "" : app);
    EXPECT_EQ(talk.headers.value("x-caller"), app == "caller" ? "" : "caller");
    EXPECT_EQ(talk.trailers.value("x-tail"), "t");
  }
}

Task<Conversation> hesitate(Net* net, net::Headers metadata) {
  net::grpc::Channel channel(*net->client, net->endpoint(net->caller.grpc_server->port));
  net::grpc::CallOptions options;
  options.metadata = std::move(metadata);
  auto stream = channel.stream("/test.Echo/Bidi", std::move(options));
  (void)co_await sleep_for(150ms);
  Conversation result;
  (void)co_await stream->write("late");
  auto read = co_await stream->read();
  if (read && *read) result.heard.push_back(**read);
  if (!read) result.status = net::grpc::to_status(read.error());
  stream->cancel();
  stream.reset();
  co_await channel.drain();
  co_return result;
}

TEST(Proxy, DoesNotEndAConversationThatBeginsLaterThanACallMayTake) {
  Net net;
  resources::Resiliency document;
  document.timeouts["DefaultAppTimeoutPolicy"] = 50ms;
  document.retries["DefaultAppRetryPolicy"] = {.duration = 1ms, .max_retries = 2};
  net.world.on_loop([&] { net.caller.policies = resiliency::Policies({document}); });
  const auto talk =
      net.world.run(hesitate(&net, {{"dapr-app-id", "grpc-app"}, {"dapr-stream", "true"}}));
  EXPECT_TRUE(talk.status.ok()) << talk.status.message;
  EXPECT_EQ(talk.heard, std::vector<std::string>{"<late>"});
}

TEST(Proxy, KeepsStatusDetailsAndTrailers) {
  Net net;
  for (const std::string app : {"grpc-app", "caller"}) {
    const auto reply =
        net.unary(net.caller.grpc_server->port, "/test.Echo/Fail", "", {{"dapr-app-id", app}});
    EXPECT_EQ(reply.status.code, Code::data_loss);
    EXPECT_EQ(reply.status.message, "lost \xc3\xa9");
    google::rpc::Status status;
    ASSERT_TRUE(status.ParseFromString(reply.status.details_bin));
    EXPECT_EQ(status.details_size(), 1);
    EXPECT_EQ(reply.headers.value("x-head"), "h");
  }
}

TEST(Proxy, CountsCallsToFarAndOwnApplications) {
  Net net;
  for (const std::string app : {"grpc-app", "caller"}) {
    net.unary(net.caller.grpc_server->port, "/test.Echo/Fail", "", {{"dapr-app-id", app}});
    const std::string text = net.caller.metrics.render();
    const std::string name = "dapr_runtime_service_invocation_req_sent_total{";
    const std::string labels = R"(app_id="caller",dst_app_id=")" + app + R"(",type="unary"} 1)";
    EXPECT_NE(text.find(name + labels), std::string::npos) << text;
  }
}

TEST(Proxy, CancelsTheFarCallWhenTheClientLeaves) {
  Net net;
  const auto leave = [](Net* net) -> Task<bool> {
    net::grpc::Channel channel(*net->client, net->endpoint(net->caller.grpc_server->port));
    net::grpc::CallOptions options;
    options.metadata.add("dapr-app-id", "grpc-app");
    auto stream = channel.stream("/test.Echo/Never", std::move(options));
    (void)co_await stream->write("hello");
    while (net->app.running == 0) (void)co_await sleep_for(1ms);
    stream->cancel();
    stream.reset();
    co_await channel.drain();
    while (net->app.ended == 0) (void)co_await sleep_for(1ms);
    co_return true;
  };
  EXPECT_TRUE(net.world.run(leave(&net)));
}

struct Limits {
  std::size_t caller, callee;
};
constexpr Limits kEitherSidecar[] = {{1000, 0}, {0, 1000}};

TEST(Proxy, RefusesARequestAboveTheLimitOfEitherSidecar) {
  for (const auto& [caller, callee] : kEitherSidecar) {
    Net net(caller, callee);
    const auto port = net.caller.grpc_server->port;
    const net::Headers to = {{"dapr-app-id", "grpc-app"}};
    EXPECT_EQ(net.unary(port, "/test.Echo/Large", "0000", to).status.code, Code::ok);
    // One that comes with its head, and one that comes in pieces.
    for (const std::size_t bytes : {1001U, 600'000U}) {
      const auto reply = net.unary(port, "/test.Echo/Large", std::string(bytes, '0'), to);
      EXPECT_EQ(reply.status.code, Code::resource_exhausted);
      EXPECT_EQ(reply.status.message,
                "grpc: received message larger than max (" + std::to_string(bytes) + " vs. 1000)");
    }
  }
}

TEST(Proxy, RefusesAReplyAboveTheLimitOfEitherSidecar) {
  for (const auto& [caller, callee] : kEitherSidecar) {
    Net net(caller, callee);
    const auto port = net.caller.grpc_server->port;
    for (const std::string bytes : {"1001", "600000"}) {
      const auto reply = net.unary(port, "/test.Echo/Large", bytes, {{"dapr-app-id", "grpc-app"}});
      EXPECT_EQ(reply.status.code, Code::resource_exhausted);
      EXPECT_EQ(reply.status.message,
                "grpc: received message larger than max (" + bytes + " vs. 1000)");
    }
  }
}

TEST(Proxy, AMessageAboveTheLimitEndsAConversationWithAStatus) {
  for (const auto& [caller, callee] : kEitherSidecar) {
    Net net(caller, callee);
    for (const std::size_t bytes : {1001U, 600'000U}) {
      const auto talk = net.world.run(converse(&net, net.caller.grpc_server->port,
                                               "/test.Echo/Bidi", {{"dapr-app-id", "grpc-app"}},
                                               {"one", std::string(bytes, 'x'), "three"}));
      EXPECT_EQ(talk.heard, (std::vector<std::string>{"<one>"}));
      EXPECT_EQ(talk.status.code, Code::resource_exhausted);
      EXPECT_EQ(talk.status.message,
                "grpc: received message larger than max (" + std::to_string(bytes) + " vs. 1000)");
    }
  }
}

TEST(Proxy, TellsAStatusWhenTheApplicationBreaksOff) {
  Net net;
  BreakingApp app;
  TestServer server(net.world, app, grpc_options());
  Sidecar callee(net.world, "breaking", server.port, Protocol::grpc);
  net.caller.resolver.addresses["breaking"] = callee.internal_server->address();
  const auto talk = [](Net* net, BreakingApp* app) -> Task<Conversation> {
    net::grpc::Channel channel(*net->client, net->endpoint(net->caller.grpc_server->port));
    net::grpc::CallOptions options;
    options.metadata.add("dapr-app-id", "breaking");
    auto stream = channel.stream("/test.Echo/Any", std::move(options));
    Conversation result;
    auto first = co_await stream->read();
    if (first && *first) result.heard.push_back(**first);
    app->break_off();
    auto end = co_await stream->read();
    if (!end) result.status = net::grpc::to_status(end.error());
    result.trailers = stream->trailers();
    stream.reset();
    co_await channel.drain();
    co_return result;
  };
  const auto heard = net.world.run(talk(&net, &app));
  EXPECT_EQ(heard.heard, (std::vector<std::string>{"first"}));
  EXPECT_EQ(heard.status.code, Code::internal);
  EXPECT_EQ(heard.status.message,
            "stream terminated by RST_STREAM with error code: INTERNAL_ERROR");
  EXPECT_EQ(heard.trailers.value("grpc-status"), "13");
}

TEST(Proxy, SaysWhyACallCannotBePassedOn) {
  Net net;
  const auto port = net.caller.grpc_server->port;
  auto reply = net.unary(port, "/test.Echo/Unary", "x");
  EXPECT_EQ(reply.status.code, Code::unknown);
  EXPECT_EQ(reply.status.message,
            "cannot proxy request: missing dapr-callee-app-id or dapr-app-id metadata");
  reply = net.unary(port, "/test.Echo/Unary", "x", {{"dapr-app-id", "a.b.c"}});
  EXPECT_EQ(reply.status.message, "invalid app id a.b.c");
  reply = net.unary(port, "/test.Echo/Unary", "x", {{"dapr-app-id", "nobody"}});
  EXPECT_EQ(reply.status.code, Code::unknown);
  EXPECT_EQ(reply.status.message, "no address of nobody");
  reply = net.unary(port, "/test.Echo/Unary", "x", {{"dapr-app-id", "grpc-app"}});
  EXPECT_EQ(reply.status.code, Code::unimplemented);
  reply = net.unary(port, "/test.Echo/Unary", "x", {{"dapr-app-id", "http-app"}});
  EXPECT_EQ(reply.status.code, Code::unavailable);
  net.grpc_callee.internal_server->stop();
  reply = net.unary(port, "/test.Echo/Fail", "x", {{"dapr-app-id", "grpc-app"}});
  EXPECT_EQ(reply.status.code, Code::unavailable);
  EXPECT_EQ(net.caller.resolver.evicted, 2);
}

TEST(Proxy, AsksAccessControlForTheOwnApplication) {
  Net net;
  net.world.on_loop([&] {
    net.grpc_callee.service->set_access([](const AccessQuestion& question) -> Result<> {
      EXPECT_TRUE(question.proxied);
      return fail(Code::permission_denied, "no " + std::string(question.operation));
    });
  });
  const auto reply = net.unary(net.caller.grpc_server->port, "/test.Echo/Fail", "x",
                               {{"dapr-app-id", "grpc-app"}});
  EXPECT_EQ(reply.status.code, Code::permission_denied);
  EXPECT_EQ(reply.status.message, "no /test.Echo/Fail");
}

}  // namespace
}  // namespace outrigger::runtime::invoke
