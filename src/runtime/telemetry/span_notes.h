#pragma once

#include <string_view>

#include "runtime/telemetry/tracer.h"

/// What the spans of the APIs say about a call, in OpenTelemetry's names (semantic conventions
/// 1.25), as upstream has it. For spans that are wanted only: see Tracer::open().
namespace outrigger::telemetry {

/// What a component is asked to do; `block` is "state", "secrets" or "bindings", `statement` the
/// gRPC method, or the HTTP verb and path.
void note_store(FinishedSpan& span, std::string_view block, std::string_view component,
                std::string_view statement);

/// The same for a gRPC method of the runtime. nullptr: nothing happens.
void note_store_call(FinishedSpan* span, std::string_view block, std::string_view component,
                     std::string_view method);

void note_topic(FinishedSpan& span, std::string_view topic);

/// `service`: "Dapr" for the API of the runtime, "ServiceInvocation" for calls of applications and
/// actors.
void note_service(FinishedSpan& span, std::string_view service);

/// An application is called: by the API of the runtime, or by another sidecar.
void note_app_call(FinishedSpan& span, std::string_view app, std::string_view method);

struct ActorName {
  std::string_view type, id;
};
/// An actor is called; names the span.
void note_actor_call(FinishedSpan& span, ActorName actor, std::string_view method);
/// "type.id" of the actor that a span is about.
void note_actor(FinishedSpan& span, ActorName actor);

}  // namespace outrigger::telemetry
