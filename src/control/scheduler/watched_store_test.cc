#include "control/scheduler/watched_store.h"

#include <gtest/gtest.h>

#include "control/scheduler/engine_testing.h"

namespace outrigger::control::scheduler {
namespace {

using namespace std::chrono_literals;

/// A store whose writes fail, or do not come to their end, and that counts probes.
class BadStore final : public Store {
 public:
  std::optional<Error> error;
  bool stalls = false;
  int probes = 0;
  Events* events = nullptr;
  Signal released;

  Task<Result<>> open(Events& told, std::string) override {
    events = &told;
    events->owned(Share{.term = 1});
    co_return Result<>();
  }
  Task<Result<Written>> put(PutRequest) override {
    OUT_CO_CHECK(co_await write());
    co_return Written{.id = 1};
  }
  Task<Result<std::optional<StoredJob>>> get(std::string) override { co_return std::nullopt; }
  Task<Result<std::optional<JobId>>> remove(std::string) override { co_return std::nullopt; }
  Task<Result<std::vector<JobId>>> remove_prefix(std::string) override {
    co_return std::vector<JobId>();
  }
  Task<Result<std::vector<NamedJob>>> list(ListRequest) override {
    co_return std::vector<NamedJob>();
  }
  Task<Result<std::vector<Due>>> due(std::uint64_t, Due, WallTime, std::size_t) override {
    co_return std::vector<Due>();
  }
  Task<Result<Loaded>> load(std::uint64_t, std::vector<JobId>) override { co_return Loaded(); }
  Task<Result<std::vector<bool>>> settle(std::uint64_t, std::vector<Settlement>) override {
    co_return std::vector<bool>();
  }
  Task<Result<>> shorten_waits(std::uint64_t, WallTime) override { co_return Result<>(); }
  Task<Result<>> probe() override {
    ++probes;
    auto written = co_await write();
    co_return written;
  }
  Task<void> close() override { co_return; }

 private:
  Task<Result<>> write() {
    while (stalls) {
      OUT_CO_CHECK(co_await released.wait());
    }
    if (error) co_return std::unexpected(*error);
    co_return Result<>();
  }
};

struct Nobody final : Store::Events {
  void owned(Share) override {}
  Task<Result<>> drain() override { co_return Result<>(); }
  void lost() override {}
  void changed(JobId, std::optional<JobId>, WallTime) override {}
  void removed(JobId) override {}
};

struct World {
  explicit World(WatchOptions options) {
    auto made = std::make_unique<BadStore>();
    bad = made.get();
    store.emplace(std::move(made), metrics, [this](bool works) { healthy = works; }, options);
  }
  bool says(std::string_view line) const { return registry.render().contains(line); }

  telemetry::Registry registry{telemetry::RegistryOptions{}};
  Metrics metrics{registry};
  Nobody nobody;
  BadStore* bad = nullptr;
  bool healthy = true;
  std::optional<WatchedStore> store;
};

constexpr std::string_view kFailing = "dapr_scheduler_store_failing 1\n";
constexpr std::string_view kWorking = "dapr_scheduler_store_failing 0\n";

Task<void> failing(World& world) {
  auto opened = co_await world.store->open(world.nobody, "here:1");
  EXPECT_TRUE(opened);
  PutRequest request;
  world.bad->error.emplace(Code::already_exists, "job already exists");
  auto written = co_await world.store->put(request);
  EXPECT_EQ(written.error().code(), Code::already_exists);
  EXPECT_TRUE(world.says(kWorking));
  EXPECT_EQ(world.bad->probes, 0) << "what is the caller's own is no reason to doubt";
  world.bad->error.emplace(Code::resource_exhausted, "disk is full");
  written = co_await world.store->put(request);
  EXPECT_EQ(written.error().code(), Code::resource_exhausted);
  bool seen = co_await eventually([&] { return world.bad->probes >= 3; });
  EXPECT_TRUE(seen && world.says(kFailing));
  EXPECT_TRUE(world.says("dapr_scheduler_store_errors_total 1\n"));
  EXPECT_TRUE(world.healthy) << "not yet: it may pass";
  world.bad->error.reset();
  seen = co_await eventually([&] { return world.says(kWorking); });
  EXPECT_TRUE(seen);
  co_await world.store->close();
}

TEST(WatchedStore, ProbesAStoreThatFailedUntilItWorks) {
  WatchOptions options;
  options.slow = 1ms;
  options.probe_pause_max = 1ms;
  World world(options);
  run(failing(world));
}

Task<void> put_one(WatchedStore& store, std::optional<Result<Written>>& out) {
  PutRequest request;
  out = co_await store.put(std::move(request));
}

Task<void> stalling(World& world) {
  auto opened = co_await world.store->open(world.nobody, "here:1");
  EXPECT_TRUE(opened);
  world.bad->stalls = true;
  std::optional<Result<Written>> written;
  Scope scope;
  scope.spawn(put_one(*world.store, written));
  bool seen = co_await eventually([&] { return world.says(kFailing); });
  EXPECT_TRUE(seen);
  EXPECT_FALSE(written) << "the caller decides how long to wait";
  world.bad->stalls = false;
  world.bad->released.notify_all();
  seen = co_await eventually([&] { return written && world.says(kWorking); });
  EXPECT_TRUE(seen && *written);
  co_await scope.join();
  co_await world.store->close();
}

TEST(WatchedStore, NoticesAStoreThatDoesNotAnswer) {
  WatchOptions options;
  options.slow = 1ms;
  options.probe_timeout = 1ms;
  options.probe_pause_max = 1ms;
  World world(options);
  run(stalling(world));
}

Task<void> without_share(World& world) {
  auto opened = co_await world.store->open(world.nobody, "here:1");
  EXPECT_TRUE(opened && world.healthy);
  world.bad->events->lost();
  bool seen = co_await eventually([&] { return !world.healthy; });
  EXPECT_TRUE(seen);
  world.bad->events->owned(Share{.term = 2});
  EXPECT_TRUE(world.healthy);
  co_await world.store->close();
}

TEST(WatchedStore, IsUnhealthyWithoutAShare) {
  WatchOptions options;
  options.shareless_max = 1ms;
  World world(options);
  run(without_share(world));
}

Task<void> removed_folder(SqliteStore& store, std::filesystem::path folder) {
  Nobody nobody;
  auto opened = co_await store.open(nobody, "here:1");
  EXPECT_TRUE(opened);
  auto probed = co_await store.probe();
  EXPECT_TRUE(probed);
  const std::filesystem::path aside = folder.string() + "-aside";
  std::filesystem::rename(folder, aside);
  const TimePoint removed = std::chrono::steady_clock::now();
  do {  // It looks now and then only.
    probed = co_await store.probe();
  } while (probed && std::chrono::steady_clock::now() < removed + 30s);
  EXPECT_EQ(probed ? Code::ok : probed.error().code(), Code::failed_precondition);
  PutRequest request{.name = "app||ns||app||job"};
  const auto written = co_await store.put(request);
  EXPECT_FALSE(written);
  // A file of the name is not the file.
  std::filesystem::create_directory(folder);
  std::filesystem::copy_file(aside / "outrigger-scheduler.db", folder / "outrigger-scheduler.db");
  probed = co_await store.probe();
  EXPECT_FALSE(probed);
  std::filesystem::remove_all(folder);
  std::filesystem::rename(aside, folder);
  probed = co_await store.probe();
  EXPECT_TRUE(probed);
  co_await store.close();
}

TEST(SqliteStore, WritesNothingWhenItsFolderIsRemovedAndGoesOnWhenItIsBack) {
  TemporaryFolder folder;
  SqliteStore store(SqliteOptions{.folder = folder.path / "data"});
  run(removed_folder(store, folder.path / "data"));
}

}  // namespace
}  // namespace outrigger::control::scheduler
