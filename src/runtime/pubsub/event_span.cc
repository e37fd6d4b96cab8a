#include "runtime/pubsub/event_span.h"

#include "runtime/telemetry/span_notes.h"

namespace outrigger::pubsub {

EventSpan::EventSpan(const telemetry::Tracer* tracer, const telemetry::TraceContext& parent)
    : span_(tracer, parent, telemetry::SpanKind::internal) {}

void EventSpan::end(const End& end) {
  telemetry::FinishedSpan* const record = span_.record();
  if (record == nullptr) return;
  record->set_name(end.name);
  record->kind = end.kind;
  if (!end.topic.empty()) telemetry::note_topic(*record, end.topic);
  if (end.error) record->fail(*end.error);
  span_.end();
}

std::string event_trace_parent(const telemetry::TraceContext& trace) {
  return trace.valid() ? telemetry::format_traceparent(trace) : std::string();
}

}  // namespace outrigger::pubsub
