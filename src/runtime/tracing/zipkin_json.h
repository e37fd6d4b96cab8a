#pragma once

#include <string>

#include "runtime/telemetry/tracer.h"
#include "runtime/tracing/resource.h"

namespace outrigger::runtime::tracing {

/// Appends a span as an object of Zipkin's API v2, with the tags that OpenTelemetry's exporter
/// makes of status, scope and resource.
void append_zipkin_json(std::string& out, const telemetry::FinishedSpan& span,
                        const Resource& resource);

}  // namespace outrigger::runtime::tracing
