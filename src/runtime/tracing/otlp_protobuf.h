#pragma once

#include <string>
#include <string_view>

#include "runtime/telemetry/tracer.h"
#include "runtime/tracing/resource.h"

/// As much of OTLP's protobuf messages as there is in our spans. Field numbers are those of
/// opentelemetry.proto.{collector.trace,trace,resource,common}.v1.
namespace outrigger::runtime::tracing {

/// Appends a span as an element of ScopeSpans.spans: tag, length, message.
void append_otlp_span(std::string& out, const telemetry::FinishedSpan& span);

/// The serialised Resource.
[[nodiscard]] std::string otlp_resource(const Resource& resource);

/// An ExportTraceServiceRequest of `spans`, which append_otlp_span() made one after the other.
[[nodiscard]] std::string otlp_request(std::string_view resource, std::string_view spans);

/// What a receiver says about spans that it did not take: ExportTracePartialSuccess.
struct PartialSuccess {
  std::uint64_t rejected_spans = 0;
  std::string message;
};
/// Reads an ExportTraceServiceResponse. Malformed bytes count as a full success: the receiver has
/// said that it took the request.
[[nodiscard]] PartialSuccess read_otlp_response(std::string_view bytes);

}  // namespace outrigger::runtime::tracing
