#include "runtime/invoke/proxy.h"

#include "base/base64.h"
#include "base/strings.h"
#include "net/grpc/metadata.h"
#include "runtime/api/grpc_gate.h"
#include "runtime/invoke/message_limit.h"
#include "runtime/invoke/method.h"
#include "runtime/invoke/target.h"

namespace outrigger::runtime::invoke {
namespace {

using net::grpc::Call;
using net::grpc::Status;
using telemetry::ServiceMetrics;

constexpr std::string_view kAppId = "dapr-app-id";
constexpr std::string_view kCalleeId = "dapr-callee-app-id";
constexpr std::string_view kCallerId = "dapr-caller-app-id";
constexpr std::string_view kApiToken = "dapr-api-token";
constexpr std::string_view kStream = "dapr-stream";

void set_trace(net::Headers& headers, const TraceContext& trace) {
  if (trace == TraceContext()) return;
  headers.set(telemetry::kTraceparentHeader, telemetry::format_traceparent(trace));
  const auto bin = telemetry::encode_trace_bin(trace);
  headers.set(
      telemetry::kGrpcTraceBinHeader,
      base64_encode({bin.data(), bin.size()}, Base64Alphabet::standard, Base64Padding::raw));
}

bool is_grpc(const net::Response& response) {
  return response.status == 200 &&
         net::grpc::content_subtype(response.headers.value("content-type")).has_value();
}

/// An answer that is no gRPC as the status that stands for it.
Error not_grpc(net::Response response) {
  if (response.body.stream) response.body.stream->close();
  return net::grpc::to_error(net::grpc::status_of_response(response, response.body.trailers));
}

/// Whether the application can be spoken HTTP/2 to.
bool takes_grpc(const app::Channel& channel) {
  return channel.is_grpc() || channel.options().protocol == app::ChannelOptions::Protocol::h2c;
}

ServiceMetrics::CallType type_of(const net::Request& request) {
  return is_streaming(request) ? ServiceMetrics::CallType::streaming
                               : ServiceMetrics::CallType::unary;
}

}  // namespace

bool is_streaming(const net::Request& request) { return is_truthy(request.headers.value(kStream)); }

Status status_now(const Result<net::Response>& response) {
  if (!response) return net::grpc::to_status(response.error());
  if (response->body.is_stream()) return {};
  return net::grpc::status_of_response(*response, response->body.trailers);
}

void report_end(net::Response& response, std::move_only_function<void(const Status&)> ended) {
  if (!response.body.is_stream()) {
    ended(net::grpc::status_of_response(response, response.body.trailers));
    return;
  }
  response.body.stream->watch_end(
      [ended = std::move(ended)](const net::Headers* trailers, const Error* error) mutable {
        if (trailers != nullptr) return ended(net::grpc::status_of(*trailers));
        if (error != nullptr) return ended(net::grpc::to_status(*error));
        ended(Status{.code = Code::cancelled, .message = "context canceled"});
      });
}

Task<Result<net::Response>> Proxy::handle(std::shared_ptr<Call> call, net::Request request,
                                          std::move_only_function<void(const Status&)> ended) {
  MessageLimit limit(service_.message_bytes_max());
  Result<net::Response> response;
  if (auto fits = limit.guard(request); !fits) {
    response = std::unexpected(std::move(fits).error());
  } else {
    response = co_await pass_on(std::move(call), std::move(request));
  }
  if (!response && limit.refusal()) response = std::unexpected(*limit.refusal());
  if (response && !is_grpc(*response)) response = fail(not_grpc(*std::move(response)));
  if (response) {
    if (auto fits = limit.guard(*response); !fits) {
      response = std::unexpected(std::move(fits).error());
    }
  }
  if (response) {
    report_end(*response, std::move(ended));
  } else {
    ended(net::grpc::to_status(response.error()));
  }
  co_return response;
}

Task<Result<net::Response>> Proxy::pass_on(std::shared_ptr<Call> call, net::Request request) {
  std::string_view name = request.headers.value(kCalleeId);
  if (name.empty()) name = request.headers.value(kAppId);
  if (name.empty()) {
    co_return fail(Code::unknown,
                   "cannot proxy request: missing dapr-callee-app-id or dapr-app-id metadata");
  }
  OUT_CO_TRY(auto app, parse_app_name(name, service_.identity().app_namespace));
  std::string asked(request.headers.value(kAppId));
  request.headers.remove(kAppId);
  // A token that has been asked for and found right is not shown to others.
  if (!call->metadata.contains(kApiToken)) request.headers.remove(kApiToken);
  if (app.id == service_.identity().app_id) {
    const auto type = type_of(request);
    const TimePoint started = std::chrono::steady_clock::now();
    set_trace(request.headers, api::trace_of(*call));
    auto response = co_await to_own_app(std::move(call), std::move(request));
    // As upstream: the application that calls itself counts too, if it names itself so.
    if (!asked.empty()) {
      const ServiceMetrics& metrics = service_.metrics().service;
      metrics.invocation_request_sent(asked, type);
      metrics.invocation_response_received(asked, static_cast<int>(status_now(response).code), type,
                                           std::chrono::steady_clock::now() - started);
    }
    co_return response;
  }
  peers::Target target{.app_id = std::move(app.id), .app_namespace = std::move(app.app_namespace)};
  TraceContext trace = api::trace_of(*call);
  resiliency::Policy policy;
  if (!asked.empty()) policy = service_.policies().app(asked, request.target);
  if (!policy.empty()) {
    auto response = co_await under_policy(std::move(policy), std::move(target), std::move(request),
                                          std::move(trace));
    co_return response;
  }
  auto response = co_await to_sidecar(std::move(target), std::move(request), std::move(trace));
  co_return response;
}

Task<Result<net::Response>> Proxy::to_own_app(std::shared_ptr<Call> call, net::Request request) {
  auto method = normalise_method(request.target);
  if (!method) {
    co_return fail(Code::invalid_argument, "invalid method: " + method.error().message());
  }
  AccessQuestion question;
  question.peer = call->peer;
  question.operation = *method;
  question.proxied = true;
  OUT_CO_CHECK(service_.check_access(question));
  app::Channel* const channel = service_.app().channel();
  if (channel == nullptr || !takes_grpc(*channel)) {
    co_return fail(Code::unavailable, "the application does not speak gRPC");
  }
  const auto limit = service_.app().limit();
  std::optional<resiliency::Limit::Pass> pass;
  if (limit != nullptr) {
    auto entered = limit->enter(std::chrono::steady_clock::now());
    if (!entered) {
      co_return fail(Code::resource_exhausted,
                     over_limit_text(service_.identity().app_id, entered.error()));
    }
    pass.emplace(*std::move(entered));
  }
  request.target = *std::move(method);
  request.headers.remove(kApiToken);
  request.authority.clear();
  auto response = co_await channel->proxy(std::move(request));
  co_return response;
}

Task<Result<std::string>> Proxy::locate(peers::Target target) {
  if (auto known = service_.peers().locate_now(target); known && !known->empty()) {
    co_return *std::move(known);
  }
  auto found = co_await service_.peers().locate(std::move(target));
  if (!found) co_return fail(std::move(found).error().with_code(Code::unknown));
  co_return found;
}

Task<Result<net::Response>> Proxy::to_sidecar(peers::Target target, net::Request request,
                                              TraceContext trace) {
  const auto type = type_of(request);
  request.headers.set(kCallerId, service_.identity().app_id);
  request.headers.set(kCalleeId, target.app_id);
  set_trace(request.headers, trace);
  // What has come whole can be sent again if the connection turns out to be dead.
  std::optional<net::Request> again;
  if (!request.body.is_stream()) again = request;
  const ServiceMetrics& metrics = service_.metrics().service;
  for (;;) {
    OUT_CO_TRY(auto address, co_await locate(target));
    metrics.invocation_request_sent(target.app_id, type);
    const TimePoint started = std::chrono::steady_clock::now();
    auto response = co_await service_.peers().send(target, address, std::move(request));
    const Duration elapsed = std::chrono::steady_clock::now() - started;
    const Status status = status_now(response);
    if (const auto outliers = service_.policies().outliers(target.app_id)) {
      outliers->record(address, resiliency::speaks_against_replica(status.code),
                       std::chrono::steady_clock::now());
    }
    metrics.invocation_response_received(target.app_id, static_cast<int>(status.code), type,
                                         elapsed);
    if (response || status.code != Code::unavailable) co_return response;
    service_.peers().drop(target, address);
    if (!again) co_return response;
    request = *std::move(again);
    again.reset();
  }
}

}  // namespace outrigger::runtime::invoke
