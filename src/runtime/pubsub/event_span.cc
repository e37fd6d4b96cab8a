#include "runtime/pubsub/event_span.h"

namespace outrigger::pubsub {

EventSpan::EventSpan(const telemetry::Tracer* tracer, const telemetry::TraceContext& parent)
    : tracer_(tracer),
      context_(tracer == nullptr ? parent : tracer->start(parent)),
      parent_span_id_(parent.span_id) {
  if (tracer != nullptr && tracer->reports(context_)) start_ = wall_now();
}

void EventSpan::end(const End& end) const {
  if (!start_) return;
  telemetry::FinishedSpan span;
  span.name = end.name;
  span.kind = end.kind;
  span.context = context_;
  span.parent_span_id = parent_span_id_;
  span.start = *start_;
  span.end = wall_now();
  if (!end.topic.empty()) {
    span.attributes.emplace_back("messaging.system", "pubsub");
    span.attributes.emplace_back("messaging.destination.name", end.topic);
  }
  span.failed = end.error.has_value();
  if (end.error) span.status_message = *end.error;
  tracer_->report(std::move(span));
}

std::string event_trace_parent(const telemetry::TraceContext& trace) {
  return trace.valid() ? telemetry::format_traceparent(trace) : std::string();
}

}  // namespace outrigger::pubsub
