#include "runtime/telemetry/span_notes.h"

#include <initializer_list>

namespace outrigger::telemetry {
namespace {

std::string joined(std::initializer_list<std::string_view> parts) {
  std::string out;
  for (const std::string_view part : parts) out.append(part);
  return out;
}

}  // namespace

void note_store(FinishedSpan& span, std::string_view block, std::string_view component,
                std::string_view statement) {
  span.set("db.system", block);
  span.set("db.connection_string", block);
  span.set("db.name", component);
  span.set("db.statement", statement);
}

void note_store_call(FinishedSpan* span, std::string_view block, std::string_view component,
                     std::string_view method) {
  if (span == nullptr) return;
  note_service(*span, "Dapr");
  note_store(*span, block, component, method);
}

void note_topic(FinishedSpan& span, std::string_view topic) {
  span.set("messaging.system", "pubsub");
  span.set("messaging.destination.name", topic);
}

void note_service(FinishedSpan& span, std::string_view service) {
  span.set("rpc.service", service);
}

void note_app_call(FinishedSpan& span, std::string_view app, std::string_view method) {
  note_service(span, "ServiceInvocation");
  span.set_name(joined({"CallLocal/", app, "/", method}));
}

void note_actor_call(FinishedSpan& span, ActorName actor, std::string_view method) {
  note_service(span, "ServiceInvocation");
  note_actor(span, actor);
  span.set_name(joined({"CallActor/", actor.type, "/", method}));
}

void note_actor(FinishedSpan& span, ActorName actor) {
  span.set("dapr.actor", joined({actor.type, ".", actor.id}));
}

}  // namespace outrigger::telemetry
