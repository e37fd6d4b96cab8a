// The leases of leaders in the engines that keep them.
#include <functional>

#include "base/env.h"
#include "base/pch_test.h"
#include "base/scope.h"
#include "base/uuid.h"
#include "control/leadership/lease_stores.h"

namespace outrigger::control {
namespace {

using namespace std::chrono_literals;

struct Engine {
  const char* name;
  const char* variable;
  std::function<Result<std::unique_ptr<LeaseStore>>(std::string where, LeaseName name)> make;
};

class Leases : public testing::TestWithParam<Engine> {
 protected:
  void SetUp() override {
    where_ = env(GetParam().variable);
    if (!where_) GTEST_SKIP() << GetParam().variable << " names no server";
    lease_ = uuid_v4();
  }
  std::unique_ptr<LeaseStore> make(std::string holder) {
    std::unique_ptr<LeaseStore> store;
    auto on_the_loop = [](Leases* self, std::string who,
                          std::unique_ptr<LeaseStore>* out) -> Task<void> {
      auto made = GetParam().make(*self->where_, {.name = self->lease_, .holder = std::move(who)});
      EXPECT_TRUE(made) << made.error().message();
      *out = std::move(made).value_or(nullptr);
      co_return;
    };
    run_on(loop_, on_the_loop(this, std::move(holder), &store));
    return store;
  }
  bool acquire(LeaseStore& store, Duration time_to_live) {
    auto ours = run_on(loop_, store.acquire(time_to_live));
    EXPECT_TRUE(ours) << ours.error().message();
    return ours.value_or(false);
  }
  static Task<void> acquire_when_free(LeaseStore* store) {
    for (;;) {
      auto ours = co_await store->acquire(60s);
      EXPECT_TRUE(ours) << (ours ? "" : ours.error().message());
      if (!ours || *ours) co_return;
      // As often as makes no difference to a lease of a second, and to the server.
      [[maybe_unused]] auto slept = co_await sleep_for(100ms);
    }
  }
  void close(LeaseStore& store) { run_on(loop_, store.close()); }
  Loop loop_;
  std::optional<std::string> where_;
  std::string lease_;
};

TEST_P(Leases, HaveOneHolderUntilItGivesThemBack) {
  auto first = make("first");
  auto second = make("second");
  EXPECT_TRUE(acquire(*first, 60s));
  EXPECT_TRUE(acquire(*first, 60s));
  EXPECT_FALSE(acquire(*second, 60s));
  auto nothing = run_on(loop_, second->release());
  EXPECT_TRUE(nothing) << nothing.error().message();
  EXPECT_FALSE(acquire(*second, 60s));
  EXPECT_TRUE(run_on(loop_, first->release()));
  EXPECT_TRUE(acquire(*second, 60s));
  EXPECT_FALSE(acquire(*first, 60s));
  close(*first);
  close(*second);
}

TEST_P(Leases, RunOutWhenTheirHolderIsGone) {
  auto gone = make("gone");
  auto next = make("next");
  ASSERT_TRUE(acquire(*gone, 1s));
  close(*gone);
  run_on(loop_, acquire_when_free(next.get()));
  close(*next);
}

Result<std::unique_ptr<LeaseStore>> in_etcd(std::string where, LeaseName name) {
  return make_etcd_lease_store({.endpoints = {std::move(where)}}, std::move(name));
}

constexpr std::string_view kConnection = "connectionString=";
Result<std::unique_ptr<LeaseStore>> in_postgres(std::string where, LeaseName name) {
  return make_postgres_lease_store(where.substr(kConnection.size()), std::move(name));
}

INSTANTIATE_TEST_SUITE_P(Every, Leases,
                         testing::Values(Engine{"etcd", "OUTRIGGER_TEST_ETCD", &in_etcd},
                                         Engine{"postgresqlv1", "OUTRIGGER_TEST_STATE_POSTGRESQL",
                                                &in_postgres}),
                         [](const auto& tested) { return std::string(tested.param.name); });

}  // namespace
}  // namespace outrigger::control
