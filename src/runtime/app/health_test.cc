#include "runtime/app/health.h"

#include <mutex>

#include "base/log.h"
#include "net/http/server.h"
#include "net/listener.h"
#include "net/tls.h"
#include "runtime/telemetry/runtime_metrics.h"

namespace outrigger::runtime::app {
namespace {

using namespace std::chrono_literals;

// An application's certificate, of tests only; nobody checks it.
constexpr const char* kCertificate = R"(-----BEGIN CERTIFICATE-----
MIIBfzCCASWgAwIBAgIUGLKWz8Tnvw66S31vAOW5GH9lNW4wCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJYXBwLmxvY2FsMCAXDTI2MTEyMjIwMDYxMloYDzIxMjYxMDI5
MjAwNjEyWjAUMRIwEAYDVQQDDAlhcHAubG9jYWwwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAS/tB0sNnauxn0+3+zMNHvoEpiMp96/HDkCAxk95pTDHBIT+/0ICVWV
8tLfYOqY6IUX+qmsbCOZXwuLdtkmtY7Wo1MwUTAdBgNVHQ4EFgQUq++GtpdGEABB
bRRP+GTd9+cmU80wHwYDVR0jBBgwFoAUq++GtpdGEABBbRRP+GTd9+cmU80wDwYD
VR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiEA8mNTyJ7cMGyGxlRzI62i
o5wwi0j70qLXeMoZ1Js4vB4CIDqZFjmWmjTtP/L4VCc7zbRODqpNKGjjapWjGBjX
ckwy
-----END CERTIFICATE-----
)";
constexpr const char* kKey = R"(-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgyQdbUrWxD+icXp9m
P55za19zobNBlIis3+mBvau+qdGhRANCAAS/tB0sNnauxn0+3+zMNHvoEpiMp96/
HDkCAxk95pTDHBIT+/0ICVWV8tLfYOqY6IUX+qmsbCOZXwuLdtkmtY7W
-----END PRIVATE KEY-----
)";

/// An application that answers its probes and keeps what they looked like.
class App final : public net::RequestHandler {
 public:
  explicit App(net::ServerOptions options)
      : server_(loops_, std::vector<net::RequestHandler*>{this}, std::move(options)) {
    loops_.start();
    auto listener = net::Listener::bind("127.0.0.1", 0).value();
    port = listener->port();
    server_.listen(std::move(listener));
  }
  void stop(Loop& loop) {
    std::move_only_function<Task<Result<>>()> ending = [this] { return end(); };
    EXPECT_TRUE(run_on(loop, call_on<void>(loops_[0], std::move(ending))));
    loops_.stop_and_join();
  }
  Task<net::Response> handle(net::Request request) override {
    const std::lock_guard lock(mutex_);
    targets.push_back(request.target);
    alpn.push_back(request.peer->alpn);
    net::Response response;
    response.status = status;
    if (request.target.starts_with("/dapr.proto")) {
      response.headers.add("content-type", "application/grpc");
      response.headers.add("grpc-status", "0");
      response.body.whole = std::string(5, '\0');
    }
    co_return response;
  }

  std::uint16_t port = 0;
  std::atomic<int> status = 200;
  std::vector<std::string> targets, alpn;

 private:
  Task<Result<>> end() {
    co_await server_.stop(1s);
    co_return Result<>();
  }
  std::mutex mutex_;
  Loops loops_{1};
  net::Server server_;
};

net::ServerOptions with_tls(std::vector<std::string> alpn) {
  net::TlsOptions tls;
  tls.certificate_chain_pem = kCertificate;
  tls.private_key_pem = kKey;
  tls.alpn = std::move(alpn);
  net::ServerOptions options;
  options.tls = net::TlsContext::server(tls).value();
  return options;
}

Task<bool> probe_and_close(Prober* prober) {
  const bool healthy = co_await prober->probe();
  co_await prober->close();
  co_return healthy;
}

bool probe(Loop& loop, App& app, ChannelOptions::Protocol protocol, std::string path = "/healthz") {
  ChannelOptions options;
  options.port = app.port;
  options.protocol = protocol;
  auto prober = make_prober(options, std::move(path)).value();
  return run_on(loop, probe_and_close(prober.get()));
}

using Protocol = ChannelOptions::Protocol;

TEST(Prober, AnAnswerOf200To299IsGood) {
  Loop loop;
  App app({});
  EXPECT_TRUE(probe(loop, app, Protocol::http, "health?full=1"));
  app.status = 299;
  EXPECT_TRUE(probe(loop, app, Protocol::http));
  for (const int bad : {302, 404, 500}) {
    app.status = bad;
    EXPECT_FALSE(probe(loop, app, Protocol::http)) << bad;
  }
  app.stop(loop);
  EXPECT_EQ(app.targets.front(), "/health?full=1");
}

TEST(Prober, CountsItsProbes) {
  Loop loop;
  App app({});
  const telemetry::RuntimeMetrics metrics({.app_id = "me"});
  ChannelOptions options;
  options.port = app.port;
  options.metrics = &metrics;
  const auto prober = make_prober(options, "/healthz").value();
  EXPECT_TRUE(run_on(loop, probe_and_close(prober.get())));
  app.stop(loop);
  // Nobody is there any more, which upstream counts as 500.
  const auto late = make_prober(options, "/healthz").value();
  EXPECT_FALSE(run_on(loop, probe_and_close(late.get())));
  const std::string text = metrics.render();
  const std::string name = "dapr_http_healthprobes_completed_count{app_id=\"me\",status=";
  EXPECT_NE(text.find(name + "\"200\"} 1\n"), std::string::npos) << text;
  EXPECT_NE(text.find(name + "\"500\"} 1\n"), std::string::npos) << text;
}

TEST(Prober, CountsGrpcProbes) {
  Loop loop;
  App app({.http1 = false, .grpc = true});
  const telemetry::RuntimeMetrics metrics({.app_id = "me"});
  ChannelOptions options;
  options.port = app.port;
  options.protocol = Protocol::grpc;
  options.metrics = &metrics;
  const auto prober = make_prober(options, "").value();
  run_on(loop, probe_and_close(prober.get()));
  app.stop(loop);
  const std::string text = metrics.render();
  EXPECT_NE(text.find("dapr_grpc_io_healthprobes_completed_count{app_id=\"me\","
                      "grpc_client_status=\""),
            std::string::npos)
      << text;
}

TEST(Prober, SpeaksHttp2WithoutTlsToH2cApplications) {
  Loop loop;
  net::ServerOptions options;
  options.http1 = false;
  App app(options);
  EXPECT_TRUE(probe(loop, app, Protocol::h2c));
  app.stop(loop);
}

// grpc's own servers end a handshake that does not name "h2".
TEST(Prober, NamesHttp2InTheHandshakeWithAGrpcApplication) {
  Loop loop;
  App app(with_tls({"h2"}));
  EXPECT_TRUE(probe(loop, app, Protocol::grpcs));
  app.stop(loop);
  EXPECT_EQ(app.alpn, (std::vector<std::string>{"h2"}));
  EXPECT_EQ(app.targets.front(), "/dapr.proto.runtime.v1.AppCallbackHealthCheck/HealthCheck");
}

TEST(Prober, DoesNotCheckTheCertificateOfAnApplication) {
  Loop loop;
  App app(with_tls({}));
  EXPECT_TRUE(probe(loop, app, Protocol::https));
  app.stop(loop);
}

TEST(Prober, AnApplicationThatIsNotThereIsUnhealthy) {
  Loop loop;
  auto listener = net::Listener::bind("127.0.0.1", 0).value();
  ChannelOptions options;
  options.port = listener->port();
  listener.reset();
  auto prober = make_prober(options, "/").value();
  EXPECT_FALSE(run_on(loop, probe_and_close(prober.get())));
}

/// Answers as it is told, one after the other; then the test is over.
class Script final : public Prober {
 public:
  Script(std::string answers, Cancellation& over) : answers_(std::move(answers)), over_(over) {}
  Task<bool> probe() override {
    if (next_ == answers_.size()) {
      over_.request();
      co_return false;
    }
    co_return answers_[next_++] == '+';
  }
  Task<void> close() override { co_return; }

 private:
  std::string answers_;
  Cancellation& over_;
  std::size_t next_ = 0;
};

/// What is told of an application that answers so; "+" is good.
std::string told(std::string answers, int threshold) {
  const LogCapture quiet;
  std::string changes;
  Cancellation over;
  Script script(std::move(answers), over);
  HealthOptions options;
  options.interval = Duration::zero();
  options.threshold = threshold;
  const auto watch = [](Script* prober, HealthOptions how, Cancellation* until,
                        std::string* out) -> Task<void> {
    auto watching =
        watch_health(*prober, how, [out](bool healthy) { *out += healthy ? '+' : '-'; });
    co_await std::move(watching).under(*until);
  };
  run(watch(&script, options, &over, &changes));
  return changes;
}

TEST(HealthWatch, AnApplicationIsUnhealthyUntilItsFirstGoodAnswer) {
  EXPECT_EQ(told("----", 2), "");
  EXPECT_EQ(told("---+", 2), "+");
  EXPECT_EQ(told("+++", 2), "+");
}

TEST(HealthWatch, SoManyFailuresInARowMakeItUnhealthyAndOneGoodAnswerHealthy) {
  EXPECT_EQ(told("+--", 3), "+");
  EXPECT_EQ(told("+---", 3), "+-");
  EXPECT_EQ(told("+--+--+--", 3), "+");
  EXPECT_EQ(told("+------", 3), "+-");
  EXPECT_EQ(told("+---+", 3), "+-+");
  EXPECT_EQ(told("+-+-", 1), "+-+-");
}

TEST(WaitForPort, ReturnsOnceTheApplicationListensAndCanBeCancelled) {
  const LogCapture logged;
  Loop loop;
  auto listener = net::Listener::bind("127.0.0.1", 0).value();
  ChannelOptions options;
  options.port = listener->port();
  EXPECT_TRUE(run_on(loop, wait_for_port(options)));
  listener.reset();
  const auto late = run_on(loop, with_timeout(wait_for_port(options), 20ms));
  EXPECT_FALSE(late);
  EXPECT_TRUE(logged.contains("waiting for the application to listen on port ")) << logged.text();
}

}  // namespace
}  // namespace outrigger::runtime::app
