#include <array>

#include "base/json.h"
#include "base/strings.h"
#include "runtime/actors/errors.h"
#include "runtime/actors/http_body.h"
#include "runtime/actors/service.h"
#include "runtime/api/render.h"
#include "runtime/api/router.h"

namespace outrigger::runtime::actors {
namespace {

using api::HttpCall;

ActorRef actor_of(const HttpCall& call) {
  return {std::string(call.param("actorType")), std::string(call.param("actorId"))};
}

/// Whether the actor may be dealt with here, and whether there are actors at all.
Task<Result<>> admit(Service& service, std::string type) {
  if (is_reserved_type(type)) co_return fail(type_reserved(type));
  auto admitted = co_await service.admit();
  co_return admitted;
}

net::Response answer(const Result<>& result) {
  return result ? api::empty_response() : api::render(result.error());
}

Task<Result<std::string>> read_body(HttpCall& call) {
  const std::size_t limit = call.body_bytes_max == 0 ? SIZE_MAX : call.body_bytes_max;
  auto body = co_await call.request.body.read_all(limit);
  if (!body && body.error().code() == Code::resource_exhausted) {
    co_return fail(Code::invalid_argument, "stream too large");
  }
  co_return body;
}

/// What the client gets when its actor's method could not be run.
net::Response invoke_error(const Error& error) {
  if (error.tag().starts_with("ERR_")) return api::render(error);
  return api::render(invoke_failed(error));
}

net::Response invoke_reply(Reply reply) {
  net::Response response;
  response.status =
      reply.is_http() ? reply.status : api::http_status_of(static_cast<Code>(reply.status));
  response.headers = invoke::http_reply_headers(reply, {});
  response.body = std::move(reply.body);
  return response;
}

Task<net::Response> call_actor(Service& service, HttpCall& call) {
  if (call.wants_name) {
    call.name = "InvokeActor/" + std::string(call.param("actorType")) + "." +
                std::string(call.param("actorId"));
  }
  auto invocation = std::make_shared<Invocation>();
  invocation->actor = actor_of(call);
  if (auto admitted = co_await service.admit(); !admitted) {
    co_return api::render(admitted.error());
  }
  for (const std::string_view param : {"actorType", "actorId"}) {
    const auto checked = check_name(call.param(param));
    if (checked) continue;
    co_return api::render(
        bad_request("invalid " + std::string(param) + ": " + checked.error().message()));
  }
  auto method = invoke::normalise_method(call.param("method"));
  if (!method) co_return api::render(bad_request(method.error().message()));
  auto body = co_await read_body(call);
  if (!body) co_return api::render(bad_request("failed to read body: " + body.error().message()));
  invoke::Request& request = invocation->request;
  request.method = *std::move(method);
  request.has_http_extension = true;
  request.verb = invoke::verb_of(call.request.method);
  request.query = call.query;
  request.content_type = call.request.headers.value("content-type");
  request.metadata = invoke::metadata_of_http_request(call.request.headers);
  request.metadata.remove("dapr-caller-app-id");
  request.metadata.remove("dapr-caller-namespace");
  request.metadata.add("Dapr-Api-Call", "true");
  request.body = net::Body(*std::move(body));
  invocation->trace = call.trace;
  auto reply = co_await service.invoke(std::move(invocation));
  if (!reply) co_return invoke_error(reply.error());
  co_return invoke_reply(*std::move(reply));
}

Task<net::Response> transact(Service& service, HttpCall& call) {
  ActorRef actor = actor_of(call);
  if (is_reserved_type(actor.type)) co_return api::render(type_reserved(actor.type));
  auto body = co_await read_body(call);
  if (!body) co_return api::render(malformed_request(body.error().message()));
  auto operations = read_operations(*body);
  if (!operations) co_return api::render(malformed_request(operations.error().message()));
  if (auto admitted = co_await service.admit(); !admitted) {
    co_return api::render(admitted.error());
  }
  const auto saved = co_await service.state().transact(std::move(actor), *std::move(operations));
  co_return answer(saved);
}

/// As Go writes header names: Metadata.ttlexpiretime.
std::string metadata_header(std::string_view key) {
  return invoke::canonical_name("metadata." + std::string(key));
}

Task<net::Response> get_state(Service& service, HttpCall& call) {
  ActorRef actor = actor_of(call);
  if (auto admitted = co_await admit(service, actor.type); !admitted) {
    co_return api::render(admitted.error());
  }
  auto item = co_await service.state().get(std::move(actor), std::string(call.param("key")));
  if (!item) co_return api::render(item.error());
  if (!*item || (*item)->value.empty()) co_return api::empty_response();
  net::Response response;
  response.headers.add("Content-Type", "application/json");
  for (const auto& [key, value] : (*item)->metadata) {
    if (key == components::state::kTtlExpireTime) {
      response.headers.add(metadata_header(key), value);
    }
  }
  response.body = std::move((*item)->value);
  co_return response;
}

/// What registers a timer or a reminder, checked, once there are actors.
template <class Request>
Task<Result<Request>> read_registration(Service& service, HttpCall& call,
                                        Result<Request> (*read)(std::string_view body)) {
  ActorRef actor = actor_of(call);
  if (is_reserved_type(actor.type)) co_return fail(type_reserved(actor.type));
  auto body = co_await read_body(call);
  if (!body) co_return fail(malformed_request(body.error().message()));
  auto request = read(*body);
  if (!request) co_return fail(malformed_request(request.error().message()));
  request->name = call.param("name");
  request->actor = std::move(actor);
  const auto named = check_name(request->name);
  if (!named) co_return fail(bad_request(named.error().message()));
  OUT_CO_CHECK(co_await service.admit());
  co_return request;
}

Task<net::Response> add_timer(Service& service, HttpCall& call) {
  auto request = co_await read_registration(service, call, &read_timer);
  if (!request) co_return api::render(request.error());
  const auto added = co_await service.add_timer(*std::move(request));
  co_return answer(added);
}

Task<net::Response> remove_timer(Service& service, HttpCall& call) {
  ActorRef actor = actor_of(call);
  if (auto admitted = co_await admit(service, actor.type); !admitted) {
    co_return api::render(admitted.error());
  }
  const auto removed =
      co_await service.remove_timer(std::move(actor), std::string(call.param("name")));
  co_return answer(removed);
}

Task<net::Response> add_reminder(Service& service, HttpCall& call) {
  auto request = co_await read_registration(service, call, &read_reminder);
  if (!request) co_return api::render(request.error());
  if (auto hosted = service.check_hosted(request->actor.type); !hosted) co_return answer(hosted);
  const auto added = co_await service.reminders().add(*std::move(request));
  co_return answer(added);
}

Task<net::Response> remove_reminder(Service& service, HttpCall& call) {
  ActorRef actor = actor_of(call);
  auto admitted = co_await admit(service, actor.type);
  if (admitted) admitted = service.check_hosted(actor.type);
  if (!admitted) co_return answer(admitted);
  const auto removed =
      co_await service.reminders().remove(std::move(actor), std::string(call.param("name")));
  co_return answer(removed);
}

Task<net::Response> get_reminder(Service& service, HttpCall& call) {
  ActorRef actor = actor_of(call);
  auto admitted = co_await admit(service, actor.type);
  if (admitted) admitted = service.check_hosted(actor.type);
  if (!admitted) co_return answer(admitted);
  auto reminder =
      co_await service.reminders().get(std::move(actor), std::string(call.param("name")));
  if (!reminder) co_return api::render(reminder.error());
  auto body = reminder_json(*reminder);
  if (!body) co_return api::render(reminder_get_failed(body.error()));
  co_return api::json_response(200, *std::move(body));
}

struct Row {
  std::string_view methods, pattern, name;
  Task<net::Response> (*handler)(Service&, HttpCall&);
};

constexpr std::array kRoutes = {
    Row{"POST,PUT", "/v1.0/actors/{actorType}/{actorId}/state", "ExecuteActorStateTransaction",
        &transact},
    Row{"GET,POST,DELETE,PUT", "/v1.0/actors/{actorType}/{actorId}/method/{method}", "InvokeActor",
        &call_actor},
    Row{"GET", "/v1.0/actors/{actorType}/{actorId}/state/{key}", "GetActorState", &get_state},
    Row{"POST,PUT", "/v1.0/actors/{actorType}/{actorId}/reminders/{name}", "RegisterActorReminder",
        &add_reminder},
    Row{"POST,PUT", "/v1.0/actors/{actorType}/{actorId}/timers/{name}", "RegisterActorTimer",
        &add_timer},
    Row{"DELETE", "/v1.0/actors/{actorType}/{actorId}/reminders/{name}", "UnregisterActorReminder",
        &remove_reminder},
    Row{"DELETE", "/v1.0/actors/{actorType}/{actorId}/timers/{name}", "UnregisterActorTimer",
        &remove_timer},
    Row{"GET", "/v1.0/actors/{actorType}/{actorId}/reminders/{name}", "GetActorReminder",
        &get_reminder},
};

}  // namespace

void add_http_routes(api::Router& router, Service& service) {
  for (const Row& row : kRoutes) {
    api::Route route;
    route.methods = row.methods;
    route.pattern = row.pattern;
    route.group = "actors";
    route.version = "v1";
    route.name = row.name;
    route.handler = [&service, handler = row.handler](HttpCall& call) {
      return handler(service, call);
    };
    router.add(std::move(route));
  }
}

}  // namespace outrigger::runtime::actors
