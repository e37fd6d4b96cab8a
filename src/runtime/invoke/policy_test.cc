#include <gtest/gtest.h>

#include "runtime/invoke/sidecar_testing.h"

namespace outrigger::runtime::invoke {
namespace {

using namespace testing;

/// Answers 503 so often, then says what it was sent; waits for ever at /never.
class FlakyApp final : public net::RequestHandler {
 public:
  Task<net::Response> handle(net::Request request) override {
    ++calls;
    net::Response response;
    if (request.target == "/never") {
      Completion<> never;
      [[maybe_unused]] auto woken = co_await never.wait();
      co_return response;
    }
    auto body = co_await request.body.read_all(64U << 20);
    response.status = failures-- > 0 ? 503 : 200;
    response.body = body.value_or("(broken)");
    co_return response;
  }
  std::atomic<int> calls = 0;
  std::atomic<int> failures = 0;
};

class InvokeUnderPolicy : public ::testing::TestWithParam<std::string> {
 protected:
  InvokeUnderPolicy() {
    caller_.resolver.addresses["callee"] = callee_.internal_server->address();
    resources::Resiliency document;
    document.timeouts["DefaultAppTimeoutPolicy"] = 500ms;
    document.retries["again"] = {.duration = 1ms, .max_retries = 2};
    document.circuit_breakers["fuse"] = {.trip = "consecutiveFailures >= 2"};
    for (const char* app : {"callee", "caller"}) {
      document.apps[app] = {.policies = {.retry = "again", .circuit_breaker = "fuse"}};
    }
    use(document);
  }
  void use(const resources::Resiliency& document) {
    world_.on_loop([&] { caller_.policies = resiliency::Policies({document}); });
  }
  TestClient::Answer invoke(const std::string& name, net::Body body = {}) {
    return client_.send(caller_.http_server->port, "POST",
                        "/v1.0/invoke/" + GetParam() + "/method/" + name, std::move(body), {});
  }
  World world_;
  FlakyApp app_;
  TestServer app_server_{world_, app_};
  Sidecar callee_{world_, "callee", app_server_.port};
  Sidecar caller_{world_, "caller", app_server_.port};
  TestClient client_{world_};
};
INSTANTIATE_TEST_SUITE_P(To, InvokeUnderPolicy, ::testing::Values("callee", "caller"),
                         [](const auto& info) { return info.param; });

TEST_P(InvokeUnderPolicy, AnAnswerThatIsAFailureIsAskedForAgainWithTheSameBody) {
  app_.failures = 1;
  const std::string long_body(300'000, 'x');
  const auto answer = invoke("once", long_body);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, long_body);
  EXPECT_EQ(app_.calls, 2);
}

TEST_P(InvokeUnderPolicy, ABodyWithoutALengthIsSentOnce) {
  app_.failures = 1;
  auto pipe = std::make_shared<net::Pipe>();
  pipe->push(std::string_view("short"));
  pipe->finish();
  EXPECT_EQ(invoke("once", net::Body(pipe)).status, 503);
  EXPECT_EQ(app_.calls, 1);
}

TEST_P(InvokeUnderPolicy, TheBreakerOpensForOneMethodAndCallsItNoMore) {
  app_.failures = 2;
  const auto open = invoke("weak");
  EXPECT_EQ(open.status, 500);
  EXPECT_TRUE(open.body.contains("circuit breaker is open")) << open.body;
  EXPECT_EQ(app_.calls, 2);
  EXPECT_EQ(invoke("strong").status, 200);
  EXPECT_EQ(app_.calls, 3);
}

TEST_P(InvokeUnderPolicy, TheLastAnswerIsGivenWhenNoneWasWell) {
  resources::Resiliency document;
  document.retries["DefaultAppRetryPolicy"] = {.duration = 1ms, .max_retries = 2};
  use(document);
  app_.failures = 99;
  const auto answer = invoke("ill", std::string("why"));
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.body, "why");
  EXPECT_EQ(app_.calls, 3);
}

TEST_P(InvokeUnderPolicy, ACallThatTakesTooLongIsEnded) {
  resources::Resiliency document;
  document.timeouts["DefaultTimeoutPolicy"] = 20ms;
  use(document);
  const auto answer = invoke("never");
  EXPECT_EQ(answer.status, 500);
  EXPECT_TRUE(answer.body.contains("context deadline exceeded")) << answer.body;
  EXPECT_LE(app_.calls, 1) << "a slow machine may not have come as far as the application";
}

}  // namespace
}  // namespace outrigger::runtime::invoke
