#include "runtime/actors/firing.h"

#include "runtime/telemetry/span_notes.h"

namespace outrigger::runtime::actors {

telemetry::Span firing_span(const telemetry::Tracer* tracer, Reminder& reminder) {
  telemetry::Span span(tracer, TraceContext(), telemetry::SpanKind::client);
  reminder.trace = span.context();
  if (auto* const record = span.record()) {
    const std::string method = (reminder.is_timer ? "timer/" : "remind/") + reminder.name;
    telemetry::note_actor_call(*record, {reminder.actor.type, reminder.actor.id}, method);
  }
  return span;
}

void end_firing(telemetry::Span& span, const Result<Fired>& fired) {
  if (span.record() != nullptr && !fired) span.record()->fail(fired.error().message());
  span.end();
}

}  // namespace outrigger::runtime::actors
