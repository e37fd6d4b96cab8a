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

struct Fixture {
  Fixture() {
    for (auto& service : services) {
      service.unary("/t.T/Echo", echo);
      service.unary("/t.T/Refuse", refuse);
      service.unary("/t.T/Hang", hang);
      service.stream("/t.T/Chat", chat);
    }
    ServerOptions options;
    options.grpc = true;
    server = std::make_unique<Server>(
        loops, std::vector<RequestHandler*>{&services[0], &services[1]}, options);
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
void with_channel(F use) {
  Fixture fixture;
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

}  // namespace
}  // namespace outrigger::net::grpc
