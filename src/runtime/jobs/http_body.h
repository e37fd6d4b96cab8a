#pragma once

#include <string>
#include <string_view>

#include "runtime/jobs/service.h"

namespace outrigger::runtime::jobs {

/// The body of a request that schedules a job.
struct Scheduling {
  scheduler::Job job;
  bool overwrite = false;
  /// What the body has and must not have.
  std::string name;
};

/// Reads protobuf's JSON of the message: names in either spelling, unknown members left out, null
/// as absent. An empty body is an empty message. Code::invalid_argument, with the error code of a
/// malformed request.
Result<Scheduling> read_scheduling(std::string_view body);

/// The answer to a request for a job. An error: its data has no form in JSON.
Result<std::string> job_json(const NamedJob& job);

}  // namespace outrigger::runtime::jobs
