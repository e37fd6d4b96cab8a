#include "dapr/proto/scheduler/v1/scheduler.pb.h"
#include "runtime/scheduler/wire.h"

namespace outrigger::runtime::scheduler::wire {
namespace {

namespace pb = ::dapr::proto::scheduler::v1;
namespace common = ::dapr::proto::common::v1;

void fill(pb::JobMetadata& out, const Owner& owner, const Target& target) {
  out.set_app_id(owner.app_id);
  out.set_namespace_(owner.app_namespace);
  if (target.actor) {
    out.mutable_target()->mutable_actor()->set_type(target.actor->type);
    out.mutable_target()->mutable_actor()->set_id(target.actor->id);
  } else {
    out.mutable_target()->mutable_job();
  }
  if (target.concurrency_key) out.set_concurrency_key(*target.concurrency_key);
}

void fill(common::JobFailurePolicy& out, const FailurePolicy& policy) {
  switch (policy.kind) {
    case FailurePolicy::Kind::unset: break;
    case FailurePolicy::Kind::drop: out.mutable_drop(); break;
    case FailurePolicy::Kind::constant: {
      auto& constant = *out.mutable_constant();
      if (policy.interval) {
        constant.mutable_interval()->set_seconds(policy.interval->seconds);
        constant.mutable_interval()->set_nanos(policy.interval->nanos);
      }
      if (policy.retries_max) constant.set_max_retries(*policy.retries_max);
      break;
    }
  }
}

void fill(pb::Job& out, const Job& job) {
  if (job.schedule) out.set_schedule(*job.schedule);
  if (job.repeats) out.set_repeats(*job.repeats);
  if (job.due_time) out.set_due_time(*job.due_time);
  if (job.ttl) out.set_ttl(*job.ttl);
  if (job.data) {
    out.mutable_data()->set_type_url(job.data->type_url);
    out.mutable_data()->set_value(job.data->value);
  }
  if (job.failure_policy) fill(*out.mutable_failure_policy(), *job.failure_policy);
}

FailurePolicy take(const common::JobFailurePolicy& from) {
  FailurePolicy policy;
  if (from.has_drop()) policy.kind = FailurePolicy::Kind::drop;
  if (!from.has_constant()) return policy;
  policy.kind = FailurePolicy::Kind::constant;
  const auto& constant = from.constant();
  if (constant.has_interval()) {
    policy.interval = {constant.interval().seconds(), constant.interval().nanos()};
  }
  if (constant.has_max_retries()) policy.retries_max = constant.max_retries();
  return policy;
}

Any take(google::protobuf::Any& from) {
  return {std::move(*from.mutable_type_url()), std::move(*from.mutable_value())};
}

Job take(pb::Job& from) {
  Job job;
  if (from.has_schedule()) job.schedule = std::move(*from.mutable_schedule());
  if (from.has_repeats()) job.repeats = from.repeats();
  if (from.has_due_time()) job.due_time = std::move(*from.mutable_due_time());
  if (from.has_ttl()) job.ttl = std::move(*from.mutable_ttl());
  if (from.has_data()) job.data = take(*from.mutable_data());
  if (from.has_failure_policy()) job.failure_policy = take(from.failure_policy());
  return job;
}

Target take(pb::JobMetadata& from) {
  Target target;
  if (from.target().has_actor()) {
    auto& actor = *from.mutable_target()->mutable_actor();
    target.actor = {std::move(*actor.mutable_type()), std::move(*actor.mutable_id())};
  }
  if (from.has_concurrency_key()) target.concurrency_key = from.concurrency_key();
  return target;
}

std::unexpected<Error> malformed(const std::string& type) {
  return fail(Code::internal, "grpc: failed to unmarshal the received message: malformed " + type);
}

template <class Request>
std::string named(const Owner& owner, const std::string& name, const Target& target) {
  Request request;
  request.set_name(name);
  fill(*request.mutable_metadata(), owner, target);
  return request.SerializeAsString();
}

}  // namespace

std::string schedule_request(const Owner& owner, const std::string& name, const Target& target,
                             const Job& job, bool overwrite) {
  pb::ScheduleJobRequest request;
  request.set_name(name);
  request.set_overwrite(overwrite);
  fill(*request.mutable_metadata(), owner, target);
  fill(*request.mutable_job(), job);
  return request.SerializeAsString();
}

std::string get_request(const Owner& owner, const std::string& name, const Target& target) {
  return named<pb::GetJobRequest>(owner, name, target);
}

std::string delete_request(const Owner& owner, const std::string& name, const Target& target) {
  return named<pb::DeleteJobRequest>(owner, name, target);
}

std::string delete_by_metadata_request(const Owner& owner, const Target& target,
                                       bool id_is_prefix) {
  pb::DeleteByMetadataRequest request;
  fill(*request.mutable_metadata(), owner, target);
  request.set_id_prefix_match(id_is_prefix);
  return request.SerializeAsString();
}

std::string delete_by_name_prefix_request(const Owner& owner, const std::string& prefix,
                                          const Target& target) {
  pb::DeleteByNamePrefixRequest request;
  request.set_name_prefix(prefix);
  fill(*request.mutable_metadata(), owner, target);
  return request.SerializeAsString();
}

std::string list_request(const Owner& owner, const Target& target) {
  pb::ListJobsRequest request;
  fill(*request.mutable_metadata(), owner, target);
  return request.SerializeAsString();
}

Result<Job> read_get_response(const std::string& message) {
  pb::GetJobResponse response;
  if (!response.ParseFromString(message)) return malformed(response.GetTypeName());
  return take(*response.mutable_job());
}

Result<std::vector<NamedJob>> read_list_response(const std::string& message) {
  pb::ListJobsResponse response;
  if (!response.ParseFromString(message)) return malformed(response.GetTypeName());
  std::vector<NamedJob> jobs;
  jobs.reserve(static_cast<std::size_t>(response.jobs_size()));
  for (pb::NamedJob& each : *response.mutable_jobs()) {
    jobs.push_back({std::move(*each.mutable_name()), take(*each.mutable_metadata()),
                    take(*each.mutable_job())});
  }
  return jobs;
}

Result<std::vector<std::string>> read_hosts(const std::string& message) {
  pb::WatchHostsResponse response;
  if (!response.ParseFromString(message)) return malformed(response.GetTypeName());
  std::vector<std::string> hosts;
  for (pb::Host& host : *response.mutable_hosts()) {
    hosts.push_back(std::move(*host.mutable_address()));
  }
  return hosts;
}

std::string watch_initial(const Owner& owner, const Accepted& accepted) {
  pb::WatchJobsRequest request;
  auto& initial = *request.mutable_initial();
  initial.set_app_id(owner.app_id);
  initial.set_namespace_(owner.app_namespace);
  if (accepted.app) initial.add_accept_job_types(pb::JOB_TARGET_TYPE_JOB);
  if (!accepted.actor_types.empty()) {
    initial.add_accept_job_types(pb::JOB_TARGET_TYPE_ACTOR_REMINDER);
  }
  for (const std::string& type : accepted.actor_types) initial.add_actor_types(type);
  return request.SerializeAsString();
}

std::string watch_result(std::uint64_t id, Outcome outcome) {
  pb::WatchJobsRequest request;
  request.mutable_result()->set_id(id);
  request.mutable_result()->set_status(outcome == Outcome::success ? pb::SUCCESS : pb::FAILED);
  return request.SerializeAsString();
}

Result<Due> read_due(const std::string& message) {
  pb::WatchJobsResponse response;
  if (!response.ParseFromString(message)) return malformed(response.GetTypeName());
  Due due;
  due.id = response.id();
  due.has_target = response.metadata().target().type_case() != pb::JobTargetMetadata::TYPE_NOT_SET;
  due.trigger.name = std::move(*response.mutable_name());
  due.trigger.target = take(*response.mutable_metadata());
  if (response.has_data()) due.trigger.data = take(*response.mutable_data());
  return due;
}

}  // namespace outrigger::runtime::scheduler::wire
