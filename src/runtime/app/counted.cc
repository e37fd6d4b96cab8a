#include "runtime/app/counted.h"

#include "runtime/telemetry/runtime_metrics.h"

namespace outrigger::runtime::app {

Task<Result<net::Response>> http_counted(Channel& channel, std::string name, net::Request request) {
  const telemetry::RuntimeMetrics* const metrics = channel.options().metrics;
  if (metrics == nullptr) {
    auto plain = co_await channel.http(std::move(request));
    co_return plain;
  }
  const std::string method = request.method;
  telemetry::HttpMetrics::Request seen{};
  seen.method = method;
  seen.path = name;
  metrics->http.client_request_started(method, name, request.body.whole.size());
  const TimePoint started = std::chrono::steady_clock::now();
  auto response = co_await channel.http(std::move(request));
  seen.elapsed = std::chrono::steady_clock::now() - started;
  // As upstream: no answer counts as an internal error.
  seen.status = response ? response->status : 500;
  if (response) {
    seen.response_bytes = response->content_length.value_or(response->body.whole.size());
  }
  metrics->http.client_request(seen);
  co_return response;
}

}  // namespace outrigger::runtime::app
