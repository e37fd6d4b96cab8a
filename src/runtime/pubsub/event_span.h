#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "runtime/telemetry/span.h"

namespace outrigger::pubsub {

/// The span of one event between the application and a broker. Costs little where nobody traces.
class EventSpan {
 public:
  /// Begins now. `tracer` may be nullptr; then the context is the parent's.
  EventSpan(const telemetry::Tracer* tracer, const telemetry::TraceContext& parent);

  [[nodiscard]] const telemetry::TraceContext& context() const noexcept { return span_.context(); }

  /// Whether end() has anything to tell.
  [[nodiscard]] bool recorded() const noexcept { return span_.record() != nullptr; }

  struct End {
    std::string_view name;
    telemetry::SpanKind kind;
    /// An attribute; empty: left out.
    std::string_view topic;
    /// nullopt: it went well.
    std::optional<std::string_view> error;
  };
  /// Reports the span if it is sampled and wanted. Once.
  void end(const End& end);

 private:
  telemetry::Span span_;
};

/// What an event says of the trace that it was published in: nothing if there is none.
[[nodiscard]] std::string event_trace_parent(const telemetry::TraceContext& trace);

}  // namespace outrigger::pubsub
