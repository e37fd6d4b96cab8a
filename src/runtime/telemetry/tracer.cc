#include "runtime/telemetry/tracer.h"

#include <cstring>

#include "base/random.h"
#include "base/strings.h"

namespace outrigger::telemetry {
namespace {

constexpr std::uint64_t kAlways = 1ULL << 63;

std::uint64_t threshold_of(double rate) noexcept {
  if (!(rate > 0)) return 0;  // NaN too.
  if (rate >= 1) return kAlways;
  return static_cast<std::uint64_t>(rate * 0x1p63);
}

/// The second half of a trace id as OpenTelemetry's ratio sampler reads it.
std::uint64_t sampling_bits(const std::array<std::uint8_t, 16>& trace_id) noexcept {
  std::uint64_t bits = 0;
  for (std::size_t i = 8; i < 16; ++i) bits = bits << 8 | trace_id[i];
  return bits >> 1;
}

/// Ids need to be unlike others', not secret.
template <std::size_t Bytes>
void fill_random(std::array<std::uint8_t, Bytes>& id) noexcept {
  do {
    for (std::size_t at = 0; at < Bytes; at += 8) {
      const std::uint64_t bits = fast_random();
      std::memcpy(id.data() + at, &bits, 8);
    }
  } while (id == std::array<std::uint8_t, Bytes>{});
}

}  // namespace

void FinishedSpan::set(std::string_view key, std::string_view value) {
  if (value.empty()) return;
  for (auto& [known, held] : attributes) {
    if (known != key) continue;
    held = value.substr(0, kTextBytesMax);
    return;
  }
  if (attributes.size() >= kAttributesMax) return;
  attributes.emplace_back(key.substr(0, kTextBytesMax), value.substr(0, kTextBytesMax));
}

void FinishedSpan::fail(std::string_view why) {
  failed = true;
  status_message = why.substr(0, kTextBytesMax);
}

double parse_sampling_rate(std::string_view text) noexcept {
  return parse_double(text).value_or(1e-4);
}

Tracer::Tracer(std::string_view sampling_rate, std::shared_ptr<SpanSink> sink)
    : configured_(true),
      threshold_(threshold_of(parse_sampling_rate(sampling_rate))),
      sink_(std::move(sink)) {}

TraceContext Tracer::start(const TraceContext& parent) const {
  TraceContext span = parent;
  if (!configured_) return span;
  const bool has_trace = parent.has_trace_id();
  if (!has_trace) fill_random(span.trace_id);
  fill_random(span.span_id);
  const bool sampled =
      parent.valid() ? parent.sampled() : sampling_bits(span.trace_id) < threshold_;
  span.flags = static_cast<std::uint8_t>(sampled ? parent.flags | TraceContext::kSampled
                                                 : parent.flags & ~TraceContext::kSampled);
  return span;
}

std::unique_ptr<FinishedSpan> Tracer::make(const TraceContext& parent, const TraceContext& context,
                                           SpanKind kind) {
  auto span = std::make_unique<FinishedSpan>();
  span->kind = kind;
  span->context = context;
  if (parent.valid()) span->parent_span_id = parent.span_id;
  span->start = wall_now();
  return span;
}

void Tracer::close(std::unique_ptr<FinishedSpan> span) const {
  if (span == nullptr || sink_ == nullptr) return;
  span->end = wall_now();
  sink_->accept(std::move(span));
}

}  // namespace outrigger::telemetry
