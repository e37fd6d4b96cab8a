#include "runtime/actors/bytes_value.h"
#include "runtime/actors/errors.h"
#include "runtime/actors/service.h"
#include "runtime/api/grpc_gate.h"
#include "runtime/telemetry/span_notes.h"

namespace outrigger::runtime::actors {
namespace {

using net::grpc::Call;

std::unexpected<Error> malformed() {
  return fail(Code::internal,
              "grpc: error unmarshalling request: proto: cannot parse invalid wire-format data");
}

/// Neither activated nor asked for: the application would take it for something else.
Result<> check_actor(std::string_view type, std::string_view id) {
  for (const std::string_view name : {type, id}) {
    const auto checked = check_name(name);
    if (checked) continue;
    return fail(Code::invalid_argument, "invalid actor: " + checked.error().message());
  }
  return {};
}

/// The request as this sidecar runs it.
Result<InvocationPtr> read(const std::string& message, Call& call) {
  const auto actor = actor_of_request(message);
  if (!actor) return malformed();
  OUT_TRY(const auto chunk, invoke::decode_request(message));
  OUT_CHECK(check_actor(actor->type, actor->id));
  auto invocation = std::make_shared<Invocation>();
  invocation->actor = {std::string(actor->type), std::string(actor->id)};
  invocation->remote = true;
  invocation->trace = api::trace_of(call);
  if (auto* const span = api::span_of(call)) {
    telemetry::note_actor_call(*span, {actor->type, actor->id}, chunk.request.method);
  }
  invoke::Request& request = invocation->request;
  request.method = chunk.request.method;
  request.has_http_extension = chunk.request.has_http_extension;
  request.verb = chunk.request.verb;
  request.query = chunk.request.query;
  request.content_type = chunk.request.content_type;
  request.type_url = chunk.request.type_url;
  for (const auto& field : chunk.request.metadata) request.metadata.add(field.name, field.value);
  request.body.whole = chunk.data;
  return invocation;
}

/// What a peer is told of an error: a status of its own, or that the call failed.
Error status_of(const Error& error) {
  if (is_wrapped(error)) return {error.code(), error.message()};
  if (error.tag().starts_with("ERR_")) return error;
  if (error.tag().empty() && error.code() != Code::unknown && error.code() != Code::cancelled) {
    return error;
  }
  return invoke_failed(error);
}

Task<Result<std::string>> call_actor(Service& service, Call& call, std::string message) {
  OUT_CO_TRY(auto invocation, read(message, call));
  if (const auto admitted = service.admit_peer(); !admitted) {
    co_return fail(status_of(admitted.error()));
  }
  auto reply = co_await service.call(std::move(invocation));
  if (!reply) co_return fail(status_of(reply.error()));
  std::string out;
  invoke::encode_reply(out, *reply, reply->body.whole);
  co_return out;
}

Task<Result<std::string>> call_reminder(Service& service, Call& call, std::string message) {
  OUT_CO_TRY(auto reminder, decode_reminder(message));
  reminder.trace = api::trace_of(call);
  if (auto* const span = api::span_of(call)) {
    telemetry::note_actor(*span, {reminder.actor.type, reminder.actor.id});
  }
  OUT_CO_CHECK(check_actor(reminder.actor.type, reminder.actor.id));
  OUT_CO_CHECK(service.admit_peer());
  auto fired = co_await service.fire(std::make_shared<const Reminder>(std::move(reminder)));
  if (!fired) {
    const Error& error = fired.error();
    if (error.tag().starts_with("ERR_")) co_return fail(error);
    co_return fail(error.tag().empty() ? error.code() : Code::unknown, error.message());
  }
  if (*fired == Fired::cancelled) co_return fail(Code::unknown, std::string(kCancelledText));
  co_return std::string();
}

/// Actors of applications have no streams; upstream's have none either.
Task<Result<>> call_stream(Service& service, net::grpc::ServerStream& stream) {
  OUT_CO_TRY(const auto message, co_await stream.read());
  OUT_CO_CHECK(co_await service.admit());
  if (!message) co_return fail(Code::internal, "the request is missing");
  co_return fail(Code::unknown, "not implemented");
}

}  // namespace

void add_internal_methods(net::grpc::Service& internal, Service& service) {
  internal.unary(std::string(kCallActor), [&service](Call& call, std::string message) {
    return call_actor(service, call, std::move(message));
  });
  internal.unary(std::string(kCallActorReminder), [&service](Call& call, std::string message) {
    return call_reminder(service, call, std::move(message));
  });
  internal.stream(
      std::string(kCallActorStream),
      [&service](Call&, net::grpc::ServerStream& stream) { return call_stream(service, stream); });
}

}  // namespace outrigger::runtime::actors
