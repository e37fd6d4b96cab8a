#include "runtime/invoke/grpc.h"

#include "net/grpc/status.h"
#include "runtime/api/grpc_gate.h"
#include "runtime/invoke/envelope.h"
#include "runtime/invoke/internal.h"
#include "runtime/invoke/status.h"
#include "runtime/telemetry/span_notes.h"

namespace outrigger::runtime::invoke {
namespace {

using net::grpc::Call;

constexpr std::string_view kInvokeService = "/dapr.proto.runtime.v1.Dapr/InvokeService";

void set_reply_metadata(Call& call, const Reply& reply, const TraceContext& trace) {
  const std::string baggage(call.reply_metadata.value(telemetry::kBaggageHeader));
  call.reply_metadata = grpc_metadata(fields_of(reply.headers), trace, HttpNames::prefix);
  if (!baggage.empty()) call.reply_metadata.set(telemetry::kBaggageHeader, baggage);
  if (reply.is_http()) {
    call.reply_metadata.set("dapr-http-status", std::to_string(reply.status));
    return;
  }
  call.reply_trailers = grpc_metadata(fields_of(reply.trailers), trace, HttpNames::keep);
}

/// The error that stands for what the application answered; nothing if it is fine.
Result<> check(Call& call, const Reply& reply, std::string_view body) {
  if (reply.is_http()) {
    if (code_of_http_status(reply.status) == Code::ok) return {};
    return fail(error_of_http_status(reply.status, body));
  }
  if (reply.status == 0) return {};
  // An Error knows few kinds of details; these are passed on whatever they are.
  const auto details = join_details(reply.status, reply.status_message, reply.status_details);
  if (!details.empty()) call.reply_trailers.add("grpc-status-details-bin", details);
  return fail(reply.status <= 16 ? static_cast<Code>(reply.status) : Code::unknown,
              reply.status_message);
}

Task<Result<std::string>> invoke_service(Service& service, Call& call, std::string message) {
  Request request;
  std::string app;
  {
    OUT_CO_TRY(const auto parsed, decode_service_request(message));
    app = parsed.app;
    if (!parsed.has_message && !app.empty()) {
      co_return fail(direct_invoke_error(app, Error(Code::unknown, "message is nil")));
    }
    request.method = parsed.request.method;
    request.has_http_extension = parsed.request.has_http_extension;
    request.verb = parsed.request.verb;
    request.query = parsed.request.query;
    request.content_type = parsed.request.content_type;
    request.type_url = parsed.request.type_url;
    request.body.whole = parsed.data;
  }
  if (auto* const span = api::span_of(call)) {
    telemetry::note_app_call(*span, app, request.method);
    span->set("net.peer.name", app);
  }
  request.metadata = metadata_of_grpc_call(call);
  const TraceContext& trace = api::trace_of(call);
  auto reply = co_await service.invoke(app, std::move(request), trace);
  if (!reply) co_return fail(direct_invoke_error(app, reply.error()));
  auto body = co_await reply->body.read_all(service.message_bytes_max());
  if (!body) co_return fail(direct_invoke_error(app, body.error()));
  set_reply_metadata(call, *reply, trace);
  OUT_CO_CHECK(check(call, *reply, *body));
  InvokeResponse response;
  response.data = *body;
  response.type_url = reply->type_url;
  response.content_type = reply->content_type;
  std::string out;
  encode_invoke_response(out, response);
  co_return out;
}

}  // namespace

void add_grpc_methods(net::grpc::Service& api, Service& service) {
  api.unary(std::string(kInvokeService), [&service](Call& call, std::string message) {
    return invoke_service(service, call, std::move(message));
  });
  api.set_fallback(&service.api_fallback());
}

void add_internal_methods(net::grpc::Service& internal, Service& service) {
  internal.unary(std::string(kCallLocal), [&service](Call& call, std::string message) {
    return call_local(service, call, std::move(message));
  });
  internal.set_fallback(&service.internal_fallback());
}

}  // namespace outrigger::runtime::invoke
