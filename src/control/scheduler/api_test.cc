#include "control/scheduler/api.h"

#include "control/scheduler/engine_testing.h"

namespace outrigger::control::scheduler {
namespace {

const WallTime kNow = parse_rfc3339("2026-08-21T12:00:00Z").value();

struct World {
  explicit World(const std::filesystem::path& folder) : store(SqliteOptions{.folder = folder}) {}
  telemetry::Registry registry{telemetry::RegistryOptions{}};
  Metrics metrics{registry};
  ManualClock clock{kNow};
  SqliteStore store;
  Engine engine{store, clock, metrics, EngineOptions{}, [](bool) {}};
  Api api{engine, metrics};
};

Task<Ending> watch(std::string body) {
  TemporaryFolder folder;
  World world(folder.path);
  auto opened = co_await world.engine.open("here:1");
  EXPECT_TRUE(opened);
  auto ending = co_await call_raw(&world.api.service(),
                                  "/dapr.proto.scheduler.v1.Scheduler/WatchJobs", std::move(body));
  co_await world.api.drain();
  co_await world.engine.close();
  co_return ending;
}

std::string framed(std::string_view message, bool compressed = false) {
  std::string frame;
  net::grpc::append_frame(frame, message, compressed);
  return frame;
}

// The words are grpc-go's.
TEST(SchedulerApi, AStreamWhoseFirstMessageIsBrokenEndsWithTheReason) {
  const auto compressed = run(watch(framed("x", true)));
  EXPECT_EQ(compressed.status, "13");
  EXPECT_EQ(compressed.words, "grpc: compressed flag set with identity or empty encoding");
  const auto large = run(watch(std::string("\0\xff\xff\xff\xff", 5)));
  EXPECT_EQ(large.status, "8");
  EXPECT_TRUE(large.words.starts_with("grpc: received message larger than max")) << large.words;
  const auto other = run(watch(framed("\xff\xff")));
  EXPECT_EQ(other.status, "13");
  EXPECT_TRUE(other.words.starts_with("grpc: failed to unmarshal the received message"))
      << other.words;
}

TEST(SchedulerApi, AStreamWithAMillionActorTypesIsRefused) {
  const std::string types(20'000'000, '\0');
  const auto ending = run(watch(framed(types)));
  EXPECT_EQ(ending.status, "8");
  EXPECT_EQ(ending.words, "grpc: received message larger than max (20000000 vs. 1048576)");
}

TEST(SchedulerApi, AStreamThatEndsBeforeItsFirstMessageIsToldSo) {
  const auto ending = run(watch(""));
  EXPECT_EQ(ending.status, "2");
  EXPECT_EQ(ending.words, "EOF");
}

}  // namespace
}  // namespace outrigger::control::scheduler
