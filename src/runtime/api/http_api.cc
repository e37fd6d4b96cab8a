#include "runtime/api/http_api.h"

#include "base/log.h"
#include "base/secret.h"
#include "net/uri.h"
#include "runtime/api/render.h"

namespace outrigger::runtime::api {
namespace {

const Logger log("dapr.runtime.http-info", Logger::Threshold::always);

bool is_health_route(const Route* route) { return route != nullptr && route->group == "healthz"; }

/// The body's length as far as it is known: of a stream that has no declared length it is not.
std::uint64_t body_bytes(const net::Body& body, const std::optional<std::uint64_t>& declared) {
  if (declared) return *declared;
  return body.is_stream() ? 0 : body.whole.size();
}

}  // namespace

HttpApi::HttpApi(std::shared_ptr<const HttpApiSettings> settings, const Router& router,
                 const telemetry::RuntimeMetrics& metrics)
    : settings_(std::move(settings)), router_(router), metrics_(metrics) {}

Task<net::Response> HttpApi::handle(net::Request request) {
  const TimePoint started = Loop::current().now();
  HttpCall call;
  const std::uint64_t request_bytes = body_bytes(request.body, request.content_length);
  call.request = std::move(request);
  call.body_bytes_max = settings_->body_bytes_max;
  const auto target = net::split_target(call.request.target);
  call.clean_target = net::clean_path(target.path);
  const std::size_t path_bytes = call.clean_target.size();
  call.clean_target.append(1, '?').append(target.query);
  call.path = std::string_view(call.clean_target).substr(0, path_bytes);
  call.query = std::string_view(call.clean_target).substr(path_bytes + 1);
  const net::Headers& headers = call.request.headers;
  call.trace = settings_->tracer.start(telemetry::from_headers(
      headers.value(telemetry::kTraceparentHeader), headers.value(telemetry::kTracestateHeader)));
  const std::string origin(headers.value("origin"));

  net::Response response;
  if (auto preflight = settings_->cors.preflight(call.request)) {
    response = *std::move(preflight);
  } else {
    response = co_await authorised(call);
    settings_->cors.add_headers(origin, call.request.method, response);
  }
  finish(call, request_bytes, started, response);
  co_return response;
}

Task<net::Response> HttpApi::authorised(HttpCall& call) {
  auto match = router_.find(call.request.method, call.path);
  if (match) {
    call.route = match->route;
    call.params = std::move(match->params);
  }
  if (settings_->public_only) {
    if (call.route == nullptr || !call.route->is_public) {
      co_return text_response(404, "404 page not found\n");
    }
  } else {
    const std::string& token = settings_->api_token;
    const bool open = call.route != nullptr && call.route->always_allowed;
    if (!token.empty() && !open &&
        !equals_secret(call.request.headers.value("dapr-api-token"), token)) {
      co_return text_response(401, "invalid api token\n");
    }
    if (!token.empty()) call.request.headers.remove("dapr-api-token");
    // A route that is switched off is as if it were not there.
    if (call.route != nullptr && !settings_->access.allows(*call.route)) call.route = nullptr;
  }
  if (!match) co_return text_response(400, match.error().message() + "\n");
  const auto baggage = call.request.headers.joined(telemetry::kBaggageHeader);
  if (!baggage.empty()) {
    if (auto good = telemetry::check_baggage(baggage); !good) {
      Error error = std::move(good).error();
      co_return render(std::move(error).with_tag("ERR_MALFORMED_REQUEST").with_http_status(400));
    }
  }
  auto response = co_await routed(call);
  // Shown to the client again, as upstream does.
  if (!baggage.empty()) response.headers.set(telemetry::kBaggageHeader, baggage);
  co_return response;
}

Task<net::Response> HttpApi::routed(HttpCall& call) {
  if (call.route != nullptr) {
    // Handlers do not change once the server runs; they are only not const-callable.
    auto& handler = const_cast<HttpHandler&>(call.route->handler);
    auto response = co_await handler(call);
    co_return response;
  }
  if (!fallback_) co_return text_response(404, "404 page not found\n");
  auto response = co_await fallback_(call);
  co_return response;
}

void HttpApi::finish(const HttpCall& call, std::uint64_t request_bytes, TimePoint started,
                     net::Response& response) const {
  const Duration elapsed = std::chrono::steady_clock::now() - started;
  if (!response.headers.contains(telemetry::kTraceparentHeader)) {
    response.headers.add(telemetry::kTraceparentHeader, telemetry::format_traceparent(call.trace));
    if (!call.trace.state.empty() && !response.headers.contains(telemetry::kTracestateHeader)) {
      response.headers.add(telemetry::kTracestateHeader, call.trace.state);
    }
  }
  telemetry::HttpMetrics::Request seen{};
  seen.method = call.request.method;
  seen.path = call.path;
  seen.status = response.status;
  seen.request_bytes = request_bytes;
  seen.response_bytes = body_bytes(response.body, response.content_length);
  seen.elapsed = elapsed;
  metrics_.http.server_request(seen);
  if (response.error) {
    metrics_.error_code(error_code(*response.error), error_category(*response.error));
  }
  if (settings_->log_calls) log_call(call, elapsed, response);
}

void HttpApi::log_call(const HttpCall& call, Duration elapsed,
                       const net::Response& response) const {
  if (settings_->omit_health_checks && is_health_route(call.route)) return;
  std::string method = call.request.method + " " + std::string(call.path);
  if (settings_->obfuscate_urls && call.route != nullptr) method = call.route->group;
  const std::string agent(call.request.headers.value("user-agent"));
  std::vector<LogField> fields = {
      {"method", method},
      {"code", response.status},
      {"duration", std::chrono::duration_cast<std::chrono::milliseconds>(elapsed).count()},
      {"size", body_bytes(response.body, response.content_length)}};
  if (!agent.empty()) fields.push_back({"useragent", agent});
  log.log(LogLevel::info, "HTTP API Called", fields);
}

}  // namespace outrigger::runtime::api
