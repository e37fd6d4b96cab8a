#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "runtime/telemetry/tracer.h"

/// Spans for tests.
namespace outrigger::runtime::tracing::testing {

using telemetry::FinishedSpan;

inline FinishedSpan make_span(std::string name) {
  FinishedSpan span;
  span.name = std::move(name);
  span.kind = telemetry::SpanKind::client;
  span.context =
      *telemetry::parse_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
  span.parent_span_id = {0, 1, 2, 3, 4, 5, 6, 7};
  span.start = wall_time(1'700'000'000, 123'456'789);
  span.end = wall_time(1'700'000'001, 1);
  span.set("dapr.protocol", "http");
  span.set("net.peer.name", "callee");
  return span;
}

inline std::vector<std::unique_ptr<FinishedSpan>> make_spans(std::size_t count) {
  std::vector<std::unique_ptr<FinishedSpan>> spans;
  for (std::size_t i = 0; i < count; ++i) {
    spans.push_back(std::make_unique<FinishedSpan>(make_span("span " + std::to_string(i))));
  }
  return spans;
}

}  // namespace outrigger::runtime::tracing::testing
