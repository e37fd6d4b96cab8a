#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/log.h"
#include "dapr/proto/scheduler/v1/scheduler.pb.h"
#include "runtime/scheduler/sidecar_testing.h"

namespace outrigger::runtime::scheduler::testing {
namespace {

namespace pb = ::dapr::proto::scheduler::v1;
using namespace std::chrono_literals;
using ::testing::HasSubstr;

std::string hosts(const std::vector<std::string>& addresses) {
  pb::WatchHostsResponse message;
  for (const std::string& address : addresses) message.add_hosts()->set_address(address);
  return message.SerializeAsString();
}

template <class Message>
Message parsed(const std::string& bytes) {
  Message message;
  EXPECT_TRUE(message.ParseFromString(bytes));
  return message;
}

std::string due(std::uint64_t id, const std::string& name) {
  pb::WatchJobsResponse message;
  message.set_id(id);
  message.set_name(name);
  message.mutable_metadata()->mutable_target()->mutable_job();
  return message.SerializeAsString();
}

std::string reminder_due(std::uint64_t id, const std::string& name) {
  pb::WatchJobsResponse message;
  message.set_id(id);
  message.set_name(name);
  message.mutable_data()->set_value("bytes");
  auto& actor = *message.mutable_metadata()->mutable_target()->mutable_actor();
  actor.set_type("cat");
  actor.set_id("tom");
  return message.SerializeAsString();
}

/// "1 SUCCESS" for each result.
std::vector<std::string> told(FakeScheduler& fake) {
  std::vector<std::string> all;
  for (const std::string& bytes : fake.results()) {
    const auto result = parsed<pb::WatchJobsRequest>(bytes).result();
    all.push_back(std::to_string(result.id()) +
                  (result.status() == pb::SUCCESS ? " ok" : " failed"));
  }
  std::sort(all.begin(), all.end());
  return all;
}

/// Takes triggers; those named "wait" wait until they may go on, or are cancelled.
class Taker final : public Receiver {
 public:
  Task<Outcome> trigger(Trigger trigger) override {
    ++begun;
    last = trigger;
    if (trigger.name == "wait") {
      while (!go_on) {
        auto woken = co_await changed.wait();
        if (!woken) {
          ++cancelled;
          co_return Outcome::failed;
        }
      }
    }
    ++ended;
    co_return trigger.name == "bad" ? Outcome::failed : Outcome::success;
  }
  std::atomic<int> begun = 0, ended = 0, cancelled = 0;
  Trigger last;
  bool go_on = false;
  Signal changed;
};

/// A sidecar that takes jobs on one stream, which is on loop 0.
struct Watching {
  Watching() {
    fake.tell_hosts(hosts({fake.address}));
    on(sidecar.loops[0], [&] {
      sidecar.services[0]->set_app_receiver(&taker);
      sidecar.services[0]->set_actor_receiver(&taker);
      sidecar.cluster->set_app_ready(true);
      sidecar.cluster->start();
    });
    EXPECT_TRUE(comes([&] { return fake.streams().size() == 1; }));
  }
  ~Watching() { sidecar.close(); }
  const LogCapture quiet;
  FakeScheduler fake;
  Taker taker;
  Sidecar sidecar{{fake.address}, 1};
};

TEST(Scheduler, ACallWaitsUntilTheSchedulersAreKnown) {
  FakeScheduler fake;
  Sidecar sidecar({fake.address});
  sidecar.start();
  EXPECT_FALSE(sidecar.ready.ready());
  Patience brief;
  brief.limit = 20ms;
  auto late = sidecar.schedule("job", brief);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code(), Code::unknown);
  EXPECT_EQ(late.error().message(), "context deadline exceeded");
  std::thread later([&] { fake.tell_hosts(hosts({fake.address})); });
  auto scheduled = sidecar.schedule("job");
  later.join();
  EXPECT_TRUE(scheduled);
  EXPECT_TRUE(comes([&] { return sidecar.ready.ready(); }));
  const auto request = parsed<pb::ScheduleJobRequest>(fake.calls("ScheduleJob").at(0));
  EXPECT_EQ(request.name(), "job");
  EXPECT_EQ(request.metadata().app_id(), "shop");
  EXPECT_EQ(request.metadata().namespace_(), "town");
  EXPECT_TRUE(request.metadata().target().has_job());
}

TEST(Scheduler, WithoutOneTheSidecarIsReadyAndCallsSayThatThereIsNone) {
  const LogCapture quiet;
  for (const char* nothing : {"", "''", "\"   \""}) {
    Sidecar sidecar({nothing});
    sidecar.start();
    EXPECT_TRUE(sidecar.ready.ready());
    auto scheduled = sidecar.schedule("job");
    ASSERT_FALSE(scheduled);
    EXPECT_EQ(scheduled.error().code(), Code::unknown);
    EXPECT_EQ(scheduled.error().message(), "scheduler clients are disabled");
  }
}

TEST(Scheduler, CallsGoToTheSchedulersInTurn) {
  const LogCapture quiet;
  FakeScheduler one;
  FakeScheduler two;
  one.tell_hosts(hosts({one.address, two.address}));
  Sidecar sidecar({one.address});
  sidecar.start();
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(sidecar.schedule("job"));
  EXPECT_EQ(one.calls("ScheduleJob").size(), 2U);
  EXPECT_EQ(two.calls("ScheduleJob").size(), 2U);
  // And after a change to those that are left.
  one.tell_hosts(hosts({two.address}));
  ASSERT_TRUE(comes([&] {
    std::vector<std::string> known;
    on(sidecar.loops[0], [&] { known = sidecar.cluster->connected_addresses(); });
    return known == std::vector<std::string>{two.address};
  }));
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(sidecar.schedule("job"));
  EXPECT_EQ(two.calls("ScheduleJob").size(), 5U);
}

TEST(Scheduler, AnErrorHasTheCodeAndUpstreamsText) {
  const LogCapture quiet;
  FakeScheduler fake;
  fake.tell_hosts(hosts({fake.address}));
  fake.script("GetJob", fail(Code::not_found, "job not found: a"));
  Sidecar sidecar({fake.address});
  sidecar.start();
  auto job = on<Job>(sidecar.loops[1], [&] { return sidecar.services[1]->get("a", Target()); });
  ASSERT_FALSE(job);
  EXPECT_EQ(job.error().code(), Code::not_found);
  EXPECT_EQ(job.error().message(), "rpc error: code = NotFound desc = job not found: a");
  fake.script("GetJob", "\x0a\xff");
  job = on<Job>(sidecar.loops[1], [&] { return sidecar.services[1]->get("a", Target()); });
  ASSERT_FALSE(job);
  EXPECT_EQ(job.error().code(), Code::internal);
}

TEST(Scheduler, ACallThatASchedulerCancelsIsMadeAgain) {
  const LogCapture quiet;
  FakeScheduler fake;
  fake.tell_hosts(hosts({fake.address}));
  fake.script("ScheduleJob", fail(Code::cancelled, "context canceled"));
  Sidecar sidecar({fake.address});
  sidecar.start();
  EXPECT_TRUE(sidecar.schedule("job"));
  EXPECT_EQ(fake.calls("ScheduleJob").size(), 2U);
}

TEST(Scheduler, OneThatIsNotThereIsWaitedForOnlyIfTheCallerWantsThat) {
  const LogCapture quiet;
  std::string gone;
  {
    gone = FakeScheduler().address;
  }
  FakeScheduler fake;
  fake.tell_hosts(hosts({gone}));
  Sidecar sidecar({fake.address});
  sidecar.start();
  auto refused = sidecar.schedule("job");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::unavailable);
  Patience patient;
  patient.limit = 300ms;
  patient.wait_for_ready = true;
  auto late = sidecar.schedule("job", patient);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code(), Code::deadline_exceeded);
  EXPECT_THAT(late.error().message(), HasSubstr("rpc error: code = DeadlineExceeded desc = "));
}

TEST(Scheduler, JobsKeepAllTheirPartsBothWays) {
  const LogCapture quiet;
  FakeScheduler fake;
  fake.tell_hosts(hosts({fake.address}));
  pb::ListJobsResponse list;
  auto& named = *list.add_jobs();
  named.set_name("feed");
  named.mutable_metadata()->mutable_target()->mutable_actor()->set_type("cat");
  named.mutable_metadata()->mutable_target()->mutable_actor()->set_id("tom");
  named.mutable_job()->set_schedule("@every 1s");
  named.mutable_job()->mutable_failure_policy()->mutable_constant()->set_max_retries(0);
  fake.script("ListJobs", list.SerializeAsString());
  Sidecar sidecar({fake.address});
  sidecar.start();
  Target cats;
  cats.actor = {"cat", ""};
  auto found =
      on<std::vector<NamedJob>>(sidecar.loops[0], [&] { return sidecar.services[0]->list(cats); });
  ASSERT_TRUE(found);
  ASSERT_EQ(found->size(), 1U);
  const NamedJob& feed = found->front();
  EXPECT_EQ(feed.target.actor->id, "tom");
  EXPECT_EQ(feed.job.schedule, "@every 1s");
  EXPECT_FALSE(feed.job.ttl);
  EXPECT_EQ(feed.job.failure_policy->kind, FailurePolicy::Kind::constant);
  EXPECT_EQ(feed.job.failure_policy->retries_max, 0U);
  EXPECT_FALSE(feed.job.failure_policy->interval);

  Target tom;
  tom.actor = {"cat", "tom"};
  tom.concurrency_key = "meals";
  Job job = feed.job;
  job.failure_policy->interval = {3, 500};
  job.data = Any{"type", "value"};
  ASSERT_TRUE(on<void>(sidecar.loops[0],
                       [&] { return sidecar.services[0]->schedule("feed", tom, job, true); }));
  const auto sent = parsed<pb::ScheduleJobRequest>(fake.calls("ScheduleJob").at(0));
  EXPECT_TRUE(sent.overwrite());
  EXPECT_EQ(sent.metadata().concurrency_key(), "meals");
  EXPECT_EQ(sent.metadata().target().actor().id(), "tom");
  EXPECT_EQ(sent.job().data().value(), "value");
  EXPECT_EQ(sent.job().failure_policy().constant().interval().nanos(), 500);
  ASSERT_TRUE(on<void>(sidecar.loops[0],
                       [&] { return sidecar.services[0]->remove_by_metadata(tom, true); }));
  EXPECT_TRUE(
      parsed<pb::DeleteByMetadataRequest>(fake.calls("DeleteByMetadata").at(0)).id_prefix_match());
}

TEST(Scheduler, ThereAreStreamsToEachSchedulerOnceSomethingIsTaken) {
  const LogCapture quiet;
  FakeScheduler one;
  FakeScheduler two;
  one.tell_hosts(hosts({one.address, two.address}));
  Sidecar sidecar({one.address});
  sidecar.start();
  ASSERT_TRUE(sidecar.schedule("job"));  // The addresses are known.
  EXPECT_EQ(one.streams_ever(), 0U);
  on(sidecar.loops[0], [&] { sidecar.cluster->set_app_ready(true); });
  EXPECT_TRUE(comes([&] { return one.streams().size() == 3 && two.streams().size() == 3; }));
  auto initial = parsed<pb::WatchJobsRequest>(one.streams().at(0)).initial();
  EXPECT_EQ(initial.app_id(), "shop");
  EXPECT_EQ(initial.namespace_(), "town");
  ASSERT_EQ(initial.accept_job_types_size(), 1);
  EXPECT_EQ(initial.accept_job_types(0), pb::JOB_TARGET_TYPE_JOB);

  on(sidecar.loops[0], [&] { sidecar.cluster->set_actor_types({"dog", "cat", "dog"}); });
  EXPECT_TRUE(comes([&] { return two.streams_ever() == 6 && two.streams().size() == 3; }));
  initial = parsed<pb::WatchJobsRequest>(two.streams().at(0)).initial();
  EXPECT_EQ(initial.accept_job_types_size(), 2);
  ASSERT_EQ(initial.actor_types_size(), 2);
  EXPECT_EQ(initial.actor_types(0), "cat");

  on(sidecar.loops[0], [&] {
    sidecar.cluster->set_app_ready(false);
    sidecar.cluster->set_actor_types({});
  });
  EXPECT_TRUE(comes([&] { return one.streams().empty() && two.streams().empty(); }));
}

TEST(Scheduler, AnOldSchedulerIsAllThatThereIs) {
  const LogCapture quiet;
  FakeScheduler fake;
  fake.tell_hosts(fail(Code::unimplemented, "unknown method WatchHosts"));
  Sidecar sidecar({fake.address});
  sidecar.start();
  EXPECT_TRUE(sidecar.schedule("job"));
  EXPECT_EQ(fake.calls("ScheduleJob").size(), 1U);
}

TEST(Scheduler, WhoeverTellsNonsenseIsAskedAgain) {
  const LogCapture quiet;
  FakeScheduler fake;
  fake.tell_hosts("\x0a\xff");
  Sidecar sidecar({fake.address});
  sidecar.start();
  fake.tell_hosts(hosts({fake.address, "no address at all", ""}));
  EXPECT_TRUE(sidecar.schedule("job"));
}

TEST(Scheduler, TriggersRunAtTheSameTimeAndTheirOutcomesAreTold) {
  Watching test;
  test.fake.send(due(1, "wait"));
  test.fake.send(due(2, "bad"));
  test.fake.send(reminder_due(3, "good"));
  ASSERT_TRUE(comes([&] { return test.fake.results().size() == 2; }));
  EXPECT_THAT(told(test.fake), ::testing::ElementsAre("2 failed", "3 ok"));
  EXPECT_EQ(test.taker.last.target.actor->type, "cat");
  EXPECT_EQ(test.taker.last.target.actor->id, "tom");
  EXPECT_EQ(test.taker.last.data->value, "bytes");
  on(test.sidecar.loops[0], [&] {
    test.taker.go_on = true;
    test.taker.changed.notify_all();
  });
  ASSERT_TRUE(comes([&] { return test.fake.results().size() == 3; }));
  EXPECT_THAT(told(test.fake), ::testing::ElementsAre("1 ok", "2 failed", "3 ok"));
}

TEST(Scheduler, ATriggerThatNobodyTakesHasFailed) {
  Watching test;
  on(test.sidecar.loops[0], [&] { test.sidecar.services[0]->set_actor_receiver(nullptr); });
  test.fake.send(reminder_due(1, "good"));
  pb::WatchJobsResponse nobody;
  nobody.set_id(2);
  test.fake.send(nobody.SerializeAsString());
  ASSERT_TRUE(comes([&] { return test.fake.results().size() == 2; }));
  EXPECT_THAT(told(test.fake), ::testing::ElementsAre("1 failed", "2 failed"));
}

TEST(Scheduler, AStreamThatEndsCancelsItsTriggersAndIsBegunAnew) {
  Watching test;
  test.fake.send(due(1, "wait"));
  ASSERT_TRUE(comes([&] { return test.taker.begun == 1; }));
  test.fake.end_streams();
  ASSERT_TRUE(comes([&] { return test.taker.cancelled == 1; }));
  ASSERT_TRUE(comes([&] { return test.fake.streams_ever() == 2; }));
  test.fake.send("\x0a\xff");  // No message of the protocol.
  ASSERT_TRUE(comes([&] { return test.fake.streams_ever() == 3; }));
  test.fake.send(due(2, "good"));
  EXPECT_TRUE(comes([&] { return test.taker.ended == 1; }));
}

TEST(Scheduler, TriggersGoOnWhileOtherSchedulersComeAndGo) {
  Watching test;
  FakeScheduler other;
  test.fake.send(due(1, "wait"));
  ASSERT_TRUE(comes([&] { return test.taker.begun == 1; }));
  test.fake.tell_hosts(hosts({other.address, test.fake.address}));
  ASSERT_TRUE(comes([&] { return other.streams().size() == 1; }));
  test.fake.tell_hosts(hosts({test.fake.address}));
  ASSERT_TRUE(comes([&] { return other.streams().empty(); }));
  on(test.sidecar.loops[0], [&] {
    test.taker.go_on = true;
    test.taker.changed.notify_all();
  });
  ASSERT_TRUE(comes([&] { return test.fake.results().size() == 1; }));
  EXPECT_THAT(told(test.fake), ::testing::ElementsAre("1 ok"));
  EXPECT_EQ(test.fake.streams_ever(), 1U);
  EXPECT_EQ(test.taker.cancelled, 0);
}

TEST(Scheduler, AtTheEndTriggersThatRunMayEndAndNoOthersBegin) {
  Watching test;
  test.fake.send(due(1, "wait"));
  ASSERT_TRUE(comes([&] { return test.taker.begun == 1; }));
  std::atomic<bool> stopped = false;
  std::thread stopping([&] {
    auto stop = [](Cluster* cluster) -> Task<Result<>> {
      co_await cluster->stop_triggers(1h);
      co_return Result<>();
    };
    on<void>(test.sidecar.loops[0], [&] { return stop(test.sidecar.cluster.get()); }).value();
    stopped = true;
  });
  on(test.sidecar.loops[0], [] {});
  test.fake.send(due(2, "good"));
  EXPECT_FALSE(stopped);
  on(test.sidecar.loops[0], [&] {
    test.taker.go_on = true;
    test.taker.changed.notify_all();
  });
  stopping.join();
  EXPECT_EQ(test.taker.cancelled, 0);
  ASSERT_TRUE(comes([&] { return test.fake.streams().empty(); }));
  EXPECT_EQ(told(test.fake).at(0), "1 ok");
}

TEST(Scheduler, AtTheEndNoCallWaitsForASchedulerThatIsNotThere) {
  const LogCapture quiet;
  FakeScheduler silent;
  Sidecar sidecar({silent.address});
  sidecar.start();
  Patience patient;
  patient.limit = 1h;
  patient.wait_for_ready = true;
  std::thread waiting([&] {
    auto scheduled = sidecar.schedule("job", patient);
    EXPECT_FALSE(scheduled);
  });
  auto stop = [](Cluster* cluster) -> Task<Result<>> {
    co_await cluster->stop_triggers(1h);
    co_return Result<>();
  };
  on<void>(sidecar.loops[0], [&] { return stop(sidecar.cluster.get()); }).value();
  waiting.join();
  EXPECT_FALSE(sidecar.schedule("job", patient));
}

TEST(Scheduler, WithoutGraceTheEndCancelsThem) {
  Watching test;
  test.fake.send(due(1, "wait"));
  ASSERT_TRUE(comes([&] { return test.taker.begun == 1; }));
  test.sidecar.close();
  EXPECT_EQ(test.taker.cancelled, 1);
}

}  // namespace
}  // namespace outrigger::runtime::scheduler::testing
