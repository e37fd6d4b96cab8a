#include "runtime/telemetry/span.h"

namespace outrigger::telemetry {

Span::Span(const Tracer* tracer, const TraceContext& parent, SpanKind kind)
    : tracer_(tracer), context_(tracer == nullptr ? parent : tracer->start(parent)) {
  if (tracer != nullptr) record_ = tracer->open(parent, context_, kind);
}

void Span::end() {
  if (record_ != nullptr) tracer_->close(std::move(record_));
}

}  // namespace outrigger::telemetry
