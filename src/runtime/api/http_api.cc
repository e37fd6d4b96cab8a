#include "runtime/api/http_api.h"

#include "base/log.h"
#include "base/secret.h"
#include "net/uri.h"
#include "runtime/api/http_span.h"
#include "runtime/api/render.h"

namespace outrigger::runtime::api {
namespace {

const Logger log("dapr.runtime.http-info", Logger::Threshold::always);

bool is_health_route(const Route* route) { return route != nullptr && route->group == "healthz"; }

/// As Go's URL.Path. Decoded if need be, into `scratch`.
std::string_view plain_path(std::string_view path, std::string& scratch) {
  if (path.find('%') == std::string_view::npos) return path;
  auto decoded = net::path_unescape(path);
  if (!decoded) return path;
  scratch = *std::move(decoded);
  return scratch;
}

/// One line of the log.
struct LogEntry {
  std::string method;
  std::string agent;
  /// By which the lines of all sidecars that one request passed are found; empty: none.
  std::string trace;

  void write(int status, Duration elapsed, std::uint64_t bytes) const {
    const auto duration = std::chrono::duration_cast<std::chrono::milliseconds>(elapsed).count();
    std::vector<LogField> fields = {
        {"method", method}, {"code", status}, {"duration", duration}, {"size", bytes}};
    if (!agent.empty()) fields.push_back({"useragent", agent});
    if (!trace.empty()) fields.push_back({"traceid", trace});
    log.log(LogLevel::info, "HTTP API Called", fields);
  }
};

std::optional<LogEntry> log_entry(const HttpApiSettings& settings, const HttpCall& call) {
  if (!settings.log_calls) return std::nullopt;
  if (settings.omit_health_checks && is_health_route(call.route)) return std::nullopt;
  LogEntry entry;
  if (settings.obfuscate_urls) {
    entry.method = call.name.empty() && call.route != nullptr ? call.route->name : call.name;
  } else {
    std::string scratch;
    const auto target = net::split_target(call.request.target);
    entry.method = call.request.method + " ";
    entry.method += plain_path(target.path, scratch);
  }
  entry.agent = call.request.headers.value("user-agent");
  if (call.trace.has_trace_id()) entry.trace = telemetry::trace_id_text(call.trace);
  return entry;
}

/// What is recorded of an answer when its stream ends, which is after the call.
struct Streamed {
  const telemetry::HttpMetrics& metrics;
  std::string method;
  std::string path;
  telemetry::HttpMetrics::Request seen;
  TimePoint started;
  std::optional<LogEntry> entry;

  void record(std::uint64_t bytes) {
    seen.method = method;
    seen.path = path;
    seen.response_bytes = bytes;
    seen.elapsed = std::chrono::steady_clock::now() - started;
    metrics.server_request(seen);
    if (entry) entry->write(seen.status, seen.elapsed, bytes);
  }
};

void read_target(HttpCall& call) {
  const auto target = net::split_target(call.request.target);
  call.clean_target = net::clean_path(target.path);
  const std::size_t path_bytes = call.clean_target.size();
  call.clean_target.append(1, '?').append(target.query);
  call.path = std::string_view(call.clean_target).substr(0, path_bytes);
  call.query = std::string_view(call.clean_target).substr(path_bytes + 1);
}

}  // namespace

HttpApi::HttpApi(std::shared_ptr<const HttpApiSettings> settings, const Router& router,
                 const telemetry::RuntimeMetrics& metrics)
    : settings_(std::move(settings)), router_(router), metrics_(metrics) {}

Task<net::Response> HttpApi::handle(net::Request request) {
  const TimePoint started = Loop::current().now();
  HttpCall call;
  const std::uint64_t request_bytes = request.content_length.value_or(0);
  call.request = std::move(request);
  call.body_bytes_max = settings_->body_bytes_max;
  call.wants_name = settings_->obfuscate_urls;
  read_target(call);
  begin_span(call);
  const std::string origin(call.request.headers.value("origin"));

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

void HttpApi::begin_span(HttpCall& call) const {
  const net::Headers& headers = call.request.headers;
  const telemetry::TraceContext parent =
      telemetry::from_headers(headers.value(telemetry::kTraceparentHeader),
                              headers.joined(telemetry::kTracestateHeader, ","));
  call.trace = settings_->tracer.start(parent);
  call.span = settings_->tracer.open(parent, call.trace, telemetry::SpanKind::client);
  if (call.span != nullptr) note_request(call);
}

Result<> HttpApi::find_route(HttpCall& call) const {
  auto match = router_.find(call.request.method, call.path);
  if (!match) return std::unexpected(std::move(match).error());
  call.route = match->route;
  call.params = std::move(match->params);
  return {};
}

Task<net::Response> HttpApi::authorised(HttpCall& call) {
  const Result<> match = find_route(call);
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
    if (filter_) {
      auto response = co_await filtered(call);
      co_return response;
    }
  }
  auto response = co_await checked(call, match);
  co_return response;
}

Task<net::Response> HttpApi::filtered(HttpCall& call) {
  // For the log and the metrics, if the request goes no further.
  net::Request seen;
  seen.method = call.request.method;
  seen.target = call.request.target;
  seen.headers.add("user-agent", call.request.headers.value("user-agent"));
  bool passed = false;
  std::move_only_function<Task<net::Response>(net::Request)> next =
      [this, &call, &passed](net::Request request) {
        return passed_on(&call, std::move(request), &passed);
      };
  auto response = co_await filter_(std::move(call.request), std::move(next));
  if (!passed) call.request = std::move(seen);
  co_return response;
}

Task<net::Response> HttpApi::passed_on(HttpCall* call, net::Request request, bool* passed) {
  *passed = true;
  call->request = std::move(request);
  read_target(*call);
  call->route = nullptr;
  call->params.clear();
  const Result<> match = find_route(*call);
  auto response = co_await checked(*call, match);
  co_return response;
}

Task<net::Response> HttpApi::checked(HttpCall& call, const Result<>& match) {
  // A route that is switched off is as if it were not there.
  const bool open =
      settings_->public_only || call.route == nullptr || settings_->access.allows(*call.route);
  if (!open) call.route = nullptr;
  if (!match) co_return text_response(400, match.error().message() + "\n");
  const auto baggage = call.request.headers.joined(telemetry::kBaggageHeader, ",");
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
  if (!fallback_ || !settings_->invokes_by_header)
    co_return text_response(404, "404 page not found\n");
  auto response = co_await fallback_(call);
  co_return response;
}

void HttpApi::finish(HttpCall& call, std::uint64_t request_bytes, TimePoint started,
                     net::Response& response) const {
  const bool health = is_health_route(call.route);
  if (!health && !response.headers.contains(telemetry::kTraceparentHeader)) {
    response.headers.add(telemetry::kTraceparentHeader, telemetry::format_traceparent(call.trace));
    if (!call.trace.state.empty() && !response.headers.contains(telemetry::kTracestateHeader)) {
      response.headers.add(telemetry::kTracestateHeader, call.trace.state);
    }
  }
  if (response.error) {
    metrics_.error_code(error_code(*response.error), error_category(*response.error));
  }
  std::string scratch;
  telemetry::HttpMetrics::Request seen{};
  seen.method = call.request.method;
  seen.path = plain_path(call.path, scratch);
  if (call.span != nullptr && !health) {
    note_answer(call, seen.path, response.status);
    settings_->tracer.close(std::move(call.span));
  }
  seen.status = response.status;
  seen.request_bytes = request_bytes;
  auto entry = log_entry(*settings_, call);
  if (response.body.is_stream()) {
    Streamed streamed{metrics_.http, std::string(seen.method), std::string(seen.path), seen,
                      started,       std::move(entry)};
    response.body.stream->watch_end(
        [streamed = std::move(streamed), pipe = response.body.stream.get()](
            const net::Headers*, const Error*) mutable { streamed.record(pipe->passed()); });
    return;
  }
  seen.response_bytes = response.body.whole.size();
  seen.elapsed = std::chrono::steady_clock::now() - started;
  metrics_.http.server_request(seen);
  if (entry) entry->write(seen.status, seen.elapsed, seen.response_bytes);
}

}  // namespace outrigger::runtime::api
