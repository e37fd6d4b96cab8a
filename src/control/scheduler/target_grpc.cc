#include "control/scheduler/target.h"
#include "dapr/proto/scheduler/v1/scheduler.pb.h"

namespace outrigger::control::scheduler {

Result<Target> target_of(const StoredJob& job) {
  dapr::proto::scheduler::v1::JobMetadata metadata;
  const bool named = job.job.metadata &&
                     job.job.metadata->type_url.ends_with("/dapr.proto.scheduler.v1.JobMetadata");
  if (!named || !metadata.ParseFromString(job.job.metadata->value)) {
    return fail(Code::data_loss, "the job's metadata cannot be read");
  }
  Target target;
  target.app_id = std::move(*metadata.mutable_app_id());
  target.name_space = std::move(*metadata.mutable_namespace_());
  if (metadata.has_concurrency_key()) target.concurrency_key = metadata.concurrency_key();
  if (metadata.target().has_actor()) {
    target.kind = Target::Kind::actor;
    target.actor_type = metadata.target().actor().type();
    target.actor_id = metadata.target().actor().id();
  } else if (!metadata.target().has_job()) {
    return fail(Code::data_loss, "the job's metadata names no target");
  }
  return target;
}

}  // namespace outrigger::control::scheduler
