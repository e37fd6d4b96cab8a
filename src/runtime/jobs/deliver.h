#pragma once

#include "runtime/app/channel.h"
#include "runtime/scheduler/service.h"
#include "runtime/telemetry/trace_context.h"

namespace outrigger::runtime::jobs {

/// Hands a job that is due to the application and tells how it answered. An error: it did not
/// answer, or the job cannot be told to it. The channel must outlive the task. The application is
/// told of a trace that is one.
Task<Result<Code>> deliver_http(app::Channel& app, scheduler::Trigger trigger,
                                telemetry::TraceContext trace);
Task<Result<Code>> deliver_grpc(app::Channel& app, scheduler::Trigger trigger,
                                telemetry::TraceContext trace);

/// The target of the request for a job, as Go's URLs make it of the name.
Result<std::string> job_target(std::string_view name);

}  // namespace outrigger::runtime::jobs
