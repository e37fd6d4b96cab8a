#include "control/scheduler/engine_testing.h"
#include "dapr/proto/scheduler/v1/scheduler.pb.h"

namespace outrigger::control::scheduler {
namespace {

using namespace std::chrono_literals;

const WallTime kNow = parse_rfc3339("2026-08-21T12:00:00Z").value();

/// A store whose shares end when the test says so, and that can be held up in settling.
class SharedStore final : public PassingStore {
 public:
  using PassingStore::PassingStore;
  Events* events = nullptr;
  bool settling_fails = false;
  int refused = 0;
  bool holds_loads = false;
  int loading = 0;
  Signal let_go;

  Task<Result<>> open(Events& told, std::string address) override {
    events = &told;
    return PassingStore::open(told, std::move(address));
  }
  Task<Result<Loaded>> load(std::uint64_t term, std::vector<JobId> ids) override {
    ++loading;
    auto loaded = co_await PassingStore::load(term, std::move(ids));
    while (holds_loads) {
      [[maybe_unused]] auto woken = co_await let_go.wait();
    }
    --loading;
    co_return loaded;
  }
  Task<Result<std::vector<bool>>> settle(std::uint64_t term,
                                         std::vector<Settlement> settlements) override {
    if (settling_fails) {
      ++refused;
      co_return fail(Code::unavailable, "not now");
    }
    co_return co_await PassingStore::settle(term, std::move(settlements));
  }
};

struct World {
  explicit World(const std::filesystem::path& folder) : store(folder) {}
  Task<void> open() {
    auto opened = co_await engine.open("here:1");
    EXPECT_TRUE(opened);
    sidecar.connect(engine, {.app_id = "app", .name_space = "ns"});
  }
  Task<void> put(std::string name, Job job) {
    dapr::proto::scheduler::v1::JobMetadata metadata;
    metadata.set_app_id("app");
    metadata.set_namespace_("ns");
    metadata.mutable_target()->mutable_job();
    job.metadata = Payload{"type.googleapis.com/dapr.proto.scheduler.v1.JobMetadata",
                           metadata.SerializeAsString()};
    auto done = co_await engine.schedule(stored(name), std::move(job), true);
    EXPECT_TRUE(done);
  }
  Task<void> put_and_send(std::string name) {
    co_await put(name, {.due_time = "0s"});
    const bool came = co_await eventually([&] { return !sidecar.sent.empty(); });
    EXPECT_TRUE(came);
  }
  Task<bool> there(std::string name) {
    auto job = co_await engine.get(stored(name));
    co_return job && job->has_value();
  }
  void begin_drain() { draining.spawn(drain()); }
  Task<void> drain() {
    auto done = co_await store.events->drain();
    EXPECT_TRUE(done);
    drained = true;
  }
  Task<void> close() {
    sidecar.disconnect();
    co_await engine.close();
    co_await draining.join();
  }
  static std::string stored(const std::string& name) { return "app||ns||app||" + name; }

  telemetry::Registry registry{telemetry::RegistryOptions{}};
  Metrics metrics{registry};
  ManualClock clock{kNow};
  SharedStore store;
  Engine engine{store, clock, metrics, EngineOptions{}, [](bool) {}};
  FakeSidecar sidecar;
  Scope draining;
  bool drained = false;
};

/// Runs what is to happen with a world of its own.
void in_a_world(Task<void> (*story)(World&)) {
  TemporaryFolder folder;
  World world(folder.path);
  run(story(world));
}

Task<void> answers_settle(World& world) {
  co_await world.open();
  co_await world.put_and_send("flying");
  world.begin_drain();
  EXPECT_FALSE(world.drained);
  // Due while the share ends: nobody sends it before the next share.
  co_await world.put("later", {.due_time = "1s"});
  world.clock.advance(2s);
  world.store.settling_fails = true;
  EXPECT_EQ(world.sidecar.answer(Answer::success), "flying");
  bool came = co_await eventually([&] { return world.store.refused >= 2; });
  EXPECT_TRUE(came);
  EXPECT_FALSE(world.drained);  // Answered, but not settled.
  world.store.settling_fails = false;
  came = co_await eventually([&] { return world.drained; });
  EXPECT_TRUE(came);
  const bool there = co_await world.there("flying");
  EXPECT_FALSE(there);
  EXPECT_EQ(world.sidecar.received, 1U);
  world.store.events->lost();
  world.store.events->owned({.index = 0, .total = 1, .term = 1, .hosts = {}});
  came = co_await eventually([&] { return world.sidecar.received == 2; });
  EXPECT_TRUE(came);
  EXPECT_EQ(world.sidecar.answer(Answer::success), "later");
  co_await world.close();
}
TEST(EngineWhoseShareEnds, SendsNothingMoreAndWaitsUntilAnswersAreSettled) {
  in_a_world(&answers_settle);
}

Task<void> read_meanwhile(World& world) {
  co_await world.open();
  world.store.holds_loads = true;
  co_await world.put("read", {.due_time = "0s"});
  bool came = co_await eventually([&] { return world.store.loading == 1; });
  EXPECT_TRUE(came);
  co_await world.put("unread", {.due_time = "0s"});
  world.begin_drain();
  EXPECT_TRUE(world.drained);
  world.store.holds_loads = false;
  world.store.let_go.notify_all();
  came = co_await eventually([&] { return world.store.loading == 0; });
  EXPECT_TRUE(came);
  EXPECT_EQ(world.sidecar.received, 0U);
  world.store.events->lost();
  world.store.events->owned({.index = 0, .total = 1, .term = 1, .hosts = {}});
  came = co_await eventually([&] { return world.sidecar.received == 2; });
  EXPECT_TRUE(came);
  co_await world.close();
}
TEST(EngineWhoseShareEnds, KeepsWhatIsDueForTheNextShare) { in_a_world(&read_meanwhile); }

Task<void> no_answers(World& world) {
  co_await world.open();
  co_await world.put_and_send("stream");
  co_await world.put("deleted", {.due_time = "0s"});
  bool came = co_await eventually([&] { return world.sidecar.received == 2; });
  EXPECT_TRUE(came);
  world.begin_drain();
  auto removed = co_await world.engine.remove(World::stored("deleted"));
  EXPECT_TRUE(removed);
  EXPECT_FALSE(world.drained);
  world.sidecar.disconnect();
  came = co_await eventually([&] { return world.drained; });
  EXPECT_TRUE(came);
  world.sidecar.connect(world.engine, {.app_id = "app", .name_space = "ns"});
  EXPECT_EQ(world.sidecar.received, 2U);
  co_await world.close();
}
TEST(EngineWhoseShareEnds, WaitsForNoStreamThatIsGoneAndForNoJobThatWasDeleted) {
  in_a_world(&no_answers);
}

Task<void> told_anew(World& world) {
  co_await world.open();
  co_await world.put_and_send("flying");
  world.begin_drain();
  // As a store does that is to be read anew, because it was not told what became of a writing.
  world.store.events->owned({.index = 0, .total = 1, .term = 1, .hosts = {}});
  co_await world.put("later", {.due_time = "0s"});
  EXPECT_EQ(world.sidecar.answer(Answer::success), "flying");
  const bool came = co_await eventually([&] { return world.drained; });
  EXPECT_TRUE(came);
  EXPECT_EQ(world.sidecar.received, 1U);
  world.store.events->lost();
  co_await world.close();
}
TEST(EngineWhoseShareEnds, SendsNothingMoreThoughItIsToReadTheShareAnew) { in_a_world(&told_anew); }

Task<void> lost_meanwhile(World& world) {
  co_await world.open();
  co_await world.put_and_send("flying");
  world.begin_drain();
  world.store.events->lost();  // As when the lease runs out.
  const bool came = co_await eventually([&] { return world.drained; });
  EXPECT_TRUE(came);
  const bool there = co_await world.there("flying");
  EXPECT_TRUE(there);  // For the next owner.
  co_await world.close();
}
TEST(EngineWhoseShareEnds, WaitsNoLongerThanItHasTheShare) { in_a_world(&lost_meanwhile); }

Task<void> winding_down(World& world) {
  co_await world.open();
  co_await world.put_and_send("stuck");
  const TimePoint begun = std::chrono::steady_clock::now();
  co_await world.engine.wind_down(20ms);
  EXPECT_GE(std::chrono::steady_clock::now() - begun, 20ms);
  // Not even under another share, which can come before the end.
  world.store.events->lost();
  world.store.events->owned({.index = 0, .total = 1, .term = 1, .hosts = {}});
  co_await world.put("other", {.due_time = "0s"});
  co_await world.engine.wind_down(1h);  // Nothing is in flight.
  EXPECT_EQ(world.sidecar.received, 1U);
  const bool there = co_await world.there("stuck");
  EXPECT_TRUE(there);
  co_await world.close();
}
TEST(EngineThatWindsDown, WaitsNoLongerThanItMayAndSendsNothingMore) { in_a_world(&winding_down); }

Task<void> wound_down(World& world) {
  co_await world.open();
  co_await world.put_and_send("flying");
  Scope ending;
  ending.spawn(world.engine.wind_down(1h));
  EXPECT_EQ(world.sidecar.answer(Answer::success), "flying");
  co_await ending.join();
  const bool there = co_await world.there("flying");
  EXPECT_FALSE(there);
  co_await world.close();
}
TEST(EngineThatWindsDown, HasSettledWhatWasAnswered) { in_a_world(&wound_down); }

}  // namespace
}  // namespace outrigger::control::scheduler
