#include <gtest/gtest.h>

#include "base/log.h"
#include "control/scheduler/engine.h"
#include "control/scheduler/engine_testing.h"
#include "dapr/proto/scheduler/v1/scheduler.pb.h"

namespace outrigger::control::scheduler {
namespace {

using namespace std::chrono_literals;

const WallTime kNow = parse_rfc3339("2026-08-21T12:00:00Z").value();

/// A store whose disk is full, or gone, for a while.
class FaultyStore final : public PassingStore {
 public:
  using PassingStore::PassingStore;
  bool no_reads = false;
  bool no_writes = false;
  int refused = 0;

  Task<Result<Written>> put(PutRequest request) override {
    if (no_writes) co_return broken();
    auto result = co_await PassingStore::put(std::move(request));
    co_return result;
  }
  Task<Result<std::vector<Due>>> due(std::uint64_t term, Due after, WallTime until,
                                     std::size_t limit) override {
    if (no_reads) co_return broken();
    auto result = co_await PassingStore::due(term, after, until, limit);
    co_return result;
  }
  Task<Result<Loaded>> load(std::uint64_t term, std::vector<JobId> ids) override {
    if (no_reads) co_return broken();
    auto result = co_await PassingStore::load(term, std::move(ids));
    co_return result;
  }
  Task<Result<std::vector<bool>>> settle(std::uint64_t term,
                                         std::vector<Settlement> settlements) override {
    if (no_writes) co_return broken();
    auto result = co_await PassingStore::settle(term, std::move(settlements));
    co_return result;
  }
  Task<Result<>> shorten_waits(std::uint64_t term, WallTime now) override {
    if (no_writes) co_return broken();
    auto result = co_await PassingStore::shorten_waits(term, now);
    co_return result;
  }
  Task<Result<>> probe() override {
    if (no_writes) co_return broken();
    auto result = co_await PassingStore::probe();
    co_return result;
  }

 private:
  std::unexpected<Error> broken() {
    ++refused;
    return fail(Code::resource_exhausted, "database or disk is full (13)");
  }
};

Job job_of_app(Job job) {
  dapr::proto::scheduler::v1::JobMetadata metadata;
  metadata.set_app_id("app");
  metadata.set_namespace_("ns");
  metadata.mutable_target()->mutable_job();
  job.metadata = Payload{"type.googleapis.com/dapr.proto.scheduler.v1.JobMetadata",
                         metadata.SerializeAsString()};
  return job;
}

struct World {
  explicit World(const std::filesystem::path& folder) : store(folder) {}
  telemetry::Registry registry{telemetry::RegistryOptions{}};
  Metrics metrics{registry};
  ManualClock clock{kNow};
  FaultyStore store;
  Engine engine{store, clock, metrics, EngineOptions{}, [](bool) {}};
  WatchRequest watch{.app_id = "app", .name_space = "ns"};
  const std::string name = "app||ns||app||job";
};

Task<void> full_disk(World& world) {
  auto opened = co_await world.engine.open("here:1");
  EXPECT_TRUE(opened);
  FakeSidecar sidecar;
  sidecar.connect(world.engine, world.watch);
  Job job = job_of_app({.schedule = "@every 1s", .repeats = 3});
  auto scheduled = co_await world.engine.schedule(world.name, job, true);
  EXPECT_TRUE(scheduled);
  world.store.no_writes = true;
  scheduled = co_await world.engine.schedule("app||ns||app||other", job, true);
  EXPECT_EQ(scheduled.error().code(), Code::resource_exhausted);
  auto other = co_await world.engine.get("app||ns||app||other");
  EXPECT_TRUE(other && !other->has_value());
  world.clock.advance(1s);
  bool came = co_await eventually([&] { return sidecar.received == 1; });
  EXPECT_TRUE(came);
  sidecar.answer(Answer::success);
  // The answer is kept until it can be written; the trigger does not come again meanwhile.
  const int before = world.store.refused;
  came = co_await eventually([&] { return world.store.refused >= before + 3; });
  EXPECT_TRUE(came);
  EXPECT_EQ(sidecar.received, 1U);
  world.store.no_writes = false;
  world.clock.advance(1s);
  came = co_await eventually([&] { return sidecar.received == 2; });
  EXPECT_TRUE(came);
  sidecar.disconnect();
  co_await world.engine.close();
}

TEST(EngineWithAFullDisk, RefusesWhatItCannotKeepAndGoesOnWhenThereIsRoom) {
  TemporaryFolder folder;
  World world(folder.path);
  run(full_disk(world));
}

Task<void> nothing_to_settle(World& world) {
  const LogCapture log;
  world.store.no_writes = true;
  auto opened = co_await world.engine.open("here:1");
  EXPECT_TRUE(opened);
  const bool tried = co_await eventually([&] { return world.store.refused >= 2; });
  EXPECT_TRUE(tried);
  world.store.no_writes = false;
  const bool over = co_await eventually(
      [&] { return log.text().contains("works again to take what became of triggers"); });
  EXPECT_TRUE(over);
  co_await world.engine.close();
}

TEST(EngineWithAFullDisk, IsWellWhenThereIsRoomThoughNoTriggerIsToBeWrittenDown) {
  TemporaryFolder folder;
  World world(folder.path);
  run(nothing_to_settle(world));
}

Task<void> stalled(World& world) {
  auto opened = co_await world.engine.open("here:1");
  EXPECT_TRUE(opened);
  FakeSidecar sidecar;
  sidecar.connect(world.engine, world.watch);
  world.store.no_reads = true;
  Job job = job_of_app({.due_time = "1s"});
  Job later = job_of_app({.due_time = "30m"});
  auto scheduled = co_await world.engine.schedule(world.name, job, true);
  EXPECT_TRUE(scheduled);
  scheduled = co_await world.engine.schedule("app||ns||app||later", later, true);
  EXPECT_TRUE(scheduled);
  // Beyond what is in memory: both the job that is due and the reading ahead fail.
  world.clock.advance(1h);
  const bool tried = co_await eventually([&] { return world.store.refused >= 4; });
  EXPECT_TRUE(tried);
  EXPECT_EQ(sidecar.received, 0U);
  world.store.no_reads = false;
  const bool came = co_await eventually([&] { return sidecar.received == 2; });
  EXPECT_TRUE(came);
  sidecar.disconnect();
  co_await world.engine.close();
}

TEST(EngineWithAStoreThatStalls, TriggersEverythingWhenItIsBack) {
  TemporaryFolder folder;
  World world(folder.path);
  run(stalled(world));
}

Task<void> alarms() {
  SystemClock clock;
  struct Count final : Clock::Handler {
    void on_time() override {
      ++times;
      at = wall_now();
    }
    void on_jump() override {}
    int times = 0;
    WallTime at;
  } count, later;
  auto started = clock.start(count);
  EXPECT_TRUE(started);
  clock.arm(clock.now() - 1h);
  bool rang = co_await eventually([&] { return count.times == 1; });
  EXPECT_TRUE(rang);
  const WallTime when = clock.now() + 20ms;
  clock.arm(when);
  rang = co_await eventually([&] { return count.times == 2; });
  EXPECT_TRUE(rang);
  EXPECT_GE(count.at, when);
  // Never: not in the time that another alarm takes.
  clock.arm(Life::kNever);
  SystemClock other;
  started = other.start(later);
  EXPECT_TRUE(started);
  other.arm(other.now() + 20ms);
  rang = co_await eventually([&] { return later.times == 1; });
  EXPECT_TRUE(rang);
  EXPECT_EQ(count.times, 2);
  other.stop();
  clock.stop();
}

TEST(SystemClock, RingsWhenTheWallClockShowsTheTimeAndAtOnceIfThatIsPast) { run(alarms()); }

}  // namespace
}  // namespace outrigger::control::scheduler
