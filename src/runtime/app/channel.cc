#include "runtime/app/channel.h"

#include "net/http/client.h"
#include "net/tls.h"
#include "runtime/app/gate.h"
#include "runtime/telemetry/runtime_metrics.h"

namespace outrigger::runtime::app {
namespace {

constexpr std::string_view kTokenHeader = "dapr-api-token";

bool speaks_grpc(ChannelOptions::Protocol protocol) {
  return protocol == ChannelOptions::Protocol::grpc || protocol == ChannelOptions::Protocol::grpcs;
}

net::ClientOptions client_options(const ChannelOptions& options) {
  net::ClientOptions client;
  client.head_bytes_max = std::max<std::size_t>(options.head_bytes_max, 4096) + 4096;
  return client;
}

class AppChannel final : public Channel {
 public:
  AppChannel(ChannelOptions options, net::Endpoint endpoint, Gate& gate)
      : options_(std::move(options)),
        endpoint_(std::move(endpoint)),
        authority_(endpoint_.address.to_string()),
        gate_(gate),
        client_(client_options(options_)),
        grpc_(client_, endpoint_) {}

  bool is_grpc() const noexcept override { return speaks_grpc(options_.protocol); }
  const ChannelOptions& options() const noexcept override { return options_; }

  void set_filter(Filter filter) override { filter_ = std::move(filter); }

  Task<Result<net::Response>> http(net::Request request) override {
    request.authority = authority_;
    if (!filter_) {
      auto response = co_await send(std::move(request));
      co_return response;
    }
    std::optional<Error> failed;
    std::move_only_function<Task<net::Response>(net::Request)> next =
        [this, &failed](net::Request passed) { return send_on(std::move(passed), &failed); };
    auto response = co_await filter_(std::move(request), std::move(next));
    if (failed) co_return std::unexpected(*std::move(failed));
    co_return response;
  }

  Task<Result<net::grpc::Reply>> grpc(std::string path, std::string message,
                                      net::grpc::CallOptions options) override {
    if (auto open = co_await enter(); !open) co_return std::unexpected(std::move(open).error());
    if (!options_.api_token.empty()) options.metadata.set(kTokenHeader, options_.api_token);
    options.message_bytes_max = options_.body_bytes_max;
    const std::string method = path;
    const std::size_t bytes = message.size();
    const TimePoint started = std::chrono::steady_clock::now();
    auto reply = co_await grpc_.unary(std::move(path), std::move(message), std::move(options));
    leave();
    if (options_.metrics != nullptr) count(method, bytes, started, reply);
    co_return reply;
  }

  Task<Result<net::Response>> proxy(net::Request request) override {
    if (request.authority.empty()) request.authority = authority_;
    auto response = co_await send(std::move(request));
    co_return response;
  }

  Task<void> close() override {
    co_await grpc_.drain();
    co_await client_.close();
  }

 private:
  Task<net::Response> send_on(net::Request request, std::optional<Error>* failed) {
    auto response = co_await send(std::move(request));
    if (response) co_return *std::move(response);
    *failed = std::move(response).error();
    // Seen by the filter only.
    net::Response unreachable;
    unreachable.status = 502;
    co_return unreachable;
  }
  Task<Result<net::Response>> send(net::Request request) {
    if (auto open = co_await enter(); !open) co_return std::unexpected(std::move(open).error());
    request.scheme = endpoint_.tls ? "https" : "http";
    if (!options_.api_token.empty()) request.headers.set(kTokenHeader, options_.api_token);
    auto response = co_await client_.send(endpoint_, std::move(request));
    leave();
    co_return response;
  }

  void count(std::string_view method, std::size_t bytes, TimePoint started,
             const Result<net::grpc::Reply>& reply) const {
    telemetry::GrpcMetrics::Call seen{};
    seen.method = method;
    seen.status = to_string(reply ? reply->status.code : reply.error().code());
    seen.request_bytes = bytes;
    seen.response_bytes = reply && reply->status.ok() ? reply->message.size() : 0;
    seen.elapsed = std::chrono::steady_clock::now() - started;
    options_.metrics->grpc.client_call(seen);
  }

  Task<Result<>> enter() {
    if (!gate_.healthy()) co_return fail(Code::internal, "app is not in a healthy state");
    if (!gate_.limited()) co_return Result<>();
    auto entered = co_await gate_.enter();
    co_return entered;
  }
  void leave() {
    if (gate_.limited()) gate_.leave();
  }

  ChannelOptions options_;
  net::Endpoint endpoint_;
  std::string authority_;
  Gate& gate_;
  Filter filter_;
  net::Client client_;
  net::grpc::Channel grpc_;
};

}  // namespace

Result<net::Endpoint> endpoint_of(const ChannelOptions& options) {
  net::Endpoint endpoint;
  endpoint.address = {options.address, options.port};
  const bool tls = options.protocol == ChannelOptions::Protocol::https ||
                   options.protocol == ChannelOptions::Protocol::grpcs;
  const bool http2 =
      speaks_grpc(options.protocol) || options.protocol == ChannelOptions::Protocol::h2c;
  endpoint.protocol = http2 ? net::Endpoint::Protocol::http2 : net::Endpoint::Protocol::http1;
  if (tls) {
    net::TlsOptions trust;
    trust.insecure_skip_verify = true;
    if (http2) trust.alpn = {"h2"};
    OUT_TRY(endpoint.tls, net::TlsContext::client(std::move(trust)));
  }
  return endpoint;
}

Result<std::unique_ptr<Channel>> make_channel(ChannelOptions options, Gate& gate) {
  OUT_TRY(auto endpoint, endpoint_of(options));
  return std::make_unique<AppChannel>(std::move(options), std::move(endpoint), gate);
}

}  // namespace outrigger::runtime::app
