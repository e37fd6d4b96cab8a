#include "dapr/proto/runtime/v1/actors.pb.h"
#include "runtime/actors/errors.h"
#include "runtime/actors/streams.h"

namespace outrigger::runtime::actors {
namespace {

namespace pb = dapr::proto::runtime::v1;
using Answer = pb::SubscribeActorEventsRequestAlpha1;

constexpr std::uint32_t kNotFound = 5;

std::unexpected<Error> plain(std::string message) {
  return fail(Code::unknown, std::move(message));
}

/// What the application said, or how it failed.
Result<Answer> read(const Result<std::string>& bytes, std::string_view method) {
  if (!bytes) return fail(bytes.error());
  Answer answer;
  if (!answer.ParseFromString(*bytes)) return plain("malformed SubscribeActorEventsRequestAlpha1");
  if (!answer.has_request_failed()) return answer;
  const auto& failed = answer.request_failed();
  if (failed.code() == kNotFound && !method.empty()) {
    return fail(method_missing(method));
  }
  return plain("error from actor service: " + failed.message());
}

template <class Message>
void set_data(Message& message, const Reminder& reminder) {
  if (!reminder.data) return;
  message.mutable_data()->set_type_url(reminder.data->type_url);
  message.mutable_data()->set_value(reminder.data->value);
}

template <class Message>
void set_times(Message& message, const Reminder& reminder) {
  message.set_actor_type(reminder.actor.type);
  message.set_actor_id(reminder.actor.id);
  message.set_name(reminder.name);
  message.set_due_time(reminder.due_time);
  message.set_period(reminder.period);
  set_data(message, reminder);
}

using Metadata = google::protobuf::Map<std::string, std::string>;

/// Under the name of the specifications, and as the caller has written it.
void carry(Metadata& metadata, const net::Headers& from, std::string_view name,
           std::string_view value) {
  if (value.empty()) return;
  for (const auto field : from) {
    if (net::iequals(field.name, name)) metadata[std::string(field.name)] = value;
  }
  metadata[std::string(name)] = value;
}

/// The turn belongs to the trace of its call, as it does where callbacks are requests of HTTP.
void carry_trace(Metadata& metadata, const Invocation& call) {
  const net::Headers& from = call.request.metadata;
  const bool traced = call.trace != TraceContext();
  carry(metadata, from, telemetry::kTraceparentHeader,
        traced ? telemetry::format_traceparent(call.trace)
               : std::string(from.value(telemetry::kTraceparentHeader)));
  std::string state = from.joined(telemetry::kTracestateHeader, ",");
  if (traced && !call.trace.state.empty()) state = call.trace.state;
  carry(metadata, from, telemetry::kTracestateHeader, state);
  carry(metadata, from, telemetry::kBaggageHeader, from.joined(telemetry::kBaggageHeader, ","));
}

std::string invoke_request(const Invocation& call, const std::string& reentrancy_id) {
  pb::SubscribeActorEventsResponseInvokeRequestAlpha1 message;
  message.set_actor_type(call.actor.type);
  message.set_actor_id(call.actor.id);
  message.set_method(call.request.method);
  message.set_data(call.request.body.whole);
  auto& metadata = *message.mutable_metadata();
  for (const auto field : call.request.metadata) {
    // The first value of a name counts.
    metadata.insert({std::string(field.name), std::string(field.value)});
  }
  carry_trace(metadata, call);
  if (!reentrancy_id.empty()) metadata[std::string(kReentrancyHeader)] = reentrancy_id;
  return message.SerializeAsString();
}

Reply reply_of(pb::SubscribeActorEventsRequestInvokeResponseAlpha1& answer) {
  Reply reply;
  reply.status = 200;
  for (const auto& [name, value] : answer.metadata()) {
    reply.headers.add(name, value);
    if (name == "content-type") reply.content_type = value;
  }
  if (answer.error()) reply.headers.set(kErrorHeader, "true");
  reply.body = net::Body(std::move(*answer.mutable_data()));
  return reply;
}

}  // namespace

Task<Result<Reply>> StreamCallbacks::invoke(InvocationPtr call, std::string reentrancy_id) {
  const auto bytes = co_await ask(ActorStream::Kind::invoke, invoke_request(*call, reentrancy_id));
  auto answer = read(bytes, call->request.method);
  if (!answer) co_return std::unexpected(std::move(answer).error());
  if (!answer->has_invoke_response()) {
    co_return plain("actor host returned an unexpected response type for invoke");
  }
  co_return reply_of(*answer->mutable_invoke_response());
}

Task<Result<Fired>> StreamCallbacks::fire(ReminderPtr reminder, std::string) {
  std::string message;
  if (reminder->is_timer) {
    pb::SubscribeActorEventsResponseTimerRequestAlpha1 timer;
    set_times(timer, *reminder);
    timer.set_callback(reminder->callback);
    message = timer.SerializeAsString();
  } else {
    pb::SubscribeActorEventsResponseReminderRequestAlpha1 plain_one;
    set_times(plain_one, *reminder);
    message = plain_one.SerializeAsString();
  }
  const auto kind = reminder->is_timer ? ActorStream::Kind::timer : ActorStream::Kind::reminder;
  const auto bytes = co_await ask(kind, std::move(message));
  auto answer = read(bytes, {});
  if (!answer) co_return std::unexpected(std::move(answer).error());
  if (reminder->is_timer ? !answer->has_timer_response() : !answer->has_reminder_response()) {
    co_return plain("actor host returned an unexpected response type for " +
                    std::string(reminder->is_timer ? "timer" : "reminder"));
  }
  const bool cancel =
      reminder->is_timer ? answer->timer_response().cancel() : answer->reminder_response().cancel();
  co_return cancel ? Fired::cancelled : Fired::done;
}

Task<Result<>> StreamCallbacks::deactivate(ActorRef actor) {
  pb::SubscribeActorEventsResponseDeactivateRequestAlpha1 message;
  message.set_actor_type(std::move(actor.type));
  message.set_actor_id(std::move(actor.id));
  auto answer = co_await ask(ActorStream::Kind::deactivate, message.SerializeAsString());
  if (!answer) co_return std::unexpected(std::move(answer).error());
  co_return Result<>();
}

}  // namespace outrigger::runtime::actors
