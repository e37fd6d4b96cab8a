#include "components/state/store.h"

#include "base/scope.h"

namespace outrigger::components::state {
namespace {

/// Counts the calls under way; each ends a turn later.
class CountingStore final : public Store {
 public:
  std::size_t running = 0;
  std::size_t running_max = 0;
  std::size_t calls = 0;

  Task<Result<>> init() override { co_return Result<>(); }
  Task<Result<std::optional<Item>>> get(GetRequest) override {
    co_await step();
    co_return std::nullopt;
  }
  Task<Result<>> set(SetRequest request) override {
    co_await step();
    if (request.value == "bad") co_return fail(Code::internal, "no " + request.key);
    co_return Result<>();
  }
  Task<Result<>> remove(DeleteRequest) override {
    co_await step();
    co_return Result<>();
  }
  Task<void> close() override { co_return; }
  [[nodiscard]] Traits traits() const noexcept override { return {}; }

 private:
  Task<void> step() {
    ++calls;
    running_max = std::max(running_max, ++running);
    [[maybe_unused]] auto slept = co_await sleep_for(Duration::zero());
    --running;
  }
};

constexpr std::size_t kMany = 5000;

TEST(Store, ABulkCallOfManyKeysAsksForThemInBoundedNumbers) {
  Loop loop;
  CountingStore store;
  EXPECT_EQ(run_on(loop, store.bulk_get(std::vector<GetRequest>(kMany), {}))->size(), kMany);
  EXPECT_TRUE(run_on(loop, store.bulk_set(std::vector<SetRequest>(kMany), {}))->empty());
  EXPECT_TRUE(run_on(loop, store.bulk_remove(std::vector<DeleteRequest>(kMany), {}))->empty());
  EXPECT_EQ(store.calls, 3 * kMany);
  EXPECT_GT(store.running_max, 1u);
  EXPECT_LE(store.running_max, 1000u);
}

TEST(Store, TheCallersOwnParallelismIsKeptToUnlessItIsLarger) {
  Loop loop;
  CountingStore store;
  const BulkOptions three{.parallelism = 3};
  ASSERT_TRUE(run_on(loop, store.bulk_get(std::vector<GetRequest>(100), three)));
  EXPECT_EQ(store.running_max, 3u);
  const BulkOptions huge{.parallelism = 1'000'000};
  ASSERT_TRUE(run_on(loop, store.bulk_get(std::vector<GetRequest>(kMany), huge)));
  EXPECT_LE(store.running_max, 1000u);
}

TEST(Store, OfManyWritesTheFailedAreTold) {
  Loop loop;
  CountingStore store;
  std::vector<SetRequest> requests(kMany);
  requests[7] = {.key = "seven", .value = "bad"};
  requests[4999] = {.key = "last", .value = "bad"};
  const auto failures = run_on(loop, store.bulk_set(std::move(requests), {})).value();
  ASSERT_EQ(failures.size(), 2u);
  EXPECT_EQ(failures[0].key, "seven");
  EXPECT_EQ(failures[1].error.message(), "no last");
}

}  // namespace
}  // namespace outrigger::components::state
