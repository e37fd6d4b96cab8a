#include "runtime/app/health.h"

#include "base/log.h"
#include "net/http/client.h"
#include "runtime/telemetry/runtime_metrics.h"

namespace outrigger::runtime::app {
namespace {

using namespace std::chrono_literals;

const Logger log("dapr.apphealth");
const Logger runtime_log("dapr.runtime");

constexpr auto kPortTryEvery = 50ms;
constexpr auto kPortRemindEvery = 10s;
constexpr std::string_view kHealthMethod =
    "/dapr.proto.runtime.v1.AppCallbackHealthCheck/HealthCheck";

class ChannelProber final : public Prober {
 public:
  ChannelProber(net::Endpoint endpoint, bool grpc, std::string path,
                const telemetry::RuntimeMetrics* metrics)
      : metrics_(metrics),
        endpoint_(std::move(endpoint)),
        is_grpc_(grpc),
        path_(std::move(path)),
        grpc_(client_, endpoint_) {}

  Task<bool> probe() override {
    if (is_grpc_) {
      net::grpc::CallOptions options;
      const TimePoint started = std::chrono::steady_clock::now();
      auto reply = co_await grpc_.unary(std::string(kHealthMethod), "", std::move(options));
      const Code code = reply ? reply->status.code : reply.error().code();
      if (metrics_ != nullptr) {
        telemetry::GrpcMetrics::Call seen{};
        seen.method = kHealthMethod;
        seen.status = to_string(code);
        seen.elapsed = std::chrono::steady_clock::now() - started;
        metrics_->grpc.client_call(seen);
      }
      co_return code == Code::ok;
    }
    net::Request request;
    request.method = "GET";
    request.target = path_;
    request.scheme = endpoint_.tls ? "https" : "http";
    request.authority = endpoint_.address.to_string();
    const TimePoint started = std::chrono::steady_clock::now();
    auto response = co_await client_.send(endpoint_, std::move(request));
    if (metrics_ != nullptr) {
      metrics_->http.health_probe(response ? response->status : 500,
                                  std::chrono::steady_clock::now() - started);
    }
    if (!response) co_return false;
    const bool healthy = response->status >= 200 && response->status < 300;
    if (response->body.stream) response->body.stream->close();
    co_return healthy;
  }
  Task<void> close() override {
    co_await grpc_.drain();
    co_await client_.close();
  }

 private:
  const telemetry::RuntimeMetrics* metrics_;
  net::Endpoint endpoint_;
  bool is_grpc_;
  std::string path_;
  net::Client client_;
  net::grpc::Channel grpc_;
};

Task<Result<bool>> probe_once(Prober& prober) {
  const bool healthy = co_await prober.probe();
  co_return healthy;
}

}  // namespace

Result<std::unique_ptr<Prober>> make_prober(const ChannelOptions& channel, std::string path) {
  using Protocol = ChannelOptions::Protocol;
  const bool grpc = channel.protocol == Protocol::grpc || channel.protocol == Protocol::grpcs;
  OUT_TRY(auto endpoint, endpoint_of(channel));
  if (!path.starts_with('/')) path.insert(0, 1, '/');
  return std::make_unique<ChannelProber>(std::move(endpoint), grpc, std::move(path),
                                         channel.metrics);
}

Task<void> watch_health(Prober& prober, HealthOptions options,
                        std::function<void(bool healthy)> changed) {
  int failures = options.threshold;
  for (;;) {
    auto outcome = co_await with_timeout(probe_once(prober), options.timeout);
    Cancellation* mine = co_await this_cancellation();
    if (mine != nullptr && mine->requested()) co_return;
    const bool good = outcome && *outcome;
    if (good && failures >= options.threshold) {
      log.info("App entered healthy status");
      changed(true);
    }
    if (!good && failures < options.threshold && ++failures == options.threshold) {
      log.warn("App entered un-healthy status");
      changed(false);
    }
    if (good) failures = 0;
    auto slept = co_await sleep_for(options.interval);
    if (!slept) co_return;
  }
}

Task<Result<>> wait_for_port(ChannelOptions channel) {
  const net::Address address{channel.address, channel.port};
  TimePoint remind = TimePoint::min();
  for (;;) {
    auto connected = co_await with_timeout(net::connect(address), 500ms);
    if (connected) {
      runtime_log.info("application discovered on port ", channel.port);
      co_return Result<>();
    }
    if (connected.error().code() == Code::cancelled) {
      co_return std::unexpected(std::move(connected).error());
    }
    const TimePoint now = Loop::current().now();
    if (now >= remind) {
      runtime_log.info("waiting for the application to listen on port ", channel.port,
                       ". This will block until the app is listening on that port.");
      remind = now + kPortRemindEvery;
    }
    OUT_CO_CHECK(co_await sleep_for(kPortTryEvery));
  }
}

}  // namespace outrigger::runtime::app
