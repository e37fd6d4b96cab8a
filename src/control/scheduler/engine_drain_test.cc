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
  /// The one term of the store inside, whose share never ends.
  static constexpr std::uint64_t kInside = 1;
  Events* events = nullptr;
  bool settling_fails = false;
  int refused = 0;
  bool holds_loads = false;
  int loading = 0;
  bool holds_settling = false;
  int settling = 0;
  std::uint64_t refuses_terms_before = 0;
  Signal let_go;

  Task<Result<>> open(Events& told, std::string address) override {
    events = &told;
    return PassingStore::open(told, std::move(address));
  }
  Task<Result<std::vector<Due>>> due(std::uint64_t, Due after, WallTime until,
                                     std::size_t limit) override {
    return PassingStore::due(kInside, after, until, limit);
  }
  Task<Result<>> shorten_waits(std::uint64_t, WallTime now) override {
    return PassingStore::shorten_waits(kInside, now);
  }
  Task<Result<Loaded>> load(std::uint64_t, std::vector<JobId> ids) override {
    ++loading;
    auto loaded = co_await PassingStore::load(kInside, std::move(ids));
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
    ++settling;
    while (holds_settling) {
      [[maybe_unused]] auto woken = co_await let_go.wait();
    }
    --settling;
    if (term < refuses_terms_before) co_return other_term();
    co_return co_await PassingStore::settle(kInside, std::move(settlements));
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
  /// One that is due, of this partition.
  Task<void> put_at(std::string name, std::uint64_t partition) {
    dapr::proto::scheduler::v1::JobMetadata metadata;
    metadata.set_app_id("app");
    metadata.set_namespace_("ns");
    metadata.mutable_target()->mutable_job();
    Job job{.due_time = "0s"};
    job.metadata = Payload{"type.googleapis.com/dapr.proto.scheduler.v1.JobMetadata",
                           metadata.SerializeAsString()};
    auto done = co_await engine.restore(stored(name),
                                        accept(std::move(job), clock.now(), partition).value());
    EXPECT_TRUE(done);
  }
  /// All of it is sent when this returns.
  Task<void> put_and_send_at(std::vector<std::uint64_t> partitions) {
    for (const std::uint64_t partition : partitions) {
      co_await put_at("p" + std::to_string(partition), partition);
    }
    const bool came = co_await eventually([&] { return sidecar.sent.size() == partitions.size(); });
    EXPECT_TRUE(came);
  }
  Task<void> gone(std::string name) {
    const TimePoint end = std::chrono::steady_clock::now() + 30s;
    for (;;) {
      const bool is_there = co_await there(name);
      if (!is_there) co_return;
      EXPECT_LT(std::chrono::steady_clock::now(), end) << name;
      if (std::chrono::steady_clock::now() >= end) co_return;
    }
  }
  /// Another share, after which the jobs of these places have been nobody else's.
  void owned(Place place, std::optional<std::vector<Place>> since) {
    Share share{.index = place.index, .total = place.total, .term = ++term, .hosts = {}};
    share.since = std::move(since);
    store.events->owned(std::move(share));
  }
  /// A trigger of its own comes, so all that was due before has come.
  Task<void> nothing_more(std::uint64_t partition) {
    const std::size_t before = sidecar.received;
    co_await put_at("last", partition);
    const bool came = co_await eventually([&] { return sidecar.received > before; });
    EXPECT_TRUE(came);
    EXPECT_EQ(sidecar.received, before + 1);
    EXPECT_EQ(sidecar.sent.back().delivery.name, "last");
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
  std::uint64_t term = 1;
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

using Places = std::vector<Place>;
constexpr Place kAll{0, 1};
constexpr Place kEven{0, 2};

Task<void> carried(World& world) {
  co_await world.open();
  co_await world.put_and_send_at({2, 4});
  world.begin_drain();
  world.store.events->lost();                              // They take longer than the drain.
  EXPECT_EQ(world.sidecar.answer(Answer::success), "p2");  // While there is no share.
  world.owned(kEven, Places{{0, 3}, {1, 3}, kEven, kAll});
  // 2 and 4 have been another's; a share that says so comes anew.
  bool came = co_await eventually([&] { return world.sidecar.received == 4; });
  EXPECT_TRUE(came);
  world.store.events->lost();
  world.owned(kAll, Places{kEven, kAll});
  EXPECT_EQ(world.sidecar.sent.size(), 3U);
  EXPECT_EQ(world.sidecar.answer(Answer::failed), "p4");  // Nobody's: of the first share.
  for (int i = 0; i < 2; ++i) world.sidecar.answer(Answer::success);
  co_await world.gone("p2");
  co_await world.gone("p4");
  co_await world.nothing_more(6);
  co_await world.close();
}
TEST(EngineWithAnotherShare, LeavesInFlightWhatIsItsOwnStillAndSendsAgainWhatWasAnothers) {
  in_a_world(&carried);
}

Task<void> carried_answers(World& world) {
  co_await world.open();
  co_await world.put_and_send_at({2, 4, 6});
  world.store.settling_fails = true;
  EXPECT_EQ(world.sidecar.answer(Answer::success), "p2");
  bool came = co_await eventually([&] { return world.store.refused >= 1; });
  EXPECT_TRUE(came);
  world.begin_drain();
  world.store.events->lost();
  EXPECT_EQ(world.sidecar.answer(Answer::success), "p4");  // While there is no share.
  world.store.settling_fails = false;
  world.owned(kEven, Places{kEven});
  EXPECT_EQ(world.sidecar.answer(Answer::success), "p6");
  for (const char* name : {"p2", "p4", "p6"}) co_await world.gone(name);
  EXPECT_EQ(world.sidecar.received, 3U);
  co_await world.nothing_more(8);
  co_await world.close();
}
TEST(EngineWithAnotherShare, SettlesWhatWasAnsweredBeforeItOrMeanwhileOrLater) {
  in_a_world(&carried_answers);
}

Task<void> carried_while_settling(World& world) {
  co_await world.open();
  co_await world.put_and_send_at({2, 3});
  world.store.holds_settling = true;
  for (int i = 0; i < 2; ++i) world.sidecar.answer(Answer::success);
  bool came = co_await eventually([&] { return world.store.settling == 1; });
  EXPECT_TRUE(came);
  world.store.events->lost();
  world.owned(kEven, Places{});
  world.store.refuses_terms_before = 2;
  world.store.holds_settling = false;
  world.store.let_go.notify_all();
  co_await world.gone("p2");
  // The other replica's, which this store gives to all.
  came = co_await eventually([&] { return world.sidecar.received == 3; });
  EXPECT_TRUE(came);
  EXPECT_EQ(world.sidecar.answer(Answer::success), "p3");
  co_await world.gone("p3");
  co_await world.nothing_more(4);
  co_await world.close();
}
TEST(EngineWithAnotherShare, SettlesAnewWhatTheStoreWasAtWhenTheShareEnded) {
  in_a_world(&carried_while_settling);
}

Task<void> stream_ends_meanwhile(World& world) {
  co_await world.open();
  co_await world.put_and_send_at({2});
  world.store.events->lost();
  world.sidecar.disconnect();
  world.owned(kAll, Places{});
  world.sidecar.connect(world.engine, {.app_id = "app", .name_space = "ns"});
  const bool came = co_await eventually([&] { return world.sidecar.received == 2; });
  EXPECT_TRUE(came);
  EXPECT_EQ(world.sidecar.answer(Answer::success), "p2");
  co_await world.gone("p2");
  co_await world.close();
}
TEST(EngineWithAnotherShare, SendsAgainWhatWasOnAStreamThatEndedWhileThereWasNone) {
  in_a_world(&stream_ends_meanwhile);
}

}  // namespace
}  // namespace outrigger::control::scheduler
