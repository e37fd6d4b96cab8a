#include "control/scheduler/engine.h"

#include <gtest/gtest.h>

#include "control/scheduler/api_wire.h"
#include "control/scheduler/engine_testing.h"
#include "dapr/proto/scheduler/v1/scheduler.pb.h"

namespace outrigger::control::scheduler {
namespace {

using namespace std::chrono_literals;

const WallTime kNow = parse_rfc3339("2026-08-21T12:00:00Z").value();

Target target_app(const std::string& app = "app") {
  Target target;
  target.name_space = "ns";
  target.app_id = app;
  return target;
}

Job job_for(const Target& target, Job job) {
  dapr::proto::scheduler::v1::JobMetadata metadata;
  metadata.set_app_id(target.app_id);
  metadata.set_namespace_(target.name_space);
  if (target.kind == Target::Kind::job) {
    metadata.mutable_target()->mutable_job();
  } else {
    metadata.mutable_target()->mutable_actor()->set_type(target.actor_type);
    metadata.mutable_target()->mutable_actor()->set_id(target.actor_id);
  }
  if (target.concurrency_key) metadata.set_concurrency_key(*target.concurrency_key);
  job.metadata = Payload{"type.googleapis.com/dapr.proto.scheduler.v1.JobMetadata",
                         metadata.SerializeAsString()};
  return job;
}

/// One life of a scheduler over a folder.
struct World {
  explicit World(const std::filesystem::path& folder, ManualClock& its_clock,
                 EngineOptions options = {})
      : clock(its_clock),
        store(SqliteOptions{.folder = folder}),
        engine(store, clock, metrics, options, [](bool) {}) {}

  Task<void> open() {
    auto opened = co_await engine.open("here:1");
    EXPECT_TRUE(opened) << (opened ? "" : opened.error().message());
  }
  Task<void> put(std::string name, Job job, Target target = target_app()) {
    auto done =
        co_await engine.schedule(prefix_of(target) + name, job_for(target, std::move(job)), true);
    EXPECT_TRUE(done) << (done ? "" : done.error().message());
  }
  Task<bool> there(std::string name) {
    auto job = co_await engine.get(prefix_of(target_app()) + name);
    co_return job && job->has_value();
  }
  Task<bool> gone(std::string name) {
    const TimePoint end = std::chrono::steady_clock::now() + 30s;
    for (;;) {
      const bool is_there = co_await there(name);
      if (!is_there) co_return true;
      if (std::chrono::steady_clock::now() > end) co_return false;
    }
  }
  WatchRequest app_watch() const { return {.app_id = "app", .name_space = "ns"}; }

  telemetry::Registry registry{telemetry::RegistryOptions{}};
  Metrics metrics{registry};
  ManualClock& clock;
  SqliteStore store;
  Engine engine;
};

Task<void> one_shot(World& world) {
  co_await world.open();
  FakeSidecar sidecar;
  sidecar.connect(world.engine, world.app_watch());
  Job job{.due_time = "10s", .payload = Payload{"type", "bytes"}};
  co_await world.put("job", job);
  world.clock.advance(9s);
  const bool before = co_await world.there("job");
  EXPECT_TRUE(before);
  EXPECT_EQ(sidecar.received, 0U);
  world.clock.advance(1s);
  const bool came = co_await eventually([&] { return sidecar.received == 1; });
  EXPECT_TRUE(came);
  EXPECT_EQ(sidecar.sent[0].delivery.name, "job");
  EXPECT_EQ(sidecar.sent[0].delivery.payload, (Payload{"type", "bytes"}));
  EXPECT_EQ(sidecar.answer(Answer::success), "job");
  const bool gone = co_await world.gone("job");
  EXPECT_TRUE(gone);
  EXPECT_EQ(world.engine.counts().known, 0U);
  sidecar.disconnect();
  co_await world.engine.close();
}

TEST(Engine, TriggersAJobWhenItIsDueAndDeletesItWhenItIsOver) {
  TemporaryFolder folder;
  ManualClock clock(kNow);
  World world(folder.path, clock);
  run(one_shot(world));
}

Task<void> due_while_time_goes_by(World& world) {
  co_await world.open();
  FakeSidecar sidecar;
  sidecar.connect(world.engine, world.app_watch());
  // Whichever two looks at the clock it is that the job comes due between.
  for (int before = 0; before < 10; ++before) {
    co_await world.put("job", Job{.due_time = "1s"});
    world.clock.advance(1s - std::chrono::nanoseconds(before));
    world.clock.per_look = 1ns;
    co_await world.put("later", Job{.due_time = "1m"});
    world.clock.per_look = 0ns;
    world.clock.advance(1us);
    const bool came = co_await eventually([&] { return !sidecar.sent.empty(); });
    EXPECT_TRUE(came) << before;
    if (!came) break;
    sidecar.answer(Answer::success);
    const bool gone = co_await world.gone("job");
    EXPECT_TRUE(gone);
  }
  sidecar.disconnect();
  co_await world.engine.close();
}

TEST(Engine, TriggersAJobThatComesDueBetweenTwoLooksAtTheClock) {
  TemporaryFolder folder;
  ManualClock clock(kNow);
  World world(folder.path, clock);
  run(due_while_time_goes_by(world));
}

Task<void> held(World& world) {
  co_await world.open();
  Job job{.due_time = "0s"};
  co_await world.put("job", job);
  Target actor = target_app();
  actor.kind = Target::Kind::actor;
  actor.actor_type = "type";
  actor.actor_id = "id";
  co_await world.put("reminder", job, actor);
  FakeSidecar app;
  WatchRequest only_jobs = world.app_watch();
  app.connect(world.engine, only_jobs);
  bool came = co_await eventually([&] { return app.received == 1; });
  EXPECT_TRUE(came);
  EXPECT_EQ(app.answer(Answer::success), "job");
  FakeSidecar host;
  WatchRequest reminders{.app_id = "other", .name_space = "ns", .jobs = false};
  reminders.actor_types = {"type"};
  host.connect(world.engine, reminders);
  came = co_await eventually([&] { return host.received == 1; });
  EXPECT_TRUE(came);
  EXPECT_EQ(host.answer(Answer::success), "reminder");
  EXPECT_EQ(app.received, 1U);
  app.disconnect();
  host.disconnect();
  co_await world.engine.close();
}

TEST(Engine, HoldsAJobThatNobodyTakesUntilAStreamComes) {
  TemporaryFolder folder;
  ManualClock clock(kNow);
  World world(folder.path, clock);
  run(held(world));
}

Task<void> dropped(World& world) {
  co_await world.open();
  FakeSidecar first;
  first.connect(world.engine, world.app_watch());
  Job job{.due_time = "0s"};
  co_await world.put("job", job);
  bool came = co_await eventually([&] { return first.received == 1; });
  EXPECT_TRUE(came);
  FakeSidecar second;
  second.connect(world.engine, world.app_watch());
  EXPECT_EQ(second.received, 0U);
  first.disconnect();
  came = co_await eventually([&] { return second.received == 1; });
  EXPECT_TRUE(came);
  second.disconnect();
  FakeSidecar third;
  third.connect(world.engine, world.app_watch());
  came = co_await eventually([&] { return third.received == 1; });
  EXPECT_TRUE(came);
  third.answer(Answer::success);
  const bool gone = co_await world.gone("job");
  EXPECT_TRUE(gone);
  third.disconnect();
  co_await world.engine.close();
}

TEST(Engine, GivesATriggerToAnotherStreamWhenItsStreamDrops) {
  TemporaryFolder folder;
  ManualClock clock(kNow);
  World world(folder.path, clock);
  run(dropped(world));
}

Task<void> replaced(World& world) {
  co_await world.open();
  FakeSidecar sidecar;
  sidecar.connect(world.engine, world.app_watch());
  Job now{.due_time = "0s"};
  Job later{.due_time = "1h"};
  co_await world.put("job", now);
  bool came = co_await eventually([&] { return sidecar.received == 1; });
  EXPECT_TRUE(came);
  co_await world.put("job", later);
  // The answer belongs to a job that is no more; the new one is not touched by it.
  sidecar.answer(Answer::success);
  co_await world.put("mark", now);
  came = co_await eventually([&] { return sidecar.received == 2; });
  EXPECT_TRUE(came);
  EXPECT_EQ(sidecar.answer(Answer::success), "mark");
  bool gone = co_await world.gone("mark");
  EXPECT_TRUE(gone);
  const bool there = co_await world.there("job");
  EXPECT_TRUE(there);
  world.clock.advance(1h);
  came = co_await eventually([&] { return sidecar.received == 3; });
  EXPECT_TRUE(came);
  // A job that is deleted while it is under way stays deleted, whatever is answered.
  auto removed = co_await world.engine.remove(prefix_of(target_app()) + "job");
  EXPECT_TRUE(removed);
  sidecar.answer(Answer::failed);
  gone = co_await world.gone("job");
  EXPECT_TRUE(gone);
  EXPECT_EQ(world.engine.counts().known, 0U);
  sidecar.disconnect();
  co_await world.engine.close();
}

TEST(Engine, AnAnswerForAnEarlierJobOfTheNameChangesNothing) {
  TemporaryFolder folder;
  ManualClock clock(kNow);
  World world(folder.path, clock);
  run(replaced(world));
}

Task<void> receive(World& world, FakeSidecar& sidecar, std::size_t count) {
  const std::size_t want = sidecar.received + count;
  while (sidecar.received < want || !sidecar.sent.empty()) {
    const bool came = co_await eventually([&] { return !sidecar.sent.empty(); });
    EXPECT_TRUE(came) << sidecar.received << " of " << want;
    if (!came) co_return;
    while (!sidecar.sent.empty()) sidecar.answer(Answer::success);
  }
  const bool settled = co_await eventually([&] { return world.engine.counts().in_flight == 0; });
  EXPECT_TRUE(settled);
}

Task<void> first_life(World& world) {
  co_await world.open();
  FakeSidecar sidecar;
  sidecar.connect(world.engine, world.app_watch());
  Job job{.schedule = "@every 10s", .repeats = 6};
  co_await world.put("job", job);
  world.clock.advance(10s);
  co_await receive(world, sidecar, 1);
  sidecar.disconnect();
  co_await world.engine.close();
}
Task<void> second_life(World& world) {
  world.clock.advance(35s);
  co_await world.open();
  FakeSidecar sidecar;
  sidecar.connect(world.engine, world.app_watch());
  // Those at 20, 30 and 40 s were missed.
  co_await receive(world, sidecar, 3);
  world.clock.advance(5s);
  co_await receive(world, sidecar, 1);
  world.clock.advance(1h);
  co_await receive(world, sidecar, 1);
  const bool gone = co_await world.gone("job");
  EXPECT_TRUE(gone);
  EXPECT_EQ(sidecar.received, 5U);
  sidecar.disconnect();
  co_await world.engine.close();
}

TEST(Engine, MakesUpAfterARestartForWhatWasMissed) {
  TemporaryFolder folder;
  ManualClock clock(kNow);
  {
    World world(folder.path, clock);
    run(first_life(world));
  }
  World world(folder.path, clock);
  run(second_life(world));
}

Task<void> clock_jumps(World& world) {
  co_await world.open();
  FakeSidecar sidecar;
  sidecar.connect(world.engine, world.app_watch());
  Job often{.schedule = "@every 10s"};
  Job once{.due_time = "30m"};
  co_await world.put("often", often);
  co_await world.put("once", once);
  world.clock.advance(10s);
  co_await receive(world, sidecar, 1);
  world.clock.jump(-1h);
  // Ten seconds are ten seconds, whatever the clock shows.
  for (int i = 0; i < 3; ++i) {
    const bool came = co_await eventually([&] {
      if (sidecar.sent.empty()) world.clock.advance(1s);
      return !sidecar.sent.empty();
    });
    EXPECT_TRUE(came);
    co_await receive(world, sidecar, 0);
  }
  EXPECT_EQ(sidecar.received, 4U);
  world.clock.jump(2h);
  const bool came = co_await eventually([&] {
    for (const auto& sent : sidecar.sent) {
      if (sent.delivery.name == "once") return true;
    }
    return false;
  });
  EXPECT_TRUE(came);
  sidecar.disconnect();
  co_await world.engine.close();
}

TEST(Engine, AClockThatIsSetStopsNoTriggers) {
  TemporaryFolder folder;
  ManualClock clock(kNow);
  World world(folder.path, clock);
  run(clock_jumps(world));
}

Task<void> small_window(World& world) {
  co_await world.open();
  FakeSidecar sidecar;
  sidecar.full_at = 3;
  sidecar.connect(world.engine, world.app_watch());
  std::mt19937 random(11);
  constexpr int kJobs = 300;
  for (int i = 0; i < kJobs; ++i) {
    Job job{.due_time = std::to_string(1 + random() % 600) + "s"};
    co_await world.put("job-" + std::to_string(i), job);
  }
  EXPECT_LE(world.engine.counts().known, 300U);
  std::map<std::string, int> seen;
  while (seen.size() < kJobs) {
    world.clock.advance(20s);
    while (world.clock.now() > kNow + 600s && seen.size() < kJobs && sidecar.sent.empty()) {
      const bool came = co_await eventually([&] { return !sidecar.sent.empty(); });
      EXPECT_TRUE(came) << seen.size();
      if (!came) co_return;
    }
    // Some triggers come meanwhile, some later, as it happens.
    co_await world.there("job-0");
    while (!sidecar.sent.empty()) ++seen[sidecar.answer(Answer::success)];
    sidecar.has_room();
  }
  for (const auto& [name, count] : seen) EXPECT_EQ(count, 1) << name;
  EXPECT_EQ(sidecar.received, 300U);
  sidecar.disconnect();
  co_await world.engine.close();
}

TEST(Engine, LosesAndRepeatsNothingWithASmallWindowAndAFullStream) {
  TemporaryFolder folder;
  ManualClock clock(kNow);
  const EngineOptions small{.window = 60s, .queued_max = 10, .ready_max = 4};
  World world(folder.path, clock, small);
  run(small_window(world));
}

Task<void> refusals(World& world) {
  co_await world.open();
  Job job{.due_time = "1h"};
  co_await world.put("job", job);
  const std::string name = prefix_of(target_app()) + "job";
  Job again = job_for(target_app(), job);
  auto refused = co_await world.engine.schedule(name, again, false);
  EXPECT_EQ(refused.error().code(), Code::already_exists);
  EXPECT_EQ(refused.error().message(), "job already exists: 'app||ns||app||job'");
  auto bad_name = co_await world.engine.get("a/b");
  EXPECT_EQ(bad_name.error().code(), Code::unknown);
  co_await world.put("job-2", job);
  co_await world.put("other", job);
  ListRequest all{.prefix = prefix_of(target_app())};
  auto listed = co_await world.engine.list(all);
  EXPECT_EQ(listed->size(), 3U);
  auto removed = co_await world.engine.remove_prefix(prefix_of(target_app()) + "job");
  EXPECT_TRUE(removed);
  listed = co_await world.engine.list(all);
  EXPECT_EQ(listed->size(), 1U);
  EXPECT_EQ(listed->front().name, "app||ns||app||other");
  EXPECT_EQ(world.engine.counts().known, 0U);
  co_await world.engine.close();
}

TEST(Engine, KeepsNamesApartListsAndDeletesByPrefix) {
  TemporaryFolder folder;
  ManualClock clock(kNow);
  World world(folder.path, clock);
  run(refusals(world));
}

Task<void> locked_out(World& world, std::filesystem::path folder) {
  co_await world.open();
  SqliteStore second(SqliteOptions{.folder = folder, .lock_timeout = 10ms});
  struct Nobody final : Store::Events {
    Task<Result<>> drain() override { co_return Result<>(); }
    void owned(Share) override {}
    void lost() override {}
    void changed(JobId, std::optional<JobId>, WallTime) override {}
    void removed(JobId) override {}
  } nobody;
  auto opened = co_await second.open(nobody, "there:1");
  EXPECT_EQ(opened.error().code(), Code::failed_precondition);
  co_await second.close();
  co_await world.engine.close();
}

TEST(SqliteStore, BelongsToOneProcessAtATime) {
  TemporaryFolder folder;
  ManualClock clock(kNow);
  World world(folder.path, clock);
  run(locked_out(world, folder.path));
}

/// What must come true of a job of one trigger: it is delivered until it is accepted, unless it was
/// deleted or replaced before that.
struct Expected {
  bool wanted = false;
  int failures = 0;
};

class Chaos {
 public:
  explicit Chaos(World& world) : world_(world) {}

  Task<void> live(int steps) {
    co_await world_.open();
    connect(0);
    for (int step = 0; step < steps; ++step) {
      co_await act();
      world_.clock.advance(std::chrono::milliseconds(random_() % 700));
      answer_some();
    }
    // In the end somebody takes everything.
    connect(0);
    world_.clock.advance(1h);
    const bool done = co_await eventually([this] {
      world_.clock.advance(1s);
      answer_all();
      return std::ranges::none_of(jobs_, [](const auto& job) { return job.second.wanted; });
    });
    EXPECT_TRUE(done);
    for (auto& sidecar : sidecars_) {
      if (sidecar) sidecar->disconnect();
    }
    EXPECT_EQ(wrong_, 0);
    const bool idle = co_await eventually([this] { return world_.engine.counts().known == 0; });
    EXPECT_TRUE(idle) << world_.engine.counts().known;
    co_await world_.engine.close();
  }

 private:
  void connect(std::size_t index) {
    if (sidecars_[index]) return;
    sidecars_[index] = std::make_unique<FakeSidecar>();
    sidecars_[index]->full_at = 1 + random_() % 4;
    sidecars_[index]->connect(world_.engine, world_.app_watch());
  }
  Task<void> act() {
    const std::string name = "job-" + std::to_string(random_() % 40);
    const std::size_t index = random_() % sidecars_.size();
    switch (random_() % 8) {
      case 0: connect(index); break;
      case 1:
        if (sidecars_[index]) sidecars_[index]->disconnect();
        sidecars_[index].reset();
        break;
      case 2: {
        auto removed = co_await world_.engine.remove(prefix_of(target_app()) + name);
        EXPECT_TRUE(removed);
        jobs_[name].wanted = false;
        break;
      }
      case 3: world_.clock.jump(std::chrono::milliseconds(random_() % 5000)); break;
      default: {
        Job job{.due_time = std::to_string(random_() % 90) + "s"};
        co_await world_.put(name, job);
        jobs_[name] = {.wanted = true};
      }
    }
  }
  /// A job that was answered is done with, whichever writing of it that was: an old one may have
  /// been at a sidecar when it was replaced, so only those that are not wanted at all are wrong.
  void answer_one(FakeSidecar& sidecar) {
    auto& job = jobs_[sidecar.sent.front().delivery.name];
    const bool fails = random_() % 5 == 0;
    const std::size_t before = world_.engine.counts().in_flight;
    sidecar.answer(fails ? Answer::failed : Answer::success);
    // An answer that counts ends a flight; the retries of a failure are at most three.
    const bool counts = world_.engine.counts().in_flight < before;
    if (!counts) return;
    if (!job.wanted) ++wrong_;
    if (!fails) job.wanted = false;
    if (fails && ++job.failures > 3) job.wanted = false;
  }
  void answer_some() {
    for (auto& sidecar : sidecars_) {
      if (!sidecar) continue;
      if (!sidecar->sent.empty() && random_() % 2 == 0) answer_one(*sidecar);
      if (!sidecar->full()) sidecar->has_room();
    }
  }
  void answer_all() {
    for (auto& sidecar : sidecars_) {
      while (sidecar && !sidecar->sent.empty()) answer_one(*sidecar);
      if (sidecar) sidecar->has_room();
    }
  }

  World& world_;
  std::mt19937 random_{20261122};
  std::array<std::unique_ptr<FakeSidecar>, 3> sidecars_;
  std::map<std::string, Expected> jobs_;
  int wrong_ = 0;
};

TEST(Engine, DeliversWhatIsWantedAndNothingElseWhateverHappens) {
  TemporaryFolder folder;
  ManualClock clock(kNow);
  const EngineOptions small{.window = 30s, .queued_max = 8, .ready_max = 3};
  World world(folder.path, clock, small);
  Chaos chaos(world);
  run(chaos.live(1500));
}

}  // namespace
}  // namespace outrigger::control::scheduler
