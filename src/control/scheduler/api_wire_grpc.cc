#include "control/scheduler/api_wire.h"
#include "dapr/proto/scheduler/v1/scheduler.pb.h"

namespace outrigger::control::scheduler::wire {
namespace {

namespace pb = dapr::proto::scheduler::v1;
namespace common = dapr::proto::common::v1;

constexpr std::string_view kMetadataUrl = "type.googleapis.com/dapr.proto.scheduler.v1.JobMetadata";
constexpr std::int64_t kNanos = 1'000'000'000;

/// As grpc-go begins to say it, for calls of one message and for streams.
constexpr std::string_view kBadRequest = "grpc: error unmarshalling request: ";
constexpr std::string_view kBadMessage = "grpc: failed to unmarshal the received message: ";

template <class Message>
Result<Message> parse(std::string_view bytes, std::string_view words = kBadRequest) {
  Message message;
  if (message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return message;
  return fail(Code::internal,
              std::string(words) + "it is no " + std::string(Message::descriptor()->name()));
}

void read_metadata(pb::JobMetadata& metadata, Named& out) {
  Target target;
  target.app_id = metadata.app_id();
  target.name_space = metadata.namespace_();
  if (metadata.has_concurrency_key()) target.concurrency_key = metadata.concurrency_key();
  if (metadata.target().has_actor()) {
    target.kind = Target::Kind::actor;
    target.actor_type = metadata.target().actor().type();
    target.actor_id = metadata.target().actor().id();
  } else if (!metadata.target().has_job()) {
    // The end of the text is how Go prints a message that is missing or empty.
    out.target_error = "unknown job type: ";
    if (!metadata.has_target()) out.target_error += "<nil>";
  }
  out.target = std::move(target);
}

Payload take(google::protobuf::Any& any) {
  return {std::move(*any.mutable_type_url()), std::move(*any.mutable_value())};
}

std::optional<FailurePolicy> read_policy(const common::JobFailurePolicy& in) {
  FailurePolicy policy;
  if (in.has_drop()) {
    policy.kind = FailurePolicy::Kind::drop;
    return policy;
  }
  // One that names nothing counts as none at all.
  if (!in.has_constant()) return std::nullopt;
  policy.kind = FailurePolicy::Kind::constant;
  if (in.constant().has_interval()) {
    const auto& interval = in.constant().interval();
    // Protocol buffers allow 10,000 years, a duration here 292.
    const auto seconds =
        std::clamp<std::int64_t>(interval.seconds(), -9'000'000'000, 9'000'000'000);
    policy.interval = std::chrono::nanoseconds(seconds * kNanos + interval.nanos());
  }
  if (in.constant().has_max_retries()) policy.retries_max = in.constant().max_retries();
  return policy;
}

Job read_job(pb::Job& in) {
  Job job;
  if (in.has_schedule()) job.schedule = std::move(*in.mutable_schedule());
  if (in.has_due_time()) job.due_time = std::move(*in.mutable_due_time());
  if (in.has_ttl()) job.ttl = std::move(*in.mutable_ttl());
  if (in.has_repeats()) job.repeats = in.repeats();
  if (in.has_data()) job.payload = take(*in.mutable_data());
  if (in.has_failure_policy()) job.failure_policy = read_policy(in.failure_policy());
  return job;
}

void write_job(Job job, pb::Job& out) {
  if (job.schedule) out.set_schedule(*std::move(job.schedule));
  if (job.due_time) out.set_due_time(*std::move(job.due_time));
  if (job.ttl) out.set_ttl(*std::move(job.ttl));
  if (job.repeats) out.set_repeats(*job.repeats);
  if (job.payload) {
    out.mutable_data()->set_type_url(std::move(job.payload->type_url));
    out.mutable_data()->set_value(std::move(job.payload->value));
  }
  if (!job.failure_policy) return;
  if (job.failure_policy->kind == FailurePolicy::Kind::drop) {
    out.mutable_failure_policy()->mutable_drop();
  } else if (job.failure_policy->kind == FailurePolicy::Kind::constant) {
    auto& constant = *out.mutable_failure_policy()->mutable_constant();
    if (const auto& interval = job.failure_policy->interval) {
      constant.mutable_interval()->set_seconds(interval->count() / kNanos);
      constant.mutable_interval()->set_nanos(static_cast<std::int32_t>(interval->count() % kNanos));
    }
    if (const auto& most = job.failure_policy->retries_max) constant.set_max_retries(*most);
  }
}

template <class Message>
Result<Named> parse_named(std::string_view bytes) {
  OUT_TRY(auto message, parse<Message>(bytes));
  Named named;
  named.name = std::move(*message.mutable_name());
  read_metadata(*message.mutable_metadata(), named);
  return named;
}

WatchRequest read_initial(pb::WatchJobsRequestInitial& in, std::string& error) {
  WatchRequest request;
  request.app_id = in.app_id();
  request.name_space = in.namespace_();
  bool reminders = in.accept_job_types().empty();
  request.jobs = reminders;
  std::set<int> seen;
  for (const int type : in.accept_job_types()) {
    const bool is_new = seen.insert(type).second;
    if (!is_new && error.empty()) {
      error = "duplicate target type specified: ";
      const auto& name = pb::JobTargetType_Name(static_cast<pb::JobTargetType>(type));
      error += name.empty() ? std::to_string(type) : name;
    }
    request.jobs = request.jobs || type == pb::JOB_TARGET_TYPE_JOB;
    reminders = reminders || type == pb::JOB_TARGET_TYPE_ACTOR_REMINDER;
  }
  if (reminders) {
    for (const auto& type : in.actor_types()) request.actor_types.push_back(type);
  }
  for (auto& limit : *in.mutable_concurrency_limits()) {
    if (limit.max_concurrent() <= 0 || !limit.has_actor()) continue;
    auto& one = request.limits.emplace_back();
    one.count = static_cast<std::uint32_t>(limit.max_concurrent());
    one.actor_type = limit.actor().type();
    if (limit.has_name()) one.concurrency_key = limit.name();
  }
  return request;
}

}  // namespace

Result<Schedule> parse_schedule(std::string_view bytes) {
  OUT_TRY(auto message, parse<pb::ScheduleJobRequest>(bytes));
  Schedule schedule;
  schedule.name = std::move(*message.mutable_name());
  schedule.overwrite = message.overwrite();
  schedule.job = read_job(*message.mutable_job());
  schedule.job.metadata =
      Payload{std::string(kMetadataUrl), message.metadata().SerializeAsString()};
  read_metadata(*message.mutable_metadata(), schedule);
  return schedule;
}

Result<Named> parse_get(std::string_view bytes) { return parse_named<pb::GetJobRequest>(bytes); }
Result<Named> parse_delete(std::string_view bytes) {
  return parse_named<pb::DeleteJobRequest>(bytes);
}

Result<ByMetadata> parse_delete_by_metadata(std::string_view bytes) {
  OUT_TRY(auto message, parse<pb::DeleteByMetadataRequest>(bytes));
  ByMetadata request;
  request.id_is_prefix = message.id_prefix_match();
  read_metadata(*message.mutable_metadata(), request);
  return request;
}

Result<Named> parse_delete_by_name_prefix(std::string_view bytes) {
  OUT_TRY(auto message, parse<pb::DeleteByNamePrefixRequest>(bytes));
  Named named;
  named.name = std::move(*message.mutable_name_prefix());
  read_metadata(*message.mutable_metadata(), named);
  return named;
}

Result<Named> parse_list(std::string_view bytes) {
  OUT_TRY(auto message, parse<pb::ListJobsRequest>(bytes));
  Named named;
  read_metadata(*message.mutable_metadata(), named);
  return named;
}

Result<FromSidecar> parse_watch(std::string_view bytes) {
  // Far above what sidecars say. Their actor types take many times the memory that they have in
  // the message, and time of the loop.
  constexpr std::size_t kBytesMax = std::size_t{1} << 20;
  if (bytes.size() > kBytesMax) {
    return fail(Code::resource_exhausted, "grpc: received message larger than max (" +
                                              std::to_string(bytes.size()) + " vs. " +
                                              std::to_string(kBytesMax) + ")");
  }
  OUT_TRY(auto message, parse<pb::WatchJobsRequest>(bytes, kBadMessage));
  FromSidecar from;
  if (message.has_initial()) {
    from.initial = read_initial(*message.mutable_initial(), from.initial_error);
  } else if (message.has_result()) {
    from.result.emplace();
    from.result->trigger = message.result().id();
    if (message.result().status() == pb::SUCCESS) from.result->answer = Answer::success;
    if (message.result().status() == pb::FAILED) from.result->answer = Answer::failed;
  }
  return from;
}

std::string render_get(Job job) {
  pb::GetJobResponse response;
  write_job(std::move(job), *response.mutable_job());
  return response.SerializeAsString();
}

std::string render_hosts(const std::vector<std::string>& addresses) {
  pb::WatchHostsResponse response;
  for (const auto& address : addresses) response.add_hosts()->set_address(address);
  return response.SerializeAsString();
}

std::string render_trigger(std::uint64_t trigger, Delivery delivery) {
  pb::WatchJobsResponse response;
  response.set_name(std::move(delivery.name));
  response.set_id(trigger);
  if (delivery.payload) {
    response.mutable_data()->set_type_url(std::move(delivery.payload->type_url));
    response.mutable_data()->set_value(std::move(delivery.payload->value));
  }
  // It was read before, so it can be read.
  OUT_ASSERT(response.mutable_metadata()->ParseFromString(delivery.metadata));
  return response.SerializeAsString();
}

struct JobList::Impl {
  std::size_t bytes_left;
  pb::ListJobsResponse response;
};

JobList::JobList(std::size_t bytes_max) : impl_(std::make_unique<Impl>(bytes_max)) {}
JobList::~JobList() = default;

Result<> JobList::add(NamedJob job) {
  const auto target = target_of(job.job);
  if (!target) return fail(Code::unknown, "failed to unmarshal job metadata: " + job.name);
  const std::string prefix = prefix_of(*target);
  if (!job.name.starts_with(prefix)) {
    return fail(Code::unknown, "job key \"dapr/jobs/" + job.name +
                                   "\" does not match expected prefix \"" + prefix +
                                   "\" from its metadata");
  }
  auto& one = *impl_->response.add_jobs();
  one.set_name(job.name.substr(prefix.size()));
  OUT_ASSERT(one.mutable_metadata()->ParseFromString(job.job.job.metadata->value));
  write_job(std::move(job.job.job), *one.mutable_job());
  const std::size_t bytes = one.ByteSizeLong();
  if (bytes > impl_->bytes_left) {
    return fail(Code::resource_exhausted, "there are more jobs than one answer can list");
  }
  impl_->bytes_left -= bytes;
  return {};
}

std::string JobList::render() const { return impl_->response.SerializeAsString(); }

}  // namespace outrigger::control::scheduler::wire
