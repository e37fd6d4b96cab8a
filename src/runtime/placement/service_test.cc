#include "runtime/placement/service.h"

#include <gmock/gmock.h>

#include "base/scope.h"
#include "runtime/placement/ring.h"

namespace outrigger::runtime::placement {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

/// Notes what it is told.
class Halts final : public Listener {
 public:
  explicit Halts(Service& service) : service_(service) { service_.set_listener(this); }
  ~Halts() override { service_.set_listener(nullptr); }
  Task<void> halt_moved(std::vector<std::string> types) override {
    for (const auto& type : types) told.push_back("moved " + type);
    claims_then = service_.claims();
    co_return;
  }
  Task<void> halt_all() override {
    told.emplace_back("all");
    claims_then = service_.claims();
    co_return;
  }
  std::vector<std::string> told;
  std::size_t claims_then = 0;

 private:
  Service& service_;
};

/// Tables in which the one host of each type is the given one; "me" is this sidecar.
std::shared_ptr<const Tables> tables(std::map<std::string, std::string> host_by_type) {
  PointCache cache;
  TableSource source{.version = 1, .factor = 10, .hosts = {}};
  for (const auto& [type, host] : host_by_type) {
    source.hosts[type].push_back(
        {.key = host, .location = {.address = host + ":1", .app_id = host, .local = host == "me"}});
  }
  return make_tables(std::move(source), nullptr, cache).value();
}

struct Fixture {
  explicit Fixture(Duration standstill = Service::kStandstill) : service(standstill) {}
  Service service;
  Halts halts{service};
  Scope scope;
  std::optional<Result<Claim>> got;
  bool updated = false;

  void drain_in(Duration limit) {
    service.set_drain(std::make_shared<const Drain>(Drain{.timeout = limit}));
  }
  Task<void> claim(std::string type, std::string id) {
    got.reset();
    auto claimed = co_await service.claim(std::move(type), std::move(id));
    got.emplace(std::move(claimed));
  }
  Task<void> update(std::shared_ptr<const Tables> to, std::vector<std::string> changed) {
    updated = false;
    co_await service.update(std::move(to), std::move(changed));
    updated = true;
  }
  Task<void> lose() {
    updated = false;
    co_await service.lose();
    updated = true;
  }
};

template <class F>
void with_service(F scenario, Duration standstill = Service::kStandstill) {
  auto life = [](F inner, Duration limit) -> Task<void> {
    Fixture fixture(limit);
    co_await inner(fixture);
    co_await fixture.scope.join();
  };
  run(life(scenario, standstill));
}
Task<void> turns() {
  for (int i = 0; i < 5; ++i) [[maybe_unused]]
    auto slept = co_await sleep_for(0ms);
}

Task<void> waits_for_tables(Fixture& f) {
  f.scope.spawn(f.claim("cat", "1"));
  co_await turns();
  EXPECT_FALSE(f.got);
  EXPECT_FALSE(f.service.hosts("cat", "1"));
  EXPECT_FALSE(f.service.claim_now("cat", "1", nullptr));
  co_await f.update(tables({{"cat", "me"}, {"dog", "other"}}), {"cat", "dog"});
  co_await turns();
  EXPECT_FALSE(f.got);
  EXPECT_TRUE(f.service.hosts("cat", "1"));
  EXPECT_FALSE(f.service.hosts("dog", "1"));
  EXPECT_FALSE(f.service.ready());
  f.service.unlock({"cat", "dog"});
  co_await turns();
  EXPECT_TRUE(f.service.ready());
  EXPECT_TRUE(f.got && f.got->has_value());
  EXPECT_EQ((*f.got)->location().address, "me:1");
  EXPECT_EQ((*f.got)->location().app_id, "me");
  EXPECT_TRUE((*f.got)->location().local);
  EXPECT_EQ(f.service.claims(), 1U);
  f.got.reset();
  EXPECT_EQ(f.service.claims(), 0U);
}

TEST(Service, AClaimWaitsUntilTablesAreKnownAndTheTypeIsUnlocked) {
  with_service(waits_for_tables);
}

/// Two types, cat in this sidecar and dog in another, unlocked.
Task<void> open(Fixture& f) {
  co_await f.update(tables({{"cat", "me"}, {"dog", "other"}}), {"cat", "dog"});
  f.service.unlock({"cat", "dog"});
  f.halts.told.clear();
}
Claim now(Fixture& f, std::string_view type) {
  return std::move(*f.service.claim_now(type, "1", nullptr)).value();
}

Task<void> stands_still(Fixture& f) {
  int told = 0;
  f.service.set_on_standstill([&told] { ++told; });
  co_await open(f);
  EXPECT_TRUE(f.service.claim_now("cat", "1", nullptr));  // The turn in which the tables came.
  co_await turns();
  EXPECT_FALSE(f.service.claim_now("cat", "1", nullptr));
  EXPECT_EQ(told, 1);
  f.scope.spawn(f.claim("cat", "1"));
  co_await turns();
  // More of the stream that is no longer trusted: a round that it may have slept through.
  co_await f.update(tables({{"cat", "me"}}), {"dog"});
  f.service.unlock({"dog"});
  co_await turns();
  EXPECT_FALSE(f.got);
  EXPECT_EQ(told, 1);
  co_await f.lose();
  EXPECT_THAT(f.halts.told, ElementsAre("moved dog", "all"));
  EXPECT_FALSE(f.service.claim_now("cat", "1", nullptr));
  EXPECT_EQ(told, 1);
  co_await f.update(tables({{"cat", "other"}}), {"cat"});
  f.service.unlock({"cat"});
  EXPECT_EQ(now(f, "cat").location().address, "other:1");
  co_await turns();
  f.service.set_on_standstill(nullptr);
  co_await f.lose();
  co_await f.update(tables({{"cat", "other"}}), {});
  co_await turns();
  EXPECT_TRUE(f.got && f.got->has_value());
}
// Any time at all between two turns is one.
TEST(Service, AfterAStandstillClaimsWaitForTablesThatAreNewerThanIt) {
  with_service(stands_still, Duration::zero());
}
TEST(Service, AStandstillIsNoticedThatIsLongEnoughForPlacementToGiveTheSidecarUp) {
  EXPECT_LT(Service::kStandstill, 3s) << "its --keepalive-timeout, from the ping on";
}

Task<void> turns_steadily(Fixture& f) {
  int told = 0;
  f.service.set_on_standstill([&told] { ++told; });
  co_await turns();  // Without tables there is nothing to distrust.
  co_await open(f);
  co_await turns();
  EXPECT_TRUE(f.service.claim_now("cat", "1", nullptr));
  EXPECT_EQ(told, 0);
}
TEST(Service, ALoopThatTurnsIsTrusted) { with_service(turns_steadily, 1h); }

Task<void> knows_no_address(Fixture& f) {
  co_await open(f);
  const auto claimed = f.service.claim_now("fox", "7", nullptr);
  EXPECT_TRUE(claimed && !claimed->has_value());
  const Error& error = claimed->error();
  EXPECT_EQ(error.message(), "did not find address for actor 'fox||7'");
  EXPECT_EQ(error.tag(), "ERR_ACTOR_NO_ADDRESS");
  EXPECT_EQ(error.code(), Code::failed_precondition);
  EXPECT_EQ(error.http_status(), 404);
}
TEST(Service, ATypeThatNobodyHostsHasUpstreamsError) { with_service(knows_no_address); }

Task<void> stops_waiting(Fixture& f) {
  Cancellation caller;
  f.scope.spawn(f.claim("cat", "1"), caller);
  co_await turns();
  caller.request(Code::deadline_exceeded);
  co_await turns();
  EXPECT_TRUE(f.got && !f.got->has_value());
  EXPECT_EQ(f.got->error().code(), Code::deadline_exceeded);
  const auto late = f.service.claim_now("cat", "1", &caller);
  EXPECT_TRUE(late && !late->has_value());
}
TEST(Service, ACancelledCallerWaitsNoLonger) { with_service(stops_waiting); }

Task<void> waits_for_claims(Fixture& f) {
  co_await open(f);
  f.drain_in(1h);
  std::optional<Claim> cat(now(f, "cat"));
  const Claim dog = now(f, "dog");
  f.scope.spawn(f.update(tables({{"cat", "other"}, {"dog", "other"}}), {"cat"}));
  co_await turns();
  EXPECT_FALSE(f.updated);
  EXPECT_THAT(f.halts.told, ElementsAre());
  EXPECT_FALSE(f.service.hosts("cat", "1"));
  EXPECT_FALSE(f.service.claim_now("cat", "2", nullptr));
  EXPECT_TRUE(f.service.claim_now("dog", "2", nullptr));
  cat.reset();
  co_await turns();
  EXPECT_TRUE(f.updated);
  EXPECT_THAT(f.halts.told, ElementsAre("moved cat"));
  EXPECT_EQ(f.halts.claims_then, 1U);
  EXPECT_FALSE(dog.revoked());
  EXPECT_FALSE(f.service.claim_now("cat", "2", nullptr));
  f.service.unlock({"cat"});
  EXPECT_EQ(now(f, "cat").location().address, "other:1");
}
TEST(Service, AnUpdateWaitsForTheCallsOnTypesThatMoveAndForNoOthers) {
  with_service(waits_for_claims);
}

Task<void> revokes(Fixture& f) {
  co_await open(f);
  f.drain_in(1ms);
  Claim first = now(f, "cat");
  Claim second = now(f, "cat");
  Claim dog = now(f, "dog");
  co_await f.update(tables({{"cat", "other"}, {"dog", "other"}}), {"cat"});
  EXPECT_TRUE(first.revoked() && second.revoked() && !dog.revoked());
  EXPECT_TRUE(first.cancellation().requested());
  EXPECT_FALSE(dog.cancellation().requested());
  EXPECT_EQ(first.location().address, "me:1");
  EXPECT_THAT(f.halts.told, ElementsAre("moved cat"));
  EXPECT_EQ(f.service.claims(), 1U);
}
TEST(Service, CallsThatOutlastTheDrainTimeAreRevokedAndCancelled) { with_service(revokes); }

Task<void> drains_by_type(Fixture& f) {
  co_await open(f);
  Drain drain{.timeout = 1h};
  drain.timeout_by_type["cat"] = 1ms;
  f.service.set_drain(std::make_shared<const Drain>(std::move(drain)));
  Claim cat = now(f, "cat");
  std::optional<Claim> dog(now(f, "dog"));
  f.scope.spawn(f.update(tables({}), {"cat", "dog"}));
  while (!cat.revoked()) co_await turns();
  EXPECT_FALSE(f.updated);
  dog.reset();
  co_await turns();
  EXPECT_TRUE(f.updated);
}
TEST(Service, ATypeCanHaveADrainTimeOfItsOwn) { with_service(drains_by_type); }

Task<void> does_not_wait(Fixture& f) {
  co_await open(f);
  f.service.set_drain(std::make_shared<const Drain>(Drain{.wait = false, .timeout = 1h}));
  Claim cat = now(f, "cat");
  co_await f.update(tables({}), {"cat", "dog"});
  EXPECT_TRUE(cat.revoked());
}
TEST(Service, WithoutDrainingCallsAreCancelledAtOnce) { with_service(does_not_wait); }

Task<void> loses(Fixture& f) {
  co_await open(f);
  f.drain_in(1h);
  std::optional<Claim> dog(now(f, "dog"));
  f.scope.spawn(f.lose());
  co_await turns();
  EXPECT_FALSE(f.updated);
  EXPECT_FALSE(f.service.ready());
  EXPECT_FALSE(f.service.hosts("cat", "1"));
  f.scope.spawn(f.claim("cat", "1"));
  dog.reset();
  co_await turns();
  EXPECT_TRUE(f.updated);
  EXPECT_THAT(f.halts.told, ElementsAre("all"));
  EXPECT_FALSE(f.got);
  co_await f.update(tables({{"cat", "me"}}), {"cat"});
  f.service.unlock({"cat"});
  co_await turns();
  EXPECT_TRUE(f.got && f.got->has_value());
  f.got.reset();
}
TEST(Service, ALostStreamDrainsAndHaltsEverythingAndCallsWaitForTheNext) { with_service(loses); }

Task<void> loses_mid_round(Fixture& f) {
  co_await open(f);
  co_await f.update(tables({{"cat", "other"}}), {"cat", "dog"});
  co_await f.lose();
  co_await f.update(tables({{"cat", "me"}}), {"cat"});
  f.service.unlock({"cat"});
  EXPECT_TRUE(f.service.claim_now("cat", "1", nullptr));
  const auto dog = f.service.claim_now("dog", "1", nullptr);
  EXPECT_TRUE(dog && !dog->has_value());
}
TEST(Service, AStreamLostInsideARoundLeavesNoTypeBlocked) { with_service(loses_mid_round); }

Task<void> claims_types(Fixture& f) {
  co_await open(f);
  f.drain_in(1h);
  auto claimed = co_await f.service.claim_type("fox");
  EXPECT_TRUE(claimed.has_value());
  EXPECT_EQ(claimed->location().address, "");
  f.scope.spawn(f.update(tables({{"fox", "other"}}), {"fox"}));
  co_await turns();
  EXPECT_FALSE(f.updated);
  {
    const Claim gone = *std::move(claimed);
  }
  co_await turns();
  EXPECT_TRUE(f.updated);
  for (int i = 0; i < 10'000; ++i) {
    f.service.unlock({"fox"});
    auto any = co_await f.service.claim_type("type" + std::to_string(i));
    EXPECT_TRUE(any.has_value());
  }
}
TEST(Service, AClaimOnATypeHoldsItsMove) { with_service(claims_types); }

TEST(Service, AClaimOutlivesItsService) {
  std::optional<Claim> claim;
  auto life = [](std::optional<Claim>* out) -> Task<void> {
    Service service;
    co_await service.update(tables({{"cat", "me"}}), {"cat"});
    service.unlock({"cat"});
    out->emplace(std::move(*service.claim_now("cat", "1", nullptr)).value());
  };
  run(life(&claim));
  EXPECT_EQ(claim->location().address, "me:1");
  EXPECT_TRUE(claim->cancellation().requested());
}

}  // namespace
}  // namespace outrigger::runtime::placement
