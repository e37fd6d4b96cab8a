#include "runtime/pubsub/event_span.h"

namespace outrigger::pubsub {

EventSpan::EventSpan(const telemetry::Tracer* tracer, const telemetry::TraceContext& parent)
    : tracer_(tracer), context_(tracer == nullptr ? parent : tracer->start(parent)) {
  if (tracer != nullptr) span_ = tracer->open(parent, context_, telemetry::SpanKind::internal);
}

void EventSpan::end(const End& end) {
  if (span_ == nullptr) return;
  span_->name = end.name;
  span_->kind = end.kind;
  if (!end.topic.empty()) {
    span_->set("messaging.system", "pubsub");
    span_->set("messaging.destination.name", end.topic);
  }
  if (end.error) span_->fail(*end.error);
  tracer_->close(std::move(span_));
}

std::string event_trace_parent(const telemetry::TraceContext& trace) {
  return trace.valid() ? telemetry::format_traceparent(trace) : std::string();
}

}  // namespace outrigger::pubsub
