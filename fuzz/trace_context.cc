// Trace headers of clients and peers: nothing crashes, and what is accepted reads back the same.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "runtime/telemetry/tracer.h"

namespace telemetry = outrigger::telemetry;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto context = telemetry::parse_traceparent(text)) {
    OUT_ASSERT(context->valid());
    OUT_ASSERT(telemetry::parse_traceparent(telemetry::format_traceparent(*context)) == context);
  }
  const std::string state = telemetry::parse_tracestate(text);
  OUT_ASSERT(telemetry::parse_tracestate(state) == state);
  if (const auto context = telemetry::decode_trace_bin(text)) {
    const auto bytes = telemetry::encode_trace_bin(*context);
    OUT_ASSERT(telemetry::decode_trace_bin({bytes.data(), bytes.size()}) == context);
  }
  (void)telemetry::Tracer(text, nullptr);
  const auto baggage = telemetry::check_baggage(text);
  OUT_ASSERT(baggage || baggage.error().message().starts_with("invalid baggage header: "));
  return 0;
}
