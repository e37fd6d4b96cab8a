#include "runtime/jobs/service.h"

#include "base/log.h"
#include "runtime/app/channel.h"
#include "runtime/jobs/deliver.h"
#include "runtime/telemetry/runtime_metrics.h"
#include "runtime/telemetry/span.h"

namespace outrigger::runtime::jobs {
namespace {

using namespace std::chrono_literals;
using scheduler::Outcome;

const Logger log("dapr.runtime.scheduler.cluster");
const Logger api_log("dapr.runtime");

constexpr Duration kCallMax = 30s;

scheduler::Patience waiting() {
  scheduler::Patience patience;
  patience.limit = kCallMax;
  patience.wait_for_ready = true;
  return patience;
}

// Deletion by prefix and lists do not wait for a scheduler to come up, as upstream.
scheduler::Patience impatient() {
  scheduler::Patience patience;
  patience.limit = kCallMax;
  return patience;
}

void end_span(telemetry::Span& span, std::string_view job, const Result<Code>& answer) {
  if (auto* const record = span.record()) {
    record->set_name("jobs/" + std::string(job));
    if (!answer) {
      record->fail(answer.error().message());
    } else if (*answer != Code::ok) {
      record->fail(to_string(*answer));
    }
  }
  span.end();
}

}  // namespace

Service::Service(Settings settings, scheduler::Service& jobs)
    : settings_(std::move(settings)), jobs_(jobs) {
  jobs_.set_app_receiver(this);
}

ErrorDetails Service::details(std::string_view reason) const {
  ErrorDetails details;
  details.reason = reason;
  details.metadata = {{"appID", settings_.app_id}, {"namespace", settings_.app_namespace}};
  return details;
}

Error Service::empty(std::string_view what, std::string_view reason) const {
  return Error(Code::invalid_argument, std::string(what) + " is empty")
      .with_http_status(400)
      .with_details(details(reason));
}

Error Service::named_twice() const {
  ErrorDetails about = details("DAPR_SCHEDULER_JOB_NAME");
  about.metadata.erase("namespace");
  return Error(Code::invalid_argument, "Set the job name in the url only")
      .with_http_status(400)
      .with_details(std::move(about));
}

Error Service::failed(std::string_view reason, std::string_view what, const Error& why) const {
  return Error(Code::internal, "failed to " + std::string(what) + " due to: " + why.message())
      .with_http_status(500)
      .with_details(details(reason));
}

Task<Result<>> Service::schedule(std::optional<NamedJob> job, bool overwrite) {
  if (!job) co_return fail(empty("Job", "DAPR_SCHEDULER_EMPTY"));
  if (job->name.empty()) co_return fail(empty("Name", "DAPR_SCHEDULER_JOB_NAME_EMPTY"));
  if (!job->job.schedule && !job->job.due_time) {
    co_return fail(empty("Schedule", "DAPR_SCHEDULER_SCHEDULE_EMPTY"));
  }
  const std::string name = job->name;
  auto scheduled = co_await jobs_.schedule(std::move(job->name), scheduler::Target(),
                                           std::move(job->job), overwrite, waiting());
  if (scheduled) co_return Result<>();
  const Error& why = scheduled.error();
  api_log.error("Error scheduling job ", name, " due to: ", why);
  // Alone of all this one keeps the code of its cause, and with it the HTTP status.
  const Code code = why.code() == Code::unknown ? Code::internal : why.code();
  co_return fail(Error(code, "failed to schedule job due to: " + why.message())
                     .with_details(details("DAPR_SCHEDULER_SCHEDULE_JOB")));
}

Task<Result<NamedJob>> Service::get(std::string name) {
  if (name.empty()) co_return fail(empty("Name", "DAPR_SCHEDULER_JOB_NAME_EMPTY"));
  auto job = co_await jobs_.get(name, scheduler::Target(), waiting());
  if (!job) {
    api_log.error("Error getting job ", name, " due to: ", job.error());
    co_return fail(failed("DAPR_SCHEDULER_GET_JOB", "get job", job.error()));
  }
  co_return NamedJob{std::move(name), *std::move(job)};
}

Task<Result<>> Service::remove(std::string name) {
  if (name.empty()) co_return fail(empty("Name", "DAPR_SCHEDULER_JOB_NAME_EMPTY"));
  auto removed = co_await jobs_.remove(name, scheduler::Target(), waiting());
  if (removed) co_return Result<>();
  api_log.error("Error deleting job: ", name, " due to: ", removed.error());
  co_return fail(failed("DAPR_SCHEDULER_DELETE_JOB", "delete job", removed.error()));
}

Task<Result<>> Service::remove_by_prefix(std::string prefix) {
  auto removed =
      co_await jobs_.remove_by_name_prefix(std::move(prefix), scheduler::Target(), impatient());
  if (removed) co_return Result<>();
  api_log.error("Error deleting jobs by prefix due to: ", removed.error());
  co_return fail(failed("DAPR_SCHEDULER_DELETE_JOB", "delete job", removed.error()));
}

Task<Result<std::vector<NamedJob>>> Service::list() {
  auto found = co_await jobs_.list(scheduler::Target(), impatient());
  if (!found) {
    api_log.error("Error listing jobs due to: ", found.error());
    co_return fail(failed("DAPR_SCHEDULER_LIST_JOBS", "list jobs", found.error()));
  }
  std::vector<NamedJob> jobs;
  jobs.reserve(found->size());
  for (scheduler::NamedJob& each : *found) {
    jobs.push_back({std::move(each.name), std::move(each.job)});
  }
  co_return jobs;
}

Task<Outcome> Service::trigger(scheduler::Trigger trigger) {
  if (app_ == nullptr) {
    log.error("failed to invoke schedule app job: received job, but app channel not initialized");
    co_return Outcome::failed;
  }
  const std::string name = trigger.name;
  telemetry::Span span(settings_.tracer, {}, telemetry::SpanKind::client);
  const TimePoint started = std::chrono::steady_clock::now();
  Result<Code> answer;
  if (app_->is_grpc()) {
    answer = co_await deliver_grpc(*app_, std::move(trigger), span.context());
  } else {
    answer = co_await deliver_http(*app_, std::move(trigger), span.context());
  }
  end_span(span, name, answer);
  if (!answer) {
    log.error(
        "failed to invoke schedule app job: error returned from app channel while sending "
        "triggered job to app: ",
        answer.error());
    co_return Outcome::failed;
  }
  const bool taken = *answer == Code::ok;
  if (settings_.metrics != nullptr) {
    settings_.metrics->job("job_trigger_op", taken, std::chrono::steady_clock::now() - started);
  }
  if (taken) {
    log.debug("Sent job ", name, " to app");
    co_return Outcome::success;
  }
  const bool unknown_there = *answer == Code::not_found;
  log.error(unknown_there ? "non-retriable error" : "unexpected status code",
            " returned from app while processing triggered job ", name, ": ", to_string(*answer));
  co_return unknown_there ? Outcome::success : Outcome::failed;
}

}  // namespace outrigger::runtime::jobs
