#include "control/scheduler/api_wire.h"

#include <gtest/gtest.h>

#include "dapr/proto/scheduler/v1/scheduler.pb.h"

namespace outrigger::control::scheduler::wire {
namespace {

namespace pb = dapr::proto::scheduler::v1;

TEST(SchedulerApi, ReadsAJobWithItsTargetAndItsPolicy) {
  pb::ScheduleJobRequest request;
  request.set_name("name");
  request.set_overwrite(true);
  request.mutable_job()->set_schedule("@daily");
  request.mutable_job()->set_repeats(0);
  request.mutable_job()->mutable_failure_policy()->mutable_constant()->set_max_retries(2);
  request.mutable_metadata()->set_app_id("app");
  request.mutable_metadata()->set_namespace_("ns");
  request.mutable_metadata()->mutable_target()->mutable_actor()->set_type("type");
  const auto read = parse_schedule(request.SerializeAsString());
  ASSERT_TRUE(read);
  EXPECT_TRUE(read->overwrite);
  EXPECT_EQ(read->job.repeats, 0U);
  EXPECT_EQ(read->job.due_time, std::nullopt);
  EXPECT_EQ(read->job.failure_policy,
            (FailurePolicy{.kind = FailurePolicy::Kind::constant, .retries_max = 2}));
  EXPECT_EQ(read->target->actor_type, "type");
  StoredJob stored{.job = read->job};
  EXPECT_EQ(target_of(stored)->actor_type, "type");
}

TEST(SchedulerApi, ListsNoMoreJobsThanOneMessageCanHold) {
  pb::JobMetadata metadata;
  metadata.set_app_id("app");
  metadata.set_namespace_("ns");
  metadata.mutable_target()->mutable_job();
  NamedJob job{.name = "app||ns||app||name"};
  job.job.job.metadata = Payload{"type.googleapis.com/dapr.proto.scheduler.v1.JobMetadata",
                                 metadata.SerializeAsString()};
  job.job.job.payload = Payload{"", std::string(400, 'x')};
  JobList list(1000);
  EXPECT_TRUE(list.add(job));
  EXPECT_TRUE(list.add(job));
  const auto third = list.add(job);
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().code(), Code::resource_exhausted);
}

TEST(SchedulerApi, SaysOfATargetWithoutAKindWhatUpstreamSays) {
  pb::GetJobRequest request;
  EXPECT_EQ(parse_get(request.SerializeAsString())->target_error, "unknown job type: <nil>");
  request.mutable_metadata()->mutable_target();
  EXPECT_EQ(parse_get(request.SerializeAsString())->target_error, "unknown job type: ");
  EXPECT_EQ(parse_get("\xff").error().code(), Code::internal);
}

TEST(SchedulerApi, APolicyThatNamesNothingIsNone) {
  pb::ScheduleJobRequest request;
  request.mutable_job()->mutable_failure_policy();
  EXPECT_EQ(parse_schedule(request.SerializeAsString())->job.failure_policy, std::nullopt);
}

TEST(SchedulerApi, AStreamTakesEverythingUnlessItSaysWhat) {
  pb::WatchJobsRequest request;
  auto& initial = *request.mutable_initial();
  initial.add_actor_types("type");
  auto read = parse_watch(request.SerializeAsString())->initial;
  EXPECT_TRUE(read->jobs);
  EXPECT_EQ(read->actor_types, std::vector<std::string>{"type"});
  initial.add_accept_job_types(pb::JOB_TARGET_TYPE_JOB);
  read = parse_watch(request.SerializeAsString())->initial;
  EXPECT_TRUE(read->jobs);
  EXPECT_TRUE(read->actor_types.empty());
  initial.add_accept_job_types(pb::JOB_TARGET_TYPE_JOB);
  EXPECT_EQ(parse_watch(request.SerializeAsString())->initial_error,
            "duplicate target type specified: JOB_TARGET_TYPE_JOB");
}

TEST(SchedulerApi, LimitsThatLimitNothingAreLeftOut) {
  pb::WatchJobsRequest request;
  auto& initial = *request.mutable_initial();
  initial.add_concurrency_limits()->set_max_concurrent(1);
  auto& zero = *initial.add_concurrency_limits();
  zero.mutable_actor()->set_type("type");
  auto& good = *initial.add_concurrency_limits();
  good.mutable_actor()->set_type("type");
  good.set_name("key");
  good.set_max_concurrent(4);
  const auto read = parse_watch(request.SerializeAsString())->initial;
  ASSERT_EQ(read->limits.size(), 1U);
  EXPECT_EQ(read->limits[0].count, 4U);
  EXPECT_EQ(read->limits[0].concurrency_key, "key");
}

TEST(SchedulerApi, AnAnswerMayHaveAStatusThatIsUnknown) {
  pb::WatchJobsRequest request;
  request.mutable_result()->set_id(7);
  request.mutable_result()->set_status(pb::FAILED);
  EXPECT_EQ(parse_watch(request.SerializeAsString())->result->answer, Answer::failed);
  request.mutable_result()->set_status(static_cast<pb::WatchJobsRequestResultStatus>(9));
  EXPECT_EQ(parse_watch(request.SerializeAsString())->result->answer, std::nullopt);
}

}  // namespace
}  // namespace outrigger::control::scheduler::wire
