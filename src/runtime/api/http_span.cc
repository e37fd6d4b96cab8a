#include "runtime/api/http_span.h"

#include "base/strings.h"
#include "net/http1/serialise.h"
#include "runtime/api/router.h"
#include "runtime/telemetry/span_notes.h"

namespace outrigger::runtime::api {
namespace {

using telemetry::FinishedSpan;

/// "host:port"; of a Unix socket there is nothing to say.
void note_peer(FinishedSpan& span, std::string_view address) {
  const auto colon = address.rfind(':');
  if (colon == std::string_view::npos || address.starts_with('@')) return;
  std::string_view host = address.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  span.set("server.address", host);
  span.set("server.port", address.substr(colon + 1));
}

void note_actor_route(FinishedSpan& span, const HttpCall& call, std::string_view statement) {
  const telemetry::ActorName actor{call.param("actorType"), call.param("actorId")};
  const std::string_view name = call.route->name;
  if (name == "InvokeActor") {
    note_actor_call(span, actor, call.param("method"));
    span.set("net.peer.name", std::string(actor.type).append(".").append(actor.id));
  } else if (name == "ExecuteActorStateTransaction" || name == "GetActorState") {
    note_actor(span, actor);
    note_store(span, "state", "actor", statement);
  }
}

void note_route(FinishedSpan& span, const HttpCall& call, std::string_view statement) {
  if (call.route == nullptr) return;
  const std::string_view group = call.route->group;
  if (group == "state") {
    note_store(span, "state", call.param("storeName"), statement);
  } else if (group == "secrets") {
    note_store(span, "secrets", call.param("secretStoreName"), statement);
  } else if (group == "bindings") {
    note_store(span, "bindings", call.param("name"), statement);
  } else if (group == "publish") {
    note_topic(span, call.param("topic"));
  } else if (group == "actors") {
    note_actor_route(span, call, statement);
  }
}

std::string status_text(int status) {
  const std::string_view phrase = net::http1::reason_phrase(status);
  std::string text = "Code(" + std::to_string(status) + "): ";
  text.append(phrase.empty() ? std::string_view("Unknown") : phrase);
  return text;
}

}  // namespace

void note_request(HttpCall& call) {
  FinishedSpan& span = *call.span;
  for (const auto& field : call.request.headers) {
    if (!starts_with_fold(field.name, "dapr-") || equals_fold(field.name, "dapr-api-token")) {
      continue;
    }
    span.set(to_lower(field.name), field.value);
  }
  span.set("http.request.method", call.request.method);
  span.set("url.full", call.request.target);
  if (call.request.peer != nullptr) note_peer(span, call.request.peer->address);
}

void note_answer(HttpCall& call, std::string_view path, int status) {
  FinishedSpan& span = *call.span;
  const std::string statement = std::string(call.request.method).append(" ").append(path);
  note_route(span, call, statement);
  span.set("dapr.protocol", "http");
  span.set("dapr.api", statement);
  span.set("dapr.status_code", std::to_string(status));
  if (span.name.empty()) span.set_name(path);
  if (status >= 400) span.fail(status_text(status));
}

}  // namespace outrigger::runtime::api
