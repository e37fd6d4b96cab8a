#pragma once

#include <memory>

#include "runtime/telemetry/tracer.h"

namespace outrigger::telemetry {

/// A piece of work as a span, from its construction to end(). Where nobody traces it is the
/// parent's context and nothing more; unsampled it costs no allocation.
class Span {
 public:
  /// `tracer` may be nullptr, and must outlive the span.
  Span(const Tracer* tracer, const TraceContext& parent, SpanKind kind);

  [[nodiscard]] const TraceContext& context() const noexcept { return context_; }
  /// What it will say; nullptr if nobody wants to know.
  [[nodiscard]] FinishedSpan* record() const noexcept { return record_.get(); }
  /// Ends now. Without it nothing is reported; a second time does nothing.
  void end();

 private:
  const Tracer* tracer_;
  TraceContext context_;
  std::unique_ptr<FinishedSpan> record_;
};

}  // namespace outrigger::telemetry
