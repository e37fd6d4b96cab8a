#include "runtime/tracing/exporters.h"

#include <mutex>

#include <nlohmann/json.hpp>

#include "base/log.h"
#include "base/scope.h"
#include "net/grpc/frame.h"
#include "net/http/server.h"
#include "net/listener.h"
#include "otlp/otlp.pb.h"
#include "runtime/tracing/reporter.h"
#include "runtime/tracing/span_testing.h"

namespace outrigger::runtime::tracing {
namespace {

using namespace std::chrono_literals;
using testing::make_span;

/// A receiver on a thread of its own, whose answers the test gives.
class Receiver final : public net::RequestHandler {
 public:
  using Answer = std::function<net::Response(const net::Request&)>;
  explicit Receiver(Answer answer = {}) : answer_(std::move(answer)) {
    loops_.start();
    auto listener = net::Listener::bind("127.0.0.1", 0).value();
    port = listener->port();
    server_.listen(std::move(listener));
  }
  ~Receiver() override {
    std::move_only_function<Task<Result<>>()> ending = [this] { return end(); };
    Loop loop;
    EXPECT_TRUE(run_on(loop, call_on<void>(loops_[0], std::move(ending))));
    loops_.stop_and_join();
  }
  Task<net::Response> handle(net::Request request) override {
    auto body = co_await request.body.read_all(64U << 20);
    if (body) request.body.whole = *body;
    net::Response response;
    response.status = 202;
    if (answer_) response = answer_(request);
    {
      const std::lock_guard lock(mutex_);
      requests_.push_back(std::move(request));
    }
    if (silent) {
      Signal never;
      [[maybe_unused]] auto woken = co_await never.wait();
    }
    co_return response;
  }
  std::vector<net::Request> requests() {
    const std::lock_guard lock(mutex_);
    return std::move(requests_);
  }
  [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port); }

  std::uint16_t port = 0;
  std::atomic<bool> silent = false;

 private:
  Task<Result<>> end() {
    co_await server_.stop(0s);
    co_return Result<>();
  }
  Answer answer_;
  std::mutex mutex_;
  std::vector<net::Request> requests_;
  Loops loops_{1};
  net::Server server_{loops_, std::vector<net::RequestHandler*>{this}, {}};
};

Resource shop() { return make_resource("shop", fixed_environment({})); }

OtlpOptions to(const Receiver& receiver, OtlpOptions::Protocol protocol) {
  OtlpOptions options;
  options.protocol = protocol;
  options.host = "127.0.0.1";
  options.port = receiver.port;
  options.path = "/v1/traces";
  options.tls = false;
  options.headers = {{"x-key", "secret"}};
  return options;
}

/// Sends spans of these names.
Delivery send(Exporter& exporter, const std::vector<std::string>& names) {
  std::string parts;
  for (const std::string& name : names) {
    if (!parts.empty()) parts.append(exporter.separator());
    exporter.append(parts, make_span(name));
  }
  auto whole = [](Exporter* to, std::string bytes) -> Task<Delivery> {
    auto delivery = co_await to->send(std::move(bytes));
    co_await to->close();
    co_return delivery;
  };
  return run(whole(&exporter, std::move(parts)));
}

net::Response answer_of(int status) {
  net::Response response;
  response.status = status;
  return response;
}

net::Response grpc_answer(int status, std::string message = {}) {
  net::Response response;
  response.headers.add("content-type", "application/grpc");
  response.body.trailers.add("grpc-status", std::to_string(status));
  response.body.trailers.add("grpc-message", "as told");
  const auto size = static_cast<std::uint32_t>(message.size());
  std::string frame = {0, static_cast<char>(size >> 24), static_cast<char>(size >> 16),
                       static_cast<char>(size >> 8), static_cast<char>(size)};
  if (status == 0) response.body.whole = frame + message;
  return response;
}

TEST(ZipkinExporter, PostsAJsonArray) {
  Receiver receiver;
  auto zipkin = make_zipkin("http://" + receiver.address() + "/api/v2/spans?x=1", shop()).value();
  EXPECT_TRUE(send(*zipkin, {"a", "b"}).result);
  const auto requests = receiver.requests();
  ASSERT_EQ(requests.size(), 1U);
  EXPECT_EQ(requests[0].method, "POST");
  EXPECT_EQ(requests[0].target, "/api/v2/spans?x=1");
  EXPECT_EQ(requests[0].headers.value("content-type"), "application/json");
  const auto json = nlohmann::json::parse(requests[0].body.whole, nullptr, false);
  ASSERT_EQ(json.size(), 2U);
  EXPECT_EQ(json[1]["name"], "b");
}

TEST(ZipkinExporter, AReceiverThatCannotBeReachedIsTriedLater) {
  std::uint16_t free_port = 0;
  {
    free_port = net::Listener::bind("127.0.0.1", 0).value()->port();
  }
  auto zipkin = make_zipkin("http://127.0.0.1:" + std::to_string(free_port) + "/", shop()).value();
  const Delivery delivery = send(*zipkin, {"a"});
  EXPECT_FALSE(delivery.result);
  EXPECT_TRUE(delivery.retry);
}

TEST(OtlpHttpExporter, PostsProtobufWithTheHeadersOfTheConfiguration) {
  Receiver receiver;
  auto otlp = make_otlp_http(to(receiver, OtlpOptions::Protocol::http), shop()).value();
  EXPECT_TRUE(send(*otlp, {"a", "b"}).result);
  const auto requests = receiver.requests();
  ASSERT_EQ(requests.size(), 1U);
  EXPECT_EQ(requests[0].target, "/v1/traces");
  EXPECT_EQ(requests[0].headers.value("content-type"), "application/x-protobuf");
  EXPECT_EQ(requests[0].headers.value("x-key"), "secret");
  otlp::ExportRequest decoded;
  ASSERT_TRUE(decoded.ParseFromString(requests[0].body.whole));
  EXPECT_EQ(decoded.resource_spans(0).scope_spans(0).spans(1).name(), "b");
}

TEST(OtlpHttpExporter, CompressesIfItShall) {
  Receiver receiver;
  OtlpOptions options = to(receiver, OtlpOptions::Protocol::http);
  options.gzip = true;
  auto otlp = make_otlp_http(std::move(options), shop()).value();
  EXPECT_TRUE(send(*otlp, {"a", std::string(4000, 'b')}).result);
  const auto requests = receiver.requests();
  ASSERT_EQ(requests.size(), 1U);
  EXPECT_EQ(requests[0].headers.value("content-encoding"), "gzip");
  EXPECT_LT(requests[0].body.whole.size(), 2000U);
  EXPECT_EQ(requests[0].content_length, requests[0].body.whole.size());
  otlp::ExportRequest decoded;
  ASSERT_TRUE(decoded.ParseFromString(net::grpc::gunzip(requests[0].body.whole, 1U << 20).value()));
  EXPECT_EQ(decoded.resource_spans(0).scope_spans(0).spans(0).name(), "a");
}

TEST(OtlpHttpExporter, TellsFailuresThatMayPassFromOthers) {
  for (const auto& [status, retry] :
       {std::pair(400, false), std::pair(404, false), std::pair(429, true), std::pair(500, false),
        std::pair(502, true), std::pair(503, true), std::pair(504, true), std::pair(307, false)}) {
    Receiver receiver([status](const net::Request&) { return answer_of(status); });
    auto otlp = make_otlp_http(to(receiver, OtlpOptions::Protocol::http), shop()).value();
    const Delivery delivery = send(*otlp, {"a"});
    ASSERT_FALSE(delivery.result);
    EXPECT_EQ(delivery.retry, retry) << status;
  }
}

TEST(OtlpHttpExporter, WaitsAsLongAsTheReceiverAsksButNotForEver) {
  for (const auto& [text, wait] :
       {std::pair<std::string, std::optional<Duration>>("3", 3s),
        std::pair<std::string, std::optional<Duration>>("99999999999", 60s),
        std::pair<std::string, std::optional<Duration>>("-1", std::nullopt),
        std::pair<std::string, std::optional<Duration>>("tomorrow", std::nullopt)}) {
    Receiver receiver([&text](const net::Request&) {
      net::Response response = answer_of(503);
      response.headers.add("retry-after", text);
      return response;
    });
    auto otlp = make_otlp_http(to(receiver, OtlpOptions::Protocol::http), shop()).value();
    EXPECT_EQ(send(*otlp, {"a"}).retry_after, wait) << text;
  }
}

TEST(OtlpHttpExporter, AnEndlessAnswerIsNotRead) {
  Receiver receiver([](const net::Request&) {
    net::Response response = answer_of(200);
    response.body = std::string(10U << 20, 'x');
    return response;
  });
  auto otlp = make_otlp_http(to(receiver, OtlpOptions::Protocol::http), shop()).value();
  const Delivery delivery = send(*otlp, {"a"});
  EXPECT_FALSE(delivery.result);
  EXPECT_FALSE(delivery.retry);
}

TEST(OtlpHttpExporter, AReceiverThatSaysNothingIsLeft) {
  Receiver receiver;
  receiver.silent = true;
  OtlpOptions options = to(receiver, OtlpOptions::Protocol::http);
  options.timeout = 20ms;
  auto otlp = make_otlp_http(std::move(options), shop()).value();
  const Delivery delivery = send(*otlp, {"a"});
  EXPECT_FALSE(delivery.result);
  EXPECT_TRUE(delivery.retry);
}

TEST(OtlpGrpcExporter, CallsTheTraceServiceWithTheHeadersOfTheConfiguration) {
  Receiver receiver([](const net::Request&) { return grpc_answer(0); });
  auto otlp = make_otlp_grpc(to(receiver, OtlpOptions::Protocol::grpc), shop()).value();
  const Delivery delivery = send(*otlp, {"a", "b"});
  EXPECT_TRUE(delivery.result) << delivery.result.error().message();
  const auto requests = receiver.requests();
  ASSERT_EQ(requests.size(), 1U);
  EXPECT_EQ(requests[0].target, "/opentelemetry.proto.collector.trace.v1.TraceService/Export");
  EXPECT_EQ(requests[0].headers.value("x-key"), "secret");
  otlp::ExportRequest decoded;
  ASSERT_TRUE(decoded.ParseFromString(requests[0].body.whole.substr(5)));
  EXPECT_EQ(decoded.resource_spans(0).scope_spans(0).spans(1).name(), "b");
}

TEST(OtlpGrpcExporter, CompressesIfItShall) {
  Receiver receiver([](const net::Request&) { return grpc_answer(0); });
  OtlpOptions options = to(receiver, OtlpOptions::Protocol::grpc);
  options.gzip = true;
  auto otlp = make_otlp_grpc(std::move(options), shop()).value();
  EXPECT_TRUE(send(*otlp, {"a", std::string(4000, 'b')}).result);
  const auto requests = receiver.requests();
  ASSERT_EQ(requests.size(), 1U);
  EXPECT_EQ(requests[0].headers.value("grpc-encoding"), "gzip");
  const std::string& body = requests[0].body.whole;
  ASSERT_LT(body.size(), 2000U);
  EXPECT_EQ(body[0], 1) << "the message says that it is compressed";
  otlp::ExportRequest decoded;
  ASSERT_TRUE(decoded.ParseFromString(net::grpc::gunzip(body.substr(5), 1U << 20).value()));
  EXPECT_EQ(decoded.resource_spans(0).scope_spans(0).spans(0).name(), "a");
}

TEST(OtlpGrpcExporter, TellsFailuresThatMayPassFromOthers) {
  for (const auto& [code, retry] :
       {std::pair(1, true), std::pair(3, false), std::pair(4, true), std::pair(7, false),
        std::pair(8, false), std::pair(10, true), std::pair(12, false), std::pair(14, true)}) {
    Receiver receiver([code](const net::Request&) { return grpc_answer(code); });
    auto otlp = make_otlp_grpc(to(receiver, OtlpOptions::Protocol::grpc), shop()).value();
    const Delivery delivery = send(*otlp, {"a"});
    ASSERT_FALSE(delivery.result) << code;
    EXPECT_EQ(delivery.retry, retry) << code;
  }
}

TEST(OtlpGrpcExporter, SpansThatTheReceiverRefusesAreNotSentAgain) {
  const LogCapture logs(LogOptions{.level = LogLevel::debug});
  Receiver receiver([](const net::Request&) {
    otlp::ExportResponse response;
    response.mutable_partial_success()->set_rejected_spans(2);
    response.mutable_partial_success()->set_error_message("too old");
    return grpc_answer(0, response.SerializeAsString());
  });
  auto otlp = make_otlp_grpc(to(receiver, OtlpOptions::Protocol::grpc), shop()).value();
  EXPECT_TRUE(send(*otlp, {"a"}).result);
  EXPECT_TRUE(logs.contains("refused 2 spans: too old"));
}

TEST(StdoutExporter, WritesALineForEachSpanInUpstreamsForm) {
  const LogCapture logs;
  auto out = make_stdout();
  EXPECT_TRUE(send(*out, {"/v1.0/state/a", "two\nlines"}).result);
  EXPECT_TRUE(logs.contains(
      "[/v1.0/state/a] Trace: 0af7651916cd43dd8448eb211c80319c Span: "
      "0001020304050607/b7ad6b7169203331 Time: [2023-11-14 22:13:20.123456789 +0000 UTC ->  "
      "2023-11-14 22:13:21.000000001 +0000 UTC] Annotations: []"))
      << logs.text();
  EXPECT_TRUE(logs.contains("[two lines]"));
}

TEST(TraceReporter, SpansOfAllLoopsArriveBeforeItIsClosed) {
  Receiver receiver;
  constexpr std::size_t kEach = 500;
  telemetry::Registry registry({});
  Loops loops(2);
  loops.start();
  Exporters exporters;
  exporters.all.push_back(make_zipkin("http://" + receiver.address() + "/", shop()).value());
  exporters.batch.queue_spans_max = 4000;
  auto reporter = make_reporter(loops, std::move(exporters), registry);
  auto make = [](Reporter* to) -> Task<Result<>> {
    for (std::size_t i = 0; i < kEach; ++i) {
      to->accept(std::make_unique<telemetry::FinishedSpan>(make_span("x")));
    }
    co_return Result<>();
  };
  auto end = [](Reporter* to) -> Task<Result<>> {
    co_await to->close(30s);
    co_return Result<>();
  };
  Loop here;
  for (unsigned i = 0; i < 2; ++i) {
    std::move_only_function<Task<Result<>>()> work = [&] { return make(reporter.get()); };
    EXPECT_TRUE(run_on(here, call_on<void>(loops[i], std::move(work))));
  }
  std::move_only_function<Task<Result<>>()> work = [&] { return end(reporter.get()); };
  EXPECT_TRUE(run_on(here, call_on<void>(loops[0], std::move(work))));
  reporter->accept(std::make_unique<telemetry::FinishedSpan>(make_span("late")));
  loops.stop_and_join();
  std::size_t spans = 0;
  for (const auto& request : receiver.requests()) {
    spans += nlohmann::json::parse(request.body.whole, nullptr, false).size();
  }
  EXPECT_EQ(spans, 2 * kEach);
}

TEST(TraceReporter, WithoutExportersThereIsNone) {
  telemetry::Registry registry({});
  Loops loops(1);
  EXPECT_EQ(make_reporter(loops, {}, registry), nullptr);
}

}  // namespace
}  // namespace outrigger::runtime::tracing
