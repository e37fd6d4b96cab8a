#include "control/scheduler/record.h"
#include "scheduler_store/stored.pb.h"

namespace outrigger::control::scheduler {
namespace {

constexpr std::int64_t kNanos = 1'000'000'000;

void put_time(WallTime time, google::protobuf::Timestamp& out) {
  const std::int64_t total = time.time_since_epoch().count();
  const std::int64_t nanos = (total % kNanos + kNanos) % kNanos;
  // Before the first whole second there is none in the range of WallTime.
  out.set_seconds(total / kNanos - (total % kNanos < 0 ? 1 : 0));
  out.set_nanos(static_cast<std::int32_t>(nanos));
}

WallTime get_time(const google::protobuf::Timestamp& in) {
  return wall_time(in.seconds(), in.nanos());
}

void put_policy(const FailurePolicy& policy, api::FailurePolicy& out) {
  if (policy.kind == FailurePolicy::Kind::drop) out.mutable_drop();
  if (policy.kind != FailurePolicy::Kind::constant) return;
  auto& constant = *out.mutable_constant();
  if (policy.interval) {
    constant.mutable_interval()->set_seconds(policy.interval->count() / kNanos);
    constant.mutable_interval()->set_nanos(
        static_cast<std::int32_t>(policy.interval->count() % kNanos));
  }
  if (policy.retries_max) constant.set_max_retries(*policy.retries_max);
}

FailurePolicy get_policy(const api::FailurePolicy& in) {
  FailurePolicy policy;
  if (in.has_drop()) policy.kind = FailurePolicy::Kind::drop;
  if (!in.has_constant()) return policy;
  policy.kind = FailurePolicy::Kind::constant;
  const auto& constant = in.constant();
  if (constant.has_interval()) {
    const auto interval = wall_time(constant.interval().seconds(), constant.interval().nanos());
    policy.interval = interval.time_since_epoch();
  }
  if (constant.has_max_retries()) policy.retries_max = constant.max_retries();
  return policy;
}

Payload get_any(google::protobuf::Any& in) {
  return {std::move(*in.mutable_type_url()), std::move(*in.mutable_value())};
}

}  // namespace

std::string encode(const StoredJob& job) {
  stored::Job record;
  record.set_partition_id(job.partition_id);
  if (job.start) put_time(*job.start, *record.mutable_start());
  if (job.due_time) put_time(*job.due_time, *record.mutable_due_time());
  if (job.expiration) put_time(*job.expiration, *record.mutable_expiration());
  api::Job& asked = *record.mutable_job();
  if (job.job.schedule) asked.set_schedule(*job.job.schedule);
  if (job.job.due_time) asked.set_due_time(*job.job.due_time);
  if (job.job.ttl) asked.set_ttl(*job.job.ttl);
  if (job.job.repeats) asked.set_repeats(*job.job.repeats);
  if (job.job.metadata) {
    asked.mutable_metadata()->set_type_url(job.job.metadata->type_url);
    asked.mutable_metadata()->set_value(job.job.metadata->value);
  }
  if (job.job.payload) {
    asked.mutable_payload()->set_type_url(job.job.payload->type_url);
    asked.mutable_payload()->set_value(job.job.payload->value);
  }
  if (job.job.failure_policy) put_policy(*job.job.failure_policy, *asked.mutable_failure_policy());
  return record.SerializeAsString();
}

std::string encode(const Counter& counter) {
  stored::Counter record;
  record.set_job_partition_id(counter.partition_id);
  record.set_count(counter.count);
  record.set_attempts(counter.attempts);
  if (counter.last_trigger) put_time(*counter.last_trigger, *record.mutable_last_trigger());
  return record.SerializeAsString();
}

Result<StoredJob> decode_job(std::string_view bytes) {
  stored::Job record;
  if (!record.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return fail(Code::data_loss, "failed to unmarshal job");
  }
  StoredJob job;
  job.partition_id = record.partition_id();
  if (record.has_start()) job.start = get_time(record.start());
  if (record.has_due_time()) job.due_time = get_time(record.due_time());
  if (record.has_expiration()) job.expiration = get_time(record.expiration());
  api::Job& asked = *record.mutable_job();
  if (asked.has_schedule()) job.job.schedule = std::move(*asked.mutable_schedule());
  if (asked.has_due_time()) job.job.due_time = std::move(*asked.mutable_due_time());
  if (asked.has_ttl()) job.job.ttl = std::move(*asked.mutable_ttl());
  if (asked.has_repeats()) job.job.repeats = asked.repeats();
  if (asked.has_metadata()) job.job.metadata = get_any(*asked.mutable_metadata());
  if (asked.has_payload()) job.job.payload = get_any(*asked.mutable_payload());
  if (asked.has_failure_policy()) job.job.failure_policy = get_policy(asked.failure_policy());
  return job;
}

Result<Counter> decode_counter(std::string_view bytes) {
  stored::Counter record;
  if (!record.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return fail(Code::data_loss, "failed to unmarshal counter");
  }
  Counter counter{.partition_id = record.job_partition_id(),
                  .count = record.count(),
                  .attempts = record.attempts()};
  if (record.has_last_trigger()) counter.last_trigger = get_time(record.last_trigger());
  return counter;
}

}  // namespace outrigger::control::scheduler
