// What a trace receiver answers, and spans of whatever clients send: nothing crashes, and the texts
// that are encoded are JSON, and a protobuf that the same reader goes through.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "base/strings.h"
#include "runtime/telemetry/tracer.h"
#include "runtime/tracing/otlp_protobuf.h"
#include "runtime/tracing/resource.h"
#include "runtime/tracing/zipkin_json.h"

namespace tracing = outrigger::runtime::tracing;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)tracing::read_otlp_response(text);

  const std::string_view name = text.substr(0, size / 2);
  const std::string_view value = text.substr(size / 2);
  outrigger::telemetry::FinishedSpan span;
  span.set_name(name);
  span.set(name, value);
  span.set(value, name);
  span.fail(value);
  tracing::Resource resource;
  resource.attributes = {{"service.name", std::string(value)}};
  std::string json;
  tracing::append_zipkin_json(json, span, resource);
  OUT_ASSERT(outrigger::json::is_valid(json));
  OUT_ASSERT(outrigger::is_utf8(json));

  std::string spans;
  tracing::append_otlp_span(spans, span);
  const std::string request = tracing::otlp_request(tracing::otlp_resource(resource), spans);
  OUT_ASSERT(request.size() > spans.size());
  (void)tracing::read_otlp_response(request);
  return 0;
}
