#include "runtime/jobs/grpc.h"

#include "dapr/proto/runtime/v1/jobs.pb.h"
#include "runtime/jobs/service.h"

namespace outrigger::runtime::jobs {
namespace {

namespace pb = ::dapr::proto::runtime::v1;
namespace common = ::dapr::proto::common::v1;
using net::grpc::Call;
using scheduler::FailurePolicy;

std::unexpected<Error> malformed(const std::string& type) {
  return fail(Code::internal, "grpc: error unmarshalling request: malformed " + type);
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

NamedJob take(pb::Job& from) {
  NamedJob named{std::move(*from.mutable_name()), {}};
  scheduler::Job& job = named.job;
  if (from.has_schedule()) job.schedule = std::move(*from.mutable_schedule());
  if (from.has_repeats()) job.repeats = from.repeats();
  if (from.has_due_time()) job.due_time = std::move(*from.mutable_due_time());
  if (from.has_ttl()) job.ttl = std::move(*from.mutable_ttl());
  if (from.has_data()) {
    job.data = {std::move(*from.mutable_data()->mutable_type_url()),
                std::move(*from.mutable_data()->mutable_value())};
  }
  if (from.has_failure_policy()) job.failure_policy = take(from.failure_policy());
  return named;
}

void put(const FailurePolicy& from, common::JobFailurePolicy& into) {
  if (from.kind == FailurePolicy::Kind::drop) into.mutable_drop();
  if (from.kind != FailurePolicy::Kind::constant) return;
  auto& constant = *into.mutable_constant();
  if (from.interval) {
    constant.mutable_interval()->set_seconds(from.interval->seconds);
    constant.mutable_interval()->set_nanos(from.interval->nanos);
  }
  if (from.retries_max) constant.set_max_retries(*from.retries_max);
}

void put(NamedJob& from, pb::Job& into) {
  into.set_name(std::move(from.name));
  scheduler::Job& job = from.job;
  if (job.schedule) into.set_schedule(*std::move(job.schedule));
  if (job.repeats) into.set_repeats(*job.repeats);
  if (job.due_time) into.set_due_time(*std::move(job.due_time));
  if (job.ttl) into.set_ttl(*std::move(job.ttl));
  if (job.data) {
    into.mutable_data()->set_type_url(std::move(job.data->type_url));
    into.mutable_data()->set_value(std::move(job.data->value));
  }
  if (job.failure_policy) put(*job.failure_policy, *into.mutable_failure_policy());
}

Task<Result<std::string>> schedule(Service& service, std::string message) {
  pb::ScheduleJobRequest request;
  if (!request.ParseFromString(message)) co_return malformed(request.GetTypeName());
  std::optional<NamedJob> job;
  if (request.has_job()) job = take(*request.mutable_job());
  OUT_CO_CHECK(co_await service.schedule(std::move(job), request.overwrite()));
  co_return std::string();
}

Task<Result<std::string>> get(Service& service, std::string message) {
  pb::GetJobRequest request;
  if (!request.ParseFromString(message)) co_return malformed(request.GetTypeName());
  OUT_CO_TRY(auto job, co_await service.get(std::move(*request.mutable_name())));
  pb::GetJobResponse reply;
  put(job, *reply.mutable_job());
  co_return reply.SerializeAsString();
}

Task<Result<std::string>> remove(Service& service, std::string message) {
  pb::DeleteJobRequest request;
  if (!request.ParseFromString(message)) co_return malformed(request.GetTypeName());
  OUT_CO_CHECK(co_await service.remove(std::move(*request.mutable_name())));
  co_return std::string();
}

// The messages of these two and of their alpha forms are the same on the wire.
Task<Result<std::string>> remove_by_prefix(Service& service, std::string message) {
  pb::DeleteJobsByPrefixRequest request;
  if (!request.ParseFromString(message)) co_return malformed(request.GetTypeName());
  OUT_CO_CHECK(co_await service.remove_by_prefix(std::move(*request.mutable_name_prefix())));
  co_return std::string();
}

Task<Result<std::string>> list(Service& service, std::string message) {
  pb::ListJobsRequest request;
  if (!request.ParseFromString(message)) co_return malformed(request.GetTypeName());
  OUT_CO_TRY(auto jobs, co_await service.list());
  pb::ListJobsResponse reply;
  for (NamedJob& job : jobs) put(job, *reply.add_jobs());
  co_return reply.SerializeAsString();
}

}  // namespace

void add_grpc_methods(net::grpc::Service& server, Service& service) {
  const auto add = [&](std::string_view name, auto method) {
    for (const std::string_view stage : {"", "Alpha1"}) {
      server.unary(
          "/dapr.proto.runtime.v1.Dapr/" + std::string(name) + std::string(stage),
          [&service, method](Call&, std::string m) { return method(service, std::move(m)); });
    }
  };
  add("ScheduleJob", &schedule);
  add("GetJob", &get);
  add("DeleteJob", &remove);
  add("DeleteJobsByPrefix", &remove_by_prefix);
  add("ListJobs", &list);
}

}  // namespace outrigger::runtime::jobs
