#include "net/grpc/server.h"

#include "net/grpc/channel.h"
#include "net/http/client.h"

namespace outrigger::net::grpc {
namespace {

using namespace std::chrono_literals;

Task<Result<std::string>> echo(Call& call, std::string message) {
  call.reply_metadata.add("x-seen", call.value("x-sent"));
  call.reply_trailers.add("x-end", "yes");
  co_return "echo " + message;
}
Task<Result<std::string>> refuse(Call&, std::string) {
  ErrorDetails details;
  details.reason = "WHY";
  co_return fail(Error(Code::aborted, "no, because of 100 %").with_details(std::move(details)));
}
Task<Result<std::string>> hang(Call&, std::string) {
  Completion<std::string> never;
  auto result = co_await never.wait();
  co_return result;
}
Task<Result<>> chat(Call&, ServerStream& stream) {
  for (;;) {
    auto message = co_await stream.read();
    if (!message) co_return std::unexpected(std::move(message).error());
    if (!*message) co_return Result<>();
    if (**message == "fail") co_return fail(Code::data_loss, "as you wish");
    auto written = co_await stream.write("re: " + **message);
    if (!written) co_return written;
  }
}

Task<Result<std::string>> compress(Call& call, std::string message) {
  call.gzip_replies = message != "no";
  call.compress_next = message != "announce only";
  co_return std::string(call.received_compressed ? "compressed" : "plain");
}
Task<Result<>> compress_each(Call& call, ServerStream& stream) {
  call.gzip_replies = true;
  for (;;) {
    OUT_CO_TRY(const auto message, co_await stream.read());
    if (!message) co_return Result<>();
    call.compress_next = call.received_compressed;
    OUT_CO_CHECK(co_await stream.write(*message));
  }
}
Task<Result<std::string>> big(Call&, std::string) { co_return std::string(2000, 'b'); }

Task<Result<>> stall(Call&, ServerStream& stream) {
  stream.send_headers();
  Completion<> never;
  auto result = co_await never.wait();
  co_return result;
}

/// A server that knows no deadlines, and never ends a call: some it does not even begin to answer.
class Endless final : public RequestHandler {
 public:
  Task<Response> handle(Request request) override {
    Response response;
    if (request.target != "/t.T/Head") {
      Completion<> never;
      [[maybe_unused]] const auto cancelled = co_await never.wait();
      co_return response;
    }
    response.headers.add("content-type", "application/grpc");
    response.body = Body(std::make_shared<Pipe>());
    co_return response;
  }
};

struct Fixture {
  explicit Fixture(RequestHandler* other = nullptr) {
    for (auto& service : services) {
      service.unary("/t.T/Echo", echo);
      service.unary("/t.T/Refuse", refuse);
      service.unary("/t.T/Hang", hang);
      service.unary("/t.T/Compress", compress);
      service.unary("/t.T/Big", big);
      service.stream("/t.T/Chat", chat);
      service.stream("/t.T/CompressEach", compress_each);
      service.stream("/t.T/Stall", stall);
    }
    ServerOptions options;
    options.grpc = true;
    std::vector<RequestHandler*> handlers = {&services[0], &services[1]};
    if (other != nullptr) handlers = {other, other};
    server = std::make_unique<Server>(loops, std::move(handlers), options);
    loops.start();
    auto listener = Listener::bind("127.0.0.1", 0).value();
    endpoint.address = {"127.0.0.1", listener->port()};
    endpoint.protocol = Endpoint::Protocol::http2;
    server->listen(std::move(listener));
  }
  ~Fixture() {
    std::atomic<bool> done = false;
    loops[0].post([&] { stopper.spawn(stop(&done)); });
    while (!done) std::this_thread::yield();
    loops.stop_and_join();
  }
  Task<void> stop(std::atomic<bool>* done) {
    co_await server->stop(100ms);
    *done = true;
  }
  Loops loops{2};
  Scope stopper;
  std::array<Service, 2> services;
  std::unique_ptr<Server> server;
  Endpoint endpoint;
};

template <class F>
void with_channel(F use, RequestHandler* other = nullptr) {
  Fixture fixture(other);
  auto scenario = [](Endpoint to, F inner) -> Task<void> {
    Client client;
    {
      Channel channel(client, to);
      co_await inner(channel);
      co_await channel.drain();
    }
    co_await client.close();
  };
  run(scenario(fixture.endpoint, use));
}

/// A request with this body, and all that came back.
struct Raw {
  Response response;
  std::string body;
};
Task<Result<Raw>> exchange_raw(Client& client, Request request) {
  Endpoint endpoint;
  OUT_CO_TRY(endpoint.address, parse_address(request.authority));
  endpoint.protocol = Endpoint::Protocol::http2;
  OUT_CO_TRY(auto response, co_await client.send(std::move(endpoint), std::move(request)));
  Raw raw;
  OUT_CO_TRY(raw.body, co_await response.body.read_all(1U << 20));
  raw.response = std::move(response);
  co_return raw;
}
Raw send_raw(std::string path, Headers metadata, std::string body) {
  Fixture fixture;
  auto scenario = [](Request request) -> Task<Result<Raw>> {
    Client client;
    auto raw = co_await exchange_raw(client, std::move(request));
    co_await client.close();
    co_return raw;
  };
  Request request;
  request.method = "POST";
  request.authority = fixture.endpoint.address.to_string();
  request.target = std::move(path);
  request.headers = std::move(metadata);
  request.headers.add("content-type", "application/grpc");
  request.body = std::move(body);
  return run(scenario(std::move(request))).value();
}
std::string frame_of(std::string_view message, bool compressed) {
  std::string frame;
  append_frame(frame, compressed ? gzip(message) : std::string(message), compressed);
  return frame;
}

Task<void> unary_calls(Channel& channel) {
  CallOptions options;
  options.metadata.add("x-sent", "42");
  auto fine = co_await channel.unary("/t.T/Echo", "hi", options);
  EXPECT_TRUE(fine);
  EXPECT_TRUE(fine->status.ok());
  EXPECT_EQ(fine->message, "echo hi");
  EXPECT_EQ(fine->headers.value("x-seen"), "42");
  EXPECT_EQ(fine->trailers.value("x-end"), "yes");
  auto refused = co_await channel.unary("/t.T/Refuse", "", {});
  EXPECT_EQ(refused->status.code, Code::aborted);
  EXPECT_EQ(refused->status.message, "no, because of 100 %");
  EXPECT_EQ(to_error(refused->status).details()->reason, "WHY");
  auto unknown = co_await channel.unary("/t.T/Nothing", "", {});
  EXPECT_EQ(unknown->status.code, Code::unimplemented);
  CallOptions hasty;
  hasty.timeout = 20ms;
  auto late = co_await channel.unary("/t.T/Hang", "", hasty);
  EXPECT_EQ(late->status.code, Code::deadline_exceeded);
  auto huge = co_await channel.unary("/t.T/Echo", std::string(5U << 20, 'x'), {});
  EXPECT_EQ(huge->status.code, Code::resource_exhausted);
}
TEST(Grpc, UnaryCallsCarryMessagesMetadataAndStatus) { with_channel(unary_calls); }

Task<void> chatting(Channel& channel) {
  auto stream = channel.stream("/t.T/Chat", {});
  for (int i = 0; i < 100; ++i) {
    auto written = co_await stream->write(std::string(10'000, 'm') + std::to_string(i));
    EXPECT_TRUE(written);
    auto answer = co_await stream->read();
    EXPECT_TRUE(answer && *answer && (*answer)->ends_with("m" + std::to_string(i)));
  }
  stream->finish_writing();
  auto end = co_await stream->read();
  EXPECT_TRUE(end && !*end);

  auto second = channel.stream("/t.T/Chat", {});
  auto written = co_await second->write("fail");
  EXPECT_TRUE(written);
  auto failed = co_await second->read();
  EXPECT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), Code::data_loss);

  auto dropped = channel.stream("/t.T/Chat", {});
  auto said = co_await dropped->write("and gone");
  EXPECT_TRUE(said);
  dropped.reset();
}
TEST(Grpc, StreamsTalkBothWaysAndEndWithAStatus) { with_channel(chatting); }

Task<void> deadlines(Channel& channel) {
  CallOptions hasty;
  hasty.timeout = 20ms;
  for (const std::string path : {"/t.T/Head", "/t.T/Nothing"}) {
    auto unary = co_await channel.unary(path, "", hasty);
    EXPECT_EQ(unary->status.code, Code::deadline_exceeded) << path;
    EXPECT_EQ(unary->status.message, "context deadline exceeded");
    auto stream = channel.stream(path, hasty);
    auto written = co_await stream->write("hello");
    EXPECT_TRUE(written);
    auto end = co_await stream->read();
    EXPECT_EQ(end ? Code::ok : end.error().code(), Code::deadline_exceeded) << path;
    EXPECT_EQ(end ? "" : end.error().message(), "context deadline exceeded");
  }
}
TEST(Grpc, AClientEndsACallAtItsDeadlineWhateverTheServerDoes) {
  Endless server;
  with_channel(deadlines, &server);
}

Task<void> refusals(Channel& channel) {
  auto huge = co_await channel.unary("/t.T/Echo", std::string(5U << 20, 'x'), {});
  EXPECT_EQ(huge->status.message, "grpc: received message larger than max (5242880 vs. 4194304)");
  CallOptions small;
  small.message_bytes_max = 1000;
  auto big_reply = co_await channel.unary("/t.T/Big", "", small);
  EXPECT_EQ(big_reply->status.code, Code::resource_exhausted);
  EXPECT_EQ(big_reply->status.message, "grpc: received message larger than max (2000 vs. 1000)");
  auto method = co_await channel.unary("/t.T/Nothing", "", {});
  EXPECT_EQ(method->status.code, Code::unimplemented);
  EXPECT_EQ(method->status.message, "unknown method Nothing for service t.T");
  auto service = co_await channel.unary("/t.U/Nothing", "", {});
  EXPECT_EQ(service->status.message, "unknown service t.U");
  auto malformed = co_await channel.unary("/nothing", "", {});
  EXPECT_EQ(malformed->status.message, "malformed method name: \"/nothing\"");
}
TEST(Grpc, WhatIsRefusedIsRefusedInTheWordsOfGrpcGo) { with_channel(refusals); }

TEST(Grpc, AReplyIsCompressedIfTheRequestsEncodingIsGzip) {
  const auto raw = send_raw("/t.T/Echo", {{"grpc-encoding", "gzip"}}, frame_of("hi", true));
  EXPECT_EQ(raw.response.headers.value("grpc-encoding"), "gzip");
  EXPECT_EQ(raw.body, frame_of("echo hi", true));
}
TEST(Grpc, AMethodSeesWhatCameCompressedAndSaysWhatGoesSo) {
  const Headers takes = {{"grpc-accept-encoding", "identity, gzip"}};
  const auto plain = send_raw("/t.T/Compress", takes, frame_of("yes", false));
  EXPECT_EQ(plain.response.headers.value("grpc-encoding"), "gzip");
  EXPECT_EQ(plain.body, frame_of("plain", true));
  const auto announced = send_raw("/t.T/Compress", takes, frame_of("announce only", false));
  EXPECT_EQ(announced.response.headers.value("grpc-encoding"), "gzip");
  EXPECT_EQ(announced.body, frame_of("plain", false));
  const auto no = send_raw("/t.T/Compress", {{"grpc-encoding", "gzip"}}, frame_of("no", true));
  EXPECT_FALSE(no.response.headers.contains("grpc-encoding"));
  EXPECT_EQ(no.body, frame_of("compressed", false));
}
TEST(Grpc, WhoDoesNotTakeGzipGetsNone) {
  const auto raw = send_raw("/t.T/Compress", {}, frame_of("yes", false));
  EXPECT_FALSE(raw.response.headers.contains("grpc-encoding"));
  EXPECT_EQ(raw.body, frame_of("plain", false));
}
TEST(Grpc, MessagesOfAStreamAreCompressedOneByOne) {
  const std::string messages = frame_of("one", true) + frame_of("two", false);
  const auto raw = send_raw("/t.T/CompressEach", {{"grpc-encoding", "gzip"}}, messages);
  EXPECT_EQ(raw.body, messages);
  EXPECT_EQ(raw.response.body.trailers.value("grpc-status"), "0");
}
TEST(Grpc, ACompressedMessageWithoutAnEncodingIsRefused) {
  const auto raw = send_raw("/t.T/Echo", {}, frame_of("hi", true));
  EXPECT_EQ(raw.response.headers.value("grpc-status"), "13");
}

Task<void> drained_channel(Channel& channel) {
  // Its message is never answered, not even by a head.
  auto waiting = channel.stream("/t.T/Chat", {});
  co_await channel.drain();
  auto answer = co_await waiting->read();
  EXPECT_EQ(answer ? Code::ok : answer.error().code(), Code::cancelled);
}
TEST(Grpc, AChannelThatDrainsEndsTheStreamsThatStillWaitForTheirHead) {
  with_channel(drained_channel);
}

Task<void> drained_service() {
  Service service;
  service.stream("/t.T/Stall", stall);
  Request request;
  request.method = "POST";
  request.target = "/t.T/Stall";
  request.headers.add("content-type", "application/grpc");
  request.body = Body(std::make_shared<Pipe>());
  auto response = co_await service.handle(std::move(request));
  EXPECT_TRUE(response.body.is_stream());
  co_await service.drain();
  auto rest = co_await response.body.stream->read();
  EXPECT_EQ(rest.value_or("error"), "");
  EXPECT_EQ(response.body.stream->trailers().value("grpc-status"), "1");
}
TEST(Grpc, AServiceThatDrainsEndsItsStreams) { run(drained_service()); }

}  // namespace
}  // namespace outrigger::net::grpc
