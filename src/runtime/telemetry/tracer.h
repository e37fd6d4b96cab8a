#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time_format.h"
#include "runtime/telemetry/trace_context.h"

namespace outrigger::telemetry {

/// The kinds of OpenTelemetry.
enum class SpanKind : std::uint8_t { internal, server, client, producer, consumer };

/// A sampled span that has ended.
struct FinishedSpan {
  std::string name;
  SpanKind kind = SpanKind::internal;
  TraceContext context;
  /// All zero for the first span of a trace.
  std::array<std::uint8_t, 8> parent_span_id{};
  WallTime start;
  WallTime end;
  std::vector<std::pair<std::string, std::string>> attributes;
  bool failed = false;
  std::string status_message;
};

/// Where sampled spans go. accept() is called on any loop and must not wait; it may drop spans.
class SpanSink {
 public:
  virtual ~SpanSink() = default;
  virtual void accept(FinishedSpan span) = 0;
};

/// Decides which spans there are. Immutable; safe on any thread.
class Tracer {
 public:
  /// Tracing that nobody configured: no span is made, contexts pass through as they came.
  Tracer() = default;
  /// `sampling_rate` as the Configuration writes it: text that is no number means 0.0001. Without a
  /// sink spans are made and passed on but not reported.
  Tracer(std::string_view sampling_rate, std::shared_ptr<SpanSink> sink);

  [[nodiscard]] bool configured() const noexcept { return configured_; }

  /// The context of a span below `parent` (all zero: a new trace). A parent's decision to sample is
  /// kept; a new trace is sampled at the rate. Not configured: `parent` itself.
  [[nodiscard]] TraceContext start(const TraceContext& parent) const;

  /// Whether anybody wants the span, so that its name and attributes are worth making.
  [[nodiscard]] bool reports(const TraceContext& context) const noexcept {
    return sink_ != nullptr && context.sampled();
  }
  /// Only if reports(span.context).
  void report(FinishedSpan span) const { sink_->accept(std::move(span)); }

 private:
  bool configured_ = false;
  /// A trace is sampled if the upper 63 bits of its id's second half are below this.
  std::uint64_t threshold_ = 0;
  std::shared_ptr<SpanSink> sink_;
};

/// The rate of a Configuration's spec.tracing.samplingRate.
[[nodiscard]] double parse_sampling_rate(std::string_view text) noexcept;

}  // namespace outrigger::telemetry
