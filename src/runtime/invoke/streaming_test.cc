#include <unistd.h>

#include "runtime/invoke/sidecar_testing.h"

namespace outrigger::runtime::invoke {
namespace {

using namespace testing;

constexpr std::size_t kLarge = 40'000'000;

/// Writes as fast as it is let.
Task<void> produce(std::shared_ptr<net::Pipe> pipe, std::size_t bytes,
                   std::atomic<std::size_t>* written, std::atomic<int>* stopped) {
  const std::string part(64 * 1024, 'x');
  for (std::size_t left = bytes; left > 0;) {
    const std::size_t now = std::min(left, part.size());
    auto sent = co_await pipe->write(part.substr(0, now));
    if (!sent) {
      ++*stopped;
      co_return;
    }
    left -= now;
    *written += now;
  }
  pipe->finish();
}

/// An application of streams.
class App final : public net::RequestHandler {
 public:
  Task<net::Response> handle(net::Request request) override {
    ++calls;
    net::Response response;
    if (request.target == "/sink") {
      std::size_t bytes = request.body.whole.size();
      while (request.body.is_stream()) {
        auto part = co_await request.body.stream->read();
        if (!part) ++broken;
        if (!part || part->empty()) break;
        bytes += part->size();
      }
      response.body = std::to_string(bytes);
    } else if (request.target == "/source" || request.target == "/fail") {
      if (request.target == "/fail") response.status = 500;
      auto pipe = std::make_shared<net::Pipe>();
      scope.spawn(produce(pipe, kLarge, &written, &stopped));
      response.body = net::Body(pipe);
    } else if (request.target == "/mirror") {
      response.body = std::move(request.body);
    } else if (request.target == "/never" || request.target == "/unread") {
      held = std::move(request.body);
      Completion<> never;
      auto woken = co_await never.wait();
      if (!woken) ++cancelled;
    } else {
      auto body = co_await request.body.read_all(1U << 30);
      response.body = body.value_or("(broken)");
    }
    co_return response;
  }
  Scope scope;
  net::Body held;
  std::atomic<std::size_t> written = 0;
  std::atomic<int> calls = 0, stopped = 0, cancelled = 0, broken = 0;
};

struct Net {
  Net() { caller.resolver.addresses["callee"] = callee.internal_server->address(); }
  ~Net() {
    app_server.stop();
    world.run(join());
  }
  Task<bool> join() {
    app.scope.cancel();
    co_await app.scope.join();
    app.held = {};
    co_return true;
  }
  net::Request request(std::string method, std::string target, net::Body body = {}) {
    net::Request made;
    made.method = std::move(method);
    made.target = std::move(target);
    made.authority = "localhost";
    made.body = std::move(body);
    return made;
  }
  net::Endpoint endpoint() const {
    net::Endpoint to;
    to.address = {"127.0.0.1", caller.http_server->port};
    return to;
  }
  World world;
  App app;
  TestServer app_server{world, app};
  Sidecar callee{world, "callee", app_server.port};
  Sidecar caller{world, "caller", app_server.port};
  TestClient client{world};
  std::atomic<std::size_t> sent = 0;
  std::atomic<int> send_stopped = 0;
};

class Streaming : public ::testing::TestWithParam<std::string> {
 protected:
  std::string target(const std::string& method) const {
    return "/v1.0/invoke/" + GetParam() + "/method/" + method;
  }
  Net net_;
};
INSTANTIATE_TEST_SUITE_P(To, Streaming, ::testing::Values("callee", "caller"),
                         [](const auto& info) { return info.param; });

Task<TestClient::Answer> upload(Net* net, std::string target, std::size_t bytes, bool declared) {
  auto pipe = std::make_shared<net::Pipe>();
  Scope scope;
  scope.spawn(produce(pipe, bytes, &net->sent, &net->send_stopped));
  net::Request request = net->request("POST", std::move(target), net::Body(pipe));
  if (declared) request.content_length = bytes;
  auto answer = co_await TestClient::exchange(net->client.client.get(),
                                              net->caller.http_server->port, std::move(request));
  co_await scope.join();
  co_return answer;
}

TEST_P(Streaming, UploadsAnyAmountChunkedOrDeclared) {
  for (const bool declared : {false, true}) {
    const auto answer = net_.world.run(upload(&net_, target("sink"), kLarge, declared));
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, std::to_string(kLarge));
  }
}

TEST_P(Streaming, DownloadsAnyAmountWhateverTheStatus) {
  for (const std::string method : {"source", "fail"}) {
    const auto answer = net_.client.send(net_.caller.http_server->port, "GET", target(method));
    EXPECT_EQ(answer.status, method == "source" ? 200 : 500);
    EXPECT_EQ(answer.body.size(), kLarge);
  }
}

Task<std::string> talk(Net* net, std::string target) {
  auto pipe = std::make_shared<net::Pipe>();
  pipe->push(std::string_view("first "));
  auto response = co_await net->client.client->send(
      net->endpoint(), net->request("POST", std::move(target), net::Body(pipe)));
  if (!response) co_return response.error().message();
  std::string heard;
  auto part = co_await response->body.stream->read();
  heard += part.value_or("?");
  pipe->push(std::string_view("second"));
  part = co_await response->body.stream->read();
  heard += part.value_or("?");
  pipe->finish();
  part = co_await response->body.stream->read();
  co_return heard + part.value_or("?");
}
TEST_P(Streaming, AnswersWhileTheRequestIsStillComing) {
  EXPECT_EQ(net_.world.run(talk(&net_, target("mirror"))), "first second");
}

Task<std::size_t> overfill(Net* net, std::string target) {
  auto pipe = std::make_shared<net::Pipe>();
  Scope scope;
  scope.spawn(produce(pipe, kLarge, &net->sent, &net->send_stopped));
  Cancellation leave;
  const auto call = [](Net* net, net::Request request) -> Task<void> {
    (void)co_await net->client.client->send(net->endpoint(), std::move(request));
  };
  scope.spawn(call(net, net->request("POST", std::move(target), net::Body(pipe))), leave);
  // Until nothing has moved for a while.
  for (std::size_t before = 1; before != net->sent;) {
    before = net->sent;
    (void)co_await sleep_for(200ms);
  }
  leave.request();
  co_await scope.join();
  co_return net->sent.load();
}
TEST_P(Streaming, AnApplicationThatDoesNotReadStopsTheClient) {
  // The windows and buffers of three hops.
  EXPECT_LT(net_.world.run(overfill(&net_, target("unread"))), 20'000'000U);
  EXPECT_EQ(net_.send_stopped, 1);
}

Task<std::size_t> ignore_answer(Net* net, std::string target) {
  auto response =
      co_await net->client.client->send(net->endpoint(), net->request("GET", std::move(target)));
  if (!response) co_return kLarge;
  for (std::size_t before = 1; before != net->app.written;) {
    before = net->app.written;
    (void)co_await sleep_for(200ms);
  }
  const std::size_t produced = net->app.written;
  response->body.stream->close();
  while (net->app.stopped == 0) (void)co_await sleep_for(1ms);
  co_return produced;
}
TEST_P(Streaming, AClientThatDoesNotReadStopsTheApplication) {
  EXPECT_LT(net_.world.run(ignore_answer(&net_, target("source"))), 20'000'000U);
}

Task<int> leave_early(Net* net, std::string target) {
  Scope scope;
  Cancellation leave;
  const auto call = [](Net* net, net::Request request) -> Task<void> {
    (void)co_await net->client.client->send(net->endpoint(), std::move(request));
  };
  scope.spawn(call(net, net->request("GET", std::move(target))), leave);
  while (net->app.calls == 0) (void)co_await sleep_for(1ms);
  leave.request();
  while (net->app.cancelled == 0) (void)co_await sleep_for(1ms);
  co_await scope.join();
  co_return net->app.cancelled.load();
}
TEST_P(Streaming, AClientThatLeavesCancelsTheCall) {
  EXPECT_EQ(net_.world.run(leave_early(&net_, target("never"))), 1);
}

TEST(Retries, SendAShortStreamAgain) {
  Net net;
  for (const std::size_t bytes : {100'000UL, 5'000'000UL}) {
    net.caller.resolver.first = {"127.0.0.1:1", "127.0.0.1:1"};
    const auto answer = net.world.run(upload(&net, "/v1.0/invoke/callee/method/sink", bytes, true));
    EXPECT_EQ(answer.body, std::to_string(bytes));
  }
}

TEST(Retries, NeverSendAStreamOfUnknownLengthAgain) {
  Net net;
  net.caller.resolver.first = {"127.0.0.1:1"};
  const auto answer =
      net.world.run(upload(&net, "/v1.0/invoke/callee/method/sink", 500'000, false));
  EXPECT_EQ(answer.status, 500);
  EXPECT_NE(answer.body.find("err: rpc error: code = Unavailable desc = "), std::string::npos)
      << answer.body;
  EXPECT_EQ(net.app.calls, 0);
}

/// Accepts connections and says nothing: what is left of a machine that lost its power.
class Silence {
 public:
  explicit Silence(World& world) : world_(world) {
    listener_ = net::Listener::bind("127.0.0.1", 0).value();
    world_.on_loop(
        [this] { listener_->start([this](int fd, net::Peer) { accepted_.push_back(fd); }); });
  }
  ~Silence() {
    world_.on_loop([this] {
      listener_->close();
      for (const int fd : accepted_) ::close(fd);
      listener_.reset();
    });
  }
  std::string address() const { return "127.0.0.1:" + std::to_string(listener_->port()); }

 private:
  World& world_;
  std::unique_ptr<net::Listener> listener_;
  std::vector<int> accepted_;
};

TEST(Peers, ThatFallSilentAreGivenUpAndAskedForAnew) {
  Net net;
  Silence silence(net.world);
  net.caller.resolver.first = {silence.address()};
  const auto answer = net.client.send(net.caller.http_server->port, "POST",
                                      "/v1.0/invoke/callee/method/echo", "again");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "again");
  EXPECT_EQ(net.caller.resolver.evicted, 1);
}

}  // namespace
}  // namespace outrigger::runtime::invoke
