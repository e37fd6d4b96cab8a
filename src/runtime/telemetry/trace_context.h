#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

/// Trace context as it goes over the wire: W3C traceparent, tracestate and baggage, and
/// OpenCensus' grpc-trace-bin.
namespace outrigger::telemetry {

inline constexpr std::string_view kTraceparentHeader = "traceparent";
inline constexpr std::string_view kTracestateHeader = "tracestate";
inline constexpr std::string_view kBaggageHeader = "baggage";
inline constexpr std::string_view kGrpcTraceBinHeader = "grpc-trace-bin";

/// Where a request stands in a trace. All zero means no trace, which upstream passes on as such.
struct TraceContext {
  static constexpr std::uint8_t kSampled = 1;

  std::array<std::uint8_t, 16> trace_id{};
  std::array<std::uint8_t, 8> span_id{};
  std::uint8_t flags = 0;
  /// Valid, or empty.
  std::string state;

  [[nodiscard]] bool has_trace_id() const noexcept;
  /// Both ids are set.
  [[nodiscard]] bool valid() const noexcept;
  [[nodiscard]] bool sampled() const noexcept { return (flags & kSampled) != 0; }
  bool operator==(const TraceContext&) const = default;
};

/// "00-<trace id>-<span id>-<flags>"; nullopt if it is malformed or an id is zero. Versions up to
/// fe are read as upstream reads them: what they add at the end is ignored.
[[nodiscard]] std::optional<TraceContext> parse_traceparent(std::string_view text) noexcept;
/// 55 characters, also for a context that is all zero.
[[nodiscard]] std::string format_traceparent(const TraceContext& context);
void append_traceparent(std::string& out, const TraceContext& context);
/// 32 and 16 lower-case hexadecimal digits.
[[nodiscard]] std::string trace_id_text(const TraceContext& context);
[[nodiscard]] std::string span_id_text(const TraceContext& context);

/// The list members without white space around and without empty ones; empty if one is malformed,
/// a key comes twice, or there are more than 32.
[[nodiscard]] std::string parse_tracestate(std::string_view text);

/// What an HTTP request says in `traceparent` and `tracestate` (each empty if absent). A malformed
/// traceparent is no trace.
[[nodiscard]] TraceContext from_headers(std::string_view traceparent, std::string_view tracestate);

/// 29 bytes: version 0, trace id, span id, flags.
using TraceBinary = std::array<char, 29>;
[[nodiscard]] TraceBinary encode_trace_bin(const TraceContext& context) noexcept;
/// nullopt if the version is not 0 or there is no trace id. Missing fields are zero.
[[nodiscard]] std::optional<TraceContext> decode_trace_bin(std::string_view bytes) noexcept;

/// What gRPC metadata says: `grpc-trace-bin` (decoded from base64), or if that is absent
/// `traceparent` and `tracestate`.
[[nodiscard]] TraceContext from_metadata(std::optional<std::string_view> trace_bin,
                                         std::string_view traceparent, std::string_view tracestate);

/// Checks a `baggage` header (several are joined with commas). The error's message begins with
/// "invalid baggage header: " and goes to the client (400, InvalidArgument). A valid value is
/// passed on as it is.
[[nodiscard]] Result<> check_baggage(std::string_view text);

}  // namespace outrigger::telemetry
