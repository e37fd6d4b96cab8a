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

/// What a sampled span says: filled in while the work runs, passed on when it has ended.
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

  /// Texts come from clients: they are cut to so many bytes, and there are no more attributes.
  static constexpr std::size_t kTextBytesMax = 4096;
  static constexpr std::size_t kAttributesMax = 128;
  /// Sets an attribute, once for each key; an empty value is left out.
  void set(std::string_view key, std::string_view value);
  void set_name(std::string_view text) { name = text.substr(0, kTextBytesMax); }
  void fail(std::string_view why);
};

/// Where sampled spans go. accept() is called on any loop and must not wait; it may drop spans.
class SpanSink {
 public:
  virtual ~SpanSink() = default;
  virtual void accept(std::unique_ptr<FinishedSpan> span) = 0;
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
  /// A span that begins now, to be filled in; nullptr if nobody wants it, which costs nothing.
  /// `context` is what start(parent) gave.
  [[nodiscard]] std::unique_ptr<FinishedSpan> open(const TraceContext& parent,
                                                   const TraceContext& context,
                                                   SpanKind kind) const {
    return reports(context) ? make(parent, context, kind) : nullptr;
  }
  /// The span ends now. nullptr: nothing happens. It may have been opened by a tracer before this
  /// one; if this one reports nothing it is dropped.
  void close(std::unique_ptr<FinishedSpan> span) const;

 private:
  static std::unique_ptr<FinishedSpan> make(const TraceContext& parent, const TraceContext& context,
                                            SpanKind kind);
  bool configured_ = false;
  /// A trace is sampled if the upper 63 bits of its id's second half are below this.
  std::uint64_t threshold_ = 0;
  std::shared_ptr<SpanSink> sink_;
};

/// The rate of a Configuration's spec.tracing.samplingRate.
[[nodiscard]] double parse_sampling_rate(std::string_view text) noexcept;

}  // namespace outrigger::telemetry
