#include "base/base64.h"
#include "dapr/proto/runtime/v1/dapr.pb.h"
#include "runtime/actors/errors.h"
#include "runtime/actors/service.h"
#include "runtime/actors/stream_grpc.h"
#include "runtime/api/grpc_gate.h"

namespace outrigger::runtime::actors {
namespace {

namespace pb = dapr::proto::runtime::v1;
using net::grpc::Call;

std::unexpected<Error> malformed(std::string_view type) {
  return fail(Code::internal, "grpc: error unmarshalling request: malformed " + std::string(type));
}

template <class Request>
ActorRef actor_of(Request& request) {
  return {std::move(*request.mutable_actor_type()), std::move(*request.mutable_actor_id())};
}

Task<Result<>> admit(Service& service, std::string type) {
  if (is_reserved_type(type)) co_return fail(type_reserved(type));
  auto admitted = co_await service.admit();
  co_return admitted;
}

/// The same for reminders, which only types that live here have.
Task<Result<>> admit_hosted(Service& service, std::string type) {
  auto admitted = co_await admit(service, type);
  if (admitted) admitted = service.check_hosted(type);
  co_return admitted;
}

/// `[]byte` in JSON, as upstream stores the data of gRPC clients.
std::optional<AnyData> data_of(const std::string& bytes) {
  if (bytes.empty()) return std::nullopt;
  return any_of_json("\"" + base64_encode(bytes) + "\"");
}

Task<Result<std::string>> call_actor(Service& service, Call& call, std::string message) {
  pb::InvokeActorRequest request;
  if (!request.ParseFromString(message)) co_return malformed(request.GetTypeName());
  OUT_CO_CHECK(co_await service.admit());
  const auto type = check_name(request.actor_type());
  if (!type) co_return fail(Code::invalid_argument, "invalid actorType: " + type.error().message());
  const auto id = check_name(request.actor_id());
  if (!id) co_return fail(Code::invalid_argument, "invalid actorId: " + id.error().message());
  auto method = invoke::normalise_method(request.method());
  if (!method) {
    co_return fail(Code::invalid_argument, "invalid actor method: " + method.error().message());
  }
  auto invocation = std::make_shared<Invocation>();
  invocation->actor = actor_of(request);
  invocation->request.method = *std::move(method);
  for (const auto& [name, value] : request.metadata()) {
    if (name == "dapr-caller-app-id" || name == "dapr-caller-namespace") continue;
    invocation->request.metadata.add(name, value);
  }
  invocation->request.metadata.set("Dapr-API-Call", "true");
  invocation->request.body = net::Body(std::move(*request.mutable_data()));
  invocation->trace = api::trace_of(call);
  auto reply = co_await service.invoke(std::move(invocation));
  if (!reply) {
    Error& error = reply.error();
    if (is_wrapped(error)) co_return fail(error.code(), error.message());
    // What has a code of its own keeps it; Go knows the others as plain errors.
    const bool status =
        error.tag().starts_with("ERR_") ||
        (error.tag().empty() && error.code() != Code::unknown && error.code() != Code::cancelled);
    if (status) co_return std::unexpected(std::move(error));
    co_return fail(invoke_failed(error));
  }
  pb::InvokeActorResponse response;
  response.set_data(std::move(reply->body.whole));
  co_return response.SerializeAsString();
}

Task<Result<std::string>> get_state(Service& service, std::string message) {
  pb::GetActorStateRequest request;
  if (!request.ParseFromString(message)) co_return malformed(request.GetTypeName());
  OUT_CO_CHECK(co_await admit(service, request.actor_type()));
  auto item = co_await service.state().get(actor_of(request), std::move(*request.mutable_key()));
  if (!item) co_return std::unexpected(std::move(item).error());
  pb::GetActorStateResponse response;
  if (*item) {
    response.set_data(std::move((*item)->value));
    for (auto& [key, value] : (*item)->metadata) (*response.mutable_metadata())[key] = value;
  }
  co_return response.SerializeAsString();
}

Task<Result<std::string>> transact(Service& service, std::string message) {
  pb::ExecuteActorStateTransactionRequest request;
  if (!request.ParseFromString(message)) co_return malformed(request.GetTypeName());
  OUT_CO_CHECK(co_await admit(service, request.actor_type()));
  std::vector<StateOperation> operations;
  for (auto& each : *request.mutable_operations()) {
    if (each.operationtype() != "upsert" && each.operationtype() != "delete") {
      ErrorDetails details;
      details.reason = "ERR_NOT_SUPPORTED_STATE_OPERATION";
      co_return fail(Error(Code::unimplemented, "ERR_NOT_SUPPORTED_STATE_OPERATION",
                           "operation type " + each.operationtype() + " not supported")
                         .with_details(std::move(details)));
    }
    StateOperation& operation = operations.emplace_back();
    operation.operation = std::move(*each.mutable_operationtype());
    operation.key = std::move(*each.mutable_key());
    operation.value = std::move(*each.mutable_value()->mutable_value());
    for (auto& [key, value] : each.metadata()) operation.metadata.insert_or_assign(key, value);
  }
  OUT_CO_CHECK(co_await service.state().transact(actor_of(request), std::move(operations)));
  co_return std::string();
}

Task<Result<std::string>> add_timer(Service& service, std::string message) {
  pb::RegisterActorTimerRequest request;
  if (!request.ParseFromString(message)) co_return malformed(request.GetTypeName());
  OUT_CO_CHECK(co_await admit(service, request.actor_type()));
  const auto named = check_name(request.name());
  if (!named) co_return fail(bad_request(named.error().message()));
  TimerRequest timer;
  timer.actor = actor_of(request);
  timer.name = std::move(*request.mutable_name());
  timer.when = {std::move(*request.mutable_due_time()), std::move(*request.mutable_period()),
                std::move(*request.mutable_ttl())};
  timer.callback = std::move(*request.mutable_callback());
  timer.data = data_of(request.data());
  OUT_CO_CHECK(co_await service.add_timer(std::move(timer)));
  co_return std::string();
}

Task<Result<std::string>> remove_timer(Service& service, std::string message) {
  pb::UnregisterActorTimerRequest request;
  if (!request.ParseFromString(message)) co_return malformed(request.GetTypeName());
  OUT_CO_CHECK(co_await admit(service, request.actor_type()));
  std::string name = std::move(*request.mutable_name());
  OUT_CO_CHECK(co_await service.remove_timer(actor_of(request), std::move(name)));
  co_return std::string();
}

std::optional<scheduler::FailurePolicy> policy_of(const pb::RegisterActorReminderRequest& request) {
  if (!request.has_failure_policy()) return std::nullopt;
  const auto& given = request.failure_policy();
  scheduler::FailurePolicy policy;
  if (given.has_drop()) {
    policy.kind = scheduler::FailurePolicy::Kind::drop;
  } else if (given.has_constant()) {
    policy.kind = scheduler::FailurePolicy::Kind::constant;
    if (given.constant().has_interval()) {
      policy.interval = scheduler::FailurePolicy::Interval{given.constant().interval().seconds(),
                                                           given.constant().interval().nanos()};
    }
    if (given.constant().has_max_retries()) policy.retries_max = given.constant().max_retries();
  }
  return policy;
}

Task<Result<std::string>> add_reminder(Service& service, std::string message) {
  pb::RegisterActorReminderRequest request;
  if (!request.ParseFromString(message)) co_return malformed(request.GetTypeName());
  OUT_CO_CHECK(co_await admit(service, request.actor_type()));
  if (request.name().empty()) co_return fail(bad_request("reminder name cannot be empty"));
  const auto named = check_name(request.name());
  if (!named) co_return fail(bad_request(named.error().message()));
  OUT_CO_CHECK(service.check_hosted(request.actor_type()));
  ReminderRequest reminder;
  reminder.failure_policy = policy_of(request);
  reminder.actor = actor_of(request);
  reminder.name = std::move(*request.mutable_name());
  reminder.when = {std::move(*request.mutable_due_time()), std::move(*request.mutable_period()),
                   std::move(*request.mutable_ttl())};
  reminder.data = data_of(request.data());
  if (request.has_overwrite()) reminder.overwrite = request.overwrite();
  OUT_CO_CHECK(co_await service.reminders().add(std::move(reminder)));
  co_return std::string();
}

Task<Result<std::string>> remove_reminder(Service& service, std::string message) {
  pb::UnregisterActorReminderRequest request;
  if (!request.ParseFromString(message)) co_return malformed(request.GetTypeName());
  OUT_CO_CHECK(co_await admit_hosted(service, request.actor_type()));
  std::string name = std::move(*request.mutable_name());
  OUT_CO_CHECK(co_await service.reminders().remove(actor_of(request), std::move(name)));
  co_return std::string();
}

Task<Result<std::string>> remove_reminders(Service& service, std::string message) {
  pb::UnregisterActorRemindersByTypeRequest request;
  if (!request.ParseFromString(message)) co_return malformed(request.GetTypeName());
  OUT_CO_CHECK(co_await admit_hosted(service, request.actor_type()));
  std::optional<std::string> id;
  if (request.has_actor_id()) id = request.actor_id();
  OUT_CO_CHECK(co_await service.reminders().remove_all(request.actor_type(), std::move(id)));
  co_return std::string();
}

/// Into GetActorReminderResponse, or ActorReminder, which has the same fields.
template <class Message>
void fill(Message& message, StoredReminder& reminder) {
  message.set_actor_type(std::move(reminder.actor.type));
  message.set_actor_id(std::move(reminder.actor.id));
  if (!reminder.due_time.empty()) message.set_due_time(std::move(reminder.due_time));
  if (!reminder.period.empty()) message.set_period(std::move(reminder.period));
  if (!reminder.ttl.empty()) message.set_ttl(std::move(reminder.ttl));
  if (!reminder.data) return;
  message.mutable_data()->set_type_url(std::move(reminder.data->type_url));
  message.mutable_data()->set_value(std::move(reminder.data->value));
}

Task<Result<std::string>> get_reminder(Service& service, std::string message) {
  pb::GetActorReminderRequest request;
  if (!request.ParseFromString(message)) co_return malformed(request.GetTypeName());
  OUT_CO_CHECK(co_await admit_hosted(service, request.actor_type()));
  std::string name = std::move(*request.mutable_name());
  auto reminder = co_await service.reminders().get(actor_of(request), std::move(name));
  if (!reminder) co_return std::unexpected(std::move(reminder).error());
  pb::GetActorReminderResponse response;
  fill(response, *reminder);
  co_return response.SerializeAsString();
}

Task<Result<std::string>> list_reminders(Service& service, std::string message) {
  pb::ListActorRemindersRequest request;
  if (!request.ParseFromString(message)) co_return malformed(request.GetTypeName());
  OUT_CO_CHECK(co_await admit_hosted(service, request.actor_type()));
  auto reminders = co_await service.reminders().list(actor_of(request));
  if (!reminders) co_return std::unexpected(std::move(reminders).error());
  pb::ListActorRemindersResponse response;
  for (StoredReminder& reminder : *reminders) {
    auto* one = response.add_reminders();
    one->set_name(std::move(reminder.name));
    fill(*one->mutable_reminder(), reminder);
  }
  co_return response.SerializeAsString();
}

struct Row {
  std::string_view name;
  Task<Result<std::string>> (*handler)(Service&, std::string);
};

constexpr Row kMethods[] = {
    {"GetActorState", &get_state},
    {"ExecuteActorStateTransaction", &transact},
    {"RegisterActorTimer", &add_timer},
    {"UnregisterActorTimer", &remove_timer},
    {"RegisterActorReminder", &add_reminder},
    {"UnregisterActorReminder", &remove_reminder},
    {"UnregisterActorRemindersByType", &remove_reminders},
    {"GetActorReminder", &get_reminder},
    {"ListActorReminders", &list_reminders},
};

}  // namespace

void add_grpc_methods(net::grpc::Service& api, Service& service) {
  const std::string prefix = "/dapr.proto.runtime.v1.Dapr/";
  api.unary(prefix + "InvokeActor", [&service](Call& call, std::string message) {
    return call_actor(service, call, std::move(message));
  });
  for (const Row& row : kMethods) {
    api.unary(prefix + std::string(row.name),
              [&service, handler = row.handler](Call&, std::string message) {
                return handler(service, std::move(message));
              });
  }
  api.stream(prefix + "SubscribeActorEventsAlpha1",
             [&service](Call&, net::grpc::ServerStream& stream) {
               return serve_actor_events(service, stream);
             });
}

}  // namespace outrigger::runtime::actors
