#pragma once

#include "runtime/actors/invocation.h"
#include "runtime/telemetry/span.h"

/// The span of a reminder or a timer that is due. No call began it, so a trace begins with it.
namespace outrigger::runtime::actors {

/// Begins now, and makes the reminder part of it. `tracer` may be nullptr.
telemetry::Span firing_span(const telemetry::Tracer* tracer, Reminder& reminder);
void end_firing(telemetry::Span& span, const Result<Fired>& fired);

}  // namespace outrigger::runtime::actors
