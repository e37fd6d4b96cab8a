#include "runtime/invoke/internal.h"

#include "dapr/proto/internals/v1/service_invocation.pb.h"
#include "runtime/invoke/sidecar_testing.h"

/// The talk between sidecars, where the other one is of another kind, or hostile.
namespace outrigger::runtime::invoke {
namespace {

using namespace testing;
namespace pb = dapr::proto::internals::v1;

class App final : public net::RequestHandler {
 public:
  Task<net::Response> handle(net::Request request) override {
    net::Response response;
    auto body = co_await request.body.read_all(1U << 20);
    if (!body) ++broken;
    response.headers.add("Content-Type", "text/x-app");
    response.headers.add("X-Target", request.target);
    response.body = request.method + " " + body.value_or("(broken)");
    co_return response;
  }
  std::atomic<int> broken = 0;
};

net::ServerOptions grpc_options() {
  net::ServerOptions options;
  options.grpc = true;
  return options;
}

struct Net {
  Net() {
    world.on_loop([&] { client = std::make_unique<net::Client>(); });
  }
  ~Net() {
    world.run(close());
    world.on_loop([&] { client.reset(); });
  }
  Task<bool> close() {
    co_await client->close();
    co_return true;
  }
  World world;
  App app;
  TestServer app_server{world, app};
  Sidecar sidecar{world, "me", app_server.port};
  TestClient http{world};
  std::unique_ptr<net::Client> client;
};

pb::InternalInvokeRequestStream first_chunk(std::string_view method = "m") {
  pb::InternalInvokeRequestStream chunk;
  auto& request = *chunk.mutable_request();
  request.set_ver(pb::APIVersion::V1);
  (*request.mutable_metadata())["dapr-caller-app-id"].add_values("other");
  request.mutable_message()->set_method(std::string(method));
  request.mutable_message()->mutable_http_extension()->set_verb(
      dapr::proto::common::v1::HTTPExtension::POST);
  return chunk;
}

pb::InternalInvokeRequestStream payload_chunk(std::uint64_t seq, std::string_view data) {
  pb::InternalInvokeRequestStream chunk;
  chunk.mutable_payload()->set_seq(seq);
  chunk.mutable_payload()->set_data(std::string(data));
  return chunk;
}

struct Outcome {
  net::grpc::Status status;
  pb::InternalInvokeResponse response;
  std::string body;
};

Task<Outcome> call_stream(Net* net, std::vector<std::string> messages) {
  net::Endpoint to;
  to.address = {"127.0.0.1", net->sidecar.internal_server->port};
  to.protocol = net::Endpoint::Protocol::http2;
  net::grpc::Channel channel(*net->client, to);
  auto stream = channel.stream(std::string(kCallLocalStream), {});
  Outcome outcome;
  for (std::string& message : messages) {
    if (!co_await stream->write(std::move(message))) break;
    // So that each comes by itself.
    (void)co_await sleep_for(1ms);
  }
  stream->finish_writing();
  for (;;) {
    auto read = co_await stream->read();
    if (!read) outcome.status = net::grpc::to_status(read.error());
    if (!read || !*read) break;
    pb::InternalInvokeResponseStream chunk;
    EXPECT_TRUE(chunk.ParseFromString(**read));
    if (chunk.has_response()) outcome.response = chunk.response();
    outcome.body += chunk.payload().data();
  }
  stream.reset();
  co_await channel.drain();
  co_return outcome;
}

std::vector<std::string> bytes_of(const std::vector<pb::InternalInvokeRequestStream>& chunks) {
  std::vector<std::string> all;
  for (const auto& chunk : chunks) all.push_back(chunk.SerializeAsString());
  return all;
}

TEST(CallLocalStream, TakesChunksOfAnySize) {
  Net net;
  auto first = first_chunk("a/b");
  first.mutable_payload()->set_data("one ");
  const auto chunks =
      bytes_of({first, payload_chunk(1, "two "), payload_chunk(2, ""), payload_chunk(3, "three")});
  const auto outcome = net.world.run(call_stream(&net, chunks));
  EXPECT_TRUE(outcome.status.ok()) << outcome.status.message;
  EXPECT_EQ(outcome.body, "POST one two three");
  EXPECT_EQ(outcome.response.status().code(), 200);
  EXPECT_EQ(outcome.response.message().content_type(), "text/x-app");
  EXPECT_EQ(outcome.response.headers().at("X-Target").values(0), "/a/b");
}

TEST(CallLocalStream, RefusesAFirstChunkWithoutItsFields) {
  Net net;
  auto no_message = first_chunk();
  no_message.mutable_request()->clear_message();
  auto no_metadata = first_chunk();
  no_metadata.mutable_request()->clear_metadata();
  for (const auto& chunk : {no_message, no_metadata, payload_chunk(0, "x")}) {
    const auto outcome = net.world.run(call_stream(&net, bytes_of({chunk})));
    EXPECT_EQ(outcome.status.code, Code::invalid_argument);
    EXPECT_EQ(outcome.status.message,
              "parsing InternalInvokeRequest error: request does not contain the required fields "
              "in the leading chunk");
  }
  EXPECT_FALSE(net.world.run(call_stream(&net, {"\xff\xff"})).status.ok());
  EXPECT_FALSE(net.world.run(call_stream(&net, {})).status.ok());
}

TEST(CallLocalStream, BreaksOffWhereTheChunksAreOutOfOrder) {
  Net net;
  const std::vector<std::vector<pb::InternalInvokeRequestStream>> bad = {
      {first_chunk(), payload_chunk(1, "x")},
      {first_chunk(), payload_chunk(0, "x"), payload_chunk(0, "y")},
      {first_chunk(), payload_chunk(0, "x"), first_chunk()},
  };
  for (const auto& chunks : bad) {
    const auto outcome = net.world.run(call_stream(&net, bytes_of(chunks)));
    EXPECT_FALSE(outcome.status.ok());
  }
}

TEST(CallLocalStream, RefusesMethodsAndLengthsThatCannotBe) {
  Net net;
  auto outcome = net.world.run(call_stream(&net, bytes_of({first_chunk("a#b")})));
  EXPECT_EQ(outcome.status.code, Code::invalid_argument);
  EXPECT_EQ(outcome.status.message, "invalid method: method contains forbidden character: \"a#b\"");
  auto chunk = first_chunk();
  (*chunk.mutable_request()->mutable_metadata())["Content-Length"].add_values("many");
  outcome = net.world.run(call_stream(&net, bytes_of({chunk})));
  EXPECT_EQ(outcome.status.code, Code::internal);
  chunk = first_chunk();
  (*chunk.mutable_request()->mutable_metadata())["X-Evil"].add_values("a\r\nInjected: yes");
  outcome = net.world.run(call_stream(&net, bytes_of({chunk})));
  EXPECT_FALSE(outcome.status.ok());
  chunk = first_chunk();
  chunk.mutable_request()->mutable_message()->mutable_http_extension()->set_querystring(
      "a HTTP/1.1\r\nInjected: yes");
  outcome = net.world.run(call_stream(&net, bytes_of({chunk})));
  EXPECT_FALSE(outcome.status.ok());
}

TEST(CallLocal, AnswersInOneMessage) {
  Net net;
  pb::InternalInvokeRequest request = first_chunk("x/../y").request();
  request.mutable_message()->mutable_data()->set_value("data");
  const auto call = [](Net* net, std::string message) -> Task<net::grpc::Reply> {
    net::Endpoint to;
    to.address = {"127.0.0.1", net->sidecar.internal_server->port};
    to.protocol = net::Endpoint::Protocol::http2;
    net::grpc::Channel channel(*net->client, to);
    auto reply = co_await channel.unary(std::string(kCallLocal), std::move(message), {});
    co_return reply.value();
  };
  const auto reply = net.world.run(call(&net, request.SerializeAsString()));
  ASSERT_TRUE(reply.status.ok()) << reply.status.message;
  pb::InternalInvokeResponse response;
  ASSERT_TRUE(response.ParseFromString(reply.message));
  EXPECT_EQ(response.message().data().value(), "POST data");
  EXPECT_EQ(response.headers().at("X-Target").values(0), "/y");
  EXPECT_EQ(net.world.run(call(&net, "")).status.message,
            "parsing InternalInvokeRequest error: field Message is nil");
  EXPECT_FALSE(net.world.run(call(&net, "\xff")).status.ok());
}

/// A sidecar of another make: it answers CallLocalStream with given messages.
class Stranger {
 public:
  explicit Stranger(World& world) : server(world, service, grpc_options()) {}
  /// For the calls that come now; earlier ones may still be being answered, on the server's loop.
  void answer(std::vector<std::string> messages, Result<> end = {}) {
    auto next = std::make_shared<Script>();
    next->messages = std::move(messages);
    next->end = std::move(end);
    const std::lock_guard lock(mutex);
    if (!script) {
      service.stream(
          std::string(kCallLocalStream),
          [this](net::grpc::Call&, net::grpc::ServerStream& stream) { return play(stream); });
    }
    script = std::move(next);
  }

 private:
  struct Script {
    std::vector<std::string> messages;
    Result<> end;
  };
  std::shared_ptr<const Script> current() {
    const std::lock_guard lock(mutex);
    return script;
  }
  Task<Result<>> play(net::grpc::ServerStream& stream) {
    const auto now = current();
    auto request = co_await stream.read();
    for (const std::string& message : now->messages) {
      OUT_CO_CHECK(co_await stream.write(message));
      (void)co_await sleep_for(1ms);
    }
    co_return now->end;
  }
  std::mutex mutex;
  std::shared_ptr<const Script> script;

 public:
  net::grpc::Service service;
  TestServer server;
};

pb::InternalInvokeResponseStream first_reply(int status) {
  pb::InternalInvokeResponseStream chunk;
  chunk.mutable_response()->mutable_status()->set_code(status);
  chunk.mutable_response()->mutable_message()->set_content_type("text/other");
  return chunk;
}

pb::InternalInvokeResponseStream reply_payload(std::uint64_t seq, std::string_view data) {
  pb::InternalInvokeResponseStream chunk;
  chunk.mutable_payload()->set_seq(seq);
  chunk.mutable_payload()->set_data(std::string(data));
  return chunk;
}

struct StrangerNet : Net {
  StrangerNet() { sidecar.resolver.addresses["other"] = stranger.server.address(); }
  ~StrangerNet() {
    stranger.server.stop();
    world.run(drain());
  }
  Task<bool> drain() {
    co_await stranger.service.drain();
    co_return true;
  }
  TestClient::Answer invoke(std::string method = "POST", net::Body body = "data") {
    return http.send(sidecar.http_server->port, std::move(method), "/v1.0/invoke/other/method/m",
                     std::move(body));
  }
  Stranger stranger{world};
};

TEST(Caller, TakesRepliesInManyChunks) {
  StrangerNet net;
  net.stranger.answer(
      {first_reply(201).SerializeAsString(), reply_payload(0, "a").SerializeAsString(),
       reply_payload(1, "").SerializeAsString(), reply_payload(2, "b").SerializeAsString()});
  const auto answer = net.invoke();
  EXPECT_EQ(answer.status, 201);
  EXPECT_EQ(answer.body, "ab");
  EXPECT_EQ(answer.headers.value("content-type"), "text/other");
}

TEST(Caller, TakesTheEventsOfUpstreamsSidecars) {
  StrangerNet net;
  auto first = first_reply(0);
  first.mutable_payload()->set_data("event 1");
  auto second = reply_payload(1, "event 2");
  second.mutable_response();
  net.stranger.answer({first.SerializeAsString(), second.SerializeAsString()});
  const auto answer = net.invoke();
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "event 1event 2");
}

TEST(Caller, RefusesRepliesThatAreNone) {
  StrangerNet net;
  const std::vector<std::vector<std::string>> bad = {
      {},
      {"\xff\xff"},
      {""},
      {reply_payload(0, "x").SerializeAsString()},
  };
  for (const auto& messages : bad) {
    net.stranger.answer(messages);
    const auto answer = net.invoke();
    EXPECT_EQ(answer.status, 500);
    EXPECT_NE(answer.body.find("ERR_DIRECT_INVOKE"), std::string::npos) << answer.body;
  }
}

TEST(Caller, BreaksTheAnswerOffWhereTheChunksAreWrong) {
  StrangerNet net;
  const auto first = first_reply(200).SerializeAsString();
  const std::vector<std::vector<std::string>> bad = {
      {first, reply_payload(1, "x").SerializeAsString()},
      {first, reply_payload(0, "x").SerializeAsString(), first},
      {first, reply_payload(0, "x").SerializeAsString(), "\xff"},
  };
  for (const auto& messages : bad) {
    net.stranger.answer(messages);
    const auto answer = net.invoke();
    EXPECT_TRUE(answer.status == 500 || answer.body.starts_with("(broken)")) << answer.body;
  }
  net.stranger.answer({first, reply_payload(0, "x").SerializeAsString()},
                      fail(Code::internal, "the other sidecar fell over"));
  const auto answer = net.invoke();
  EXPECT_TRUE(answer.status == 500 || answer.body.starts_with("(broken)")) << answer.body;
}

TEST(Caller, GivesTheErrorOfACallThatWasNotAnswered) {
  StrangerNet net;
  net.stranger.answer({}, fail(Code::permission_denied, "not you"));
  auto answer = net.invoke();
  EXPECT_EQ(answer.status, 403);
  EXPECT_NE(answer.body.find("err: rpc error: code = PermissionDenied desc = not you"),
            std::string::npos);
}

TEST(Caller, FallsBackToUnaryCallsWhereOnlyTheseAreKnown) {
  StrangerNet net;
  pb::InternalInvokeRequest seen;
  net.stranger.service.unary(
      std::string(kCallLocal), [&seen](net::grpc::Call&, std::string message) {
        const auto answer = [](pb::InternalInvokeRequest* seen,
                               std::string message) -> Task<Result<std::string>> {
          seen->ParseFromString(message);
          auto reply = first_reply(202).response();
          reply.mutable_message()->mutable_data()->set_value("unary");
          co_return reply.SerializeAsString();
        };
        return answer(&seen, std::move(message));
      });
  auto answer = net.invoke("PUT", "body");
  EXPECT_EQ(answer.status, 202);
  EXPECT_EQ(answer.body, "unary");
  EXPECT_EQ(seen.message().data().value(), "body");
  EXPECT_EQ(seen.message().method(), "m");
  EXPECT_EQ(seen.metadata().at("dapr-caller-app-id").values(0), "me");

  auto pipe = std::make_shared<net::Pipe>();
  pipe->push(std::string(300'000, 'x'));
  pipe->finish();
  answer = net.invoke("PUT", net::Body(pipe));
  EXPECT_EQ(answer.status, 500);
  EXPECT_NE(answer.body.find("target app 'other' is running a version of Dapr that does not "
                             "support streaming-based service invocation"),
            std::string::npos)
      << answer.body;
}

}  // namespace
}  // namespace outrigger::runtime::invoke
