#include "control/leadership/leadership.h"

#include <optional>

#include "base/pch_test.h"
#include "base/scope.h"

namespace outrigger::control {
namespace {

using namespace std::chrono_literals;

/// An engine in memory that all replicas of a test share; time is the test's.
struct Engine {
  std::string holder;
  TimePoint until;
  bool broken = false;
};

class FakeStore final : public LeaseStore {
 public:
  FakeStore(Engine& engine, std::string holder) : engine_(engine), holder_(std::move(holder)) {}
  Task<Result<bool>> acquire(Duration time_to_live) override {
    if (engine_.broken) co_return fail(Code::unavailable, "the engine is gone");
    const TimePoint now = std::chrono::steady_clock::now();
    if (!engine_.holder.empty() && engine_.holder != holder_ && now < engine_.until) {
      co_return false;
    }
    engine_.holder = holder_;
    engine_.until = now + time_to_live;
    co_return true;
  }
  Task<Result<>> release() override {
    if (engine_.holder == holder_) engine_.holder.clear();
    co_return Result<>();
  }
  Task<void> close() override { co_return; }

 private:
  Engine& engine_;
  std::string holder_;
};

struct Replica {
  Replica(Engine& engine, std::string name)
      : leadership(make_leased_leadership(std::make_unique<FakeStore>(engine, std::move(name)),
                                          {.time_to_live = 500ms, .interval = 10ms})) {}
  /// Counts no changes: a machine that is slow for as long as a lease adds some.
  bool stood_down() const { return !changes.empty() && !changes.back(); }
  std::unique_ptr<Leadership> leadership;
  std::vector<bool> changes;
  void start() {
    leadership->start([this](bool leads) { changes.push_back(leads); });
  }
};

class LeaseElection : public testing::Test {
 protected:
  void start(Replica& replica) {
    loop_.post([&replica] { replica.start(); });
  }
  void close(Replica& replica) { run_on(loop_, replica.leadership->close()); }
  void until(const std::function<bool()>& done) { loop_.run_until(done); }
  Loop loop_;
  Engine engine_;
};

TEST_F(LeaseElection, OneReplicaLeadsAndAnotherFollowsItWhenItGivesUp) {
  Replica first(engine_, "first");
  Replica second(engine_, "second");
  start(first);
  until([&] { return first.leadership->leads(); });
  start(second);
  close(first);
  EXPECT_FALSE(first.leadership->leads());
  until([&] { return second.leadership->leads(); });
  EXPECT_TRUE(second.changes.front() && second.changes.back());
  close(second);
}

TEST_F(LeaseElection, ALeaderWhoseEngineIsGoneStandsDownBeforeItsLeaseIsFree) {
  Replica leader(engine_, "leader");
  start(leader);
  until([&] { return leader.leadership->leads(); });
  engine_.broken = true;
  until([&] { return leader.stood_down(); });
  EXPECT_FALSE(leader.leadership->leads());
  engine_.broken = false;
  until([&] { return leader.leadership->leads(); });
  close(leader);
}

/// Takes the lease once, and a second for that; then it is gone.
class SlowStore final : public LeaseStore {
 public:
  explicit SlowStore(TimePoint& now) : now_(now) {}
  Task<Result<bool>> acquire(Duration) override {
    now_ += 1s;
    if (std::exchange(taken_, true)) co_return fail(Code::unavailable, "the engine is gone");
    co_return true;
  }
  Task<Result<>> release() override { co_return Result<>(); }
  Task<void> close() override { co_return; }

 private:
  TimePoint& now_;
  bool taken_ = false;
};

TEST_F(LeaseElection, ALeaderCountsTheTimeOfItsLeaseFromBeforeItAskedAndAllOfIt) {
  const TimePoint start = std::chrono::steady_clock::now();
  TimePoint now = start;
  auto leader =
      make_leased_leadership(std::make_unique<SlowStore>(now),
                             {.time_to_live = 10min, .interval = 1h}, [&] { return now; });
  EXPECT_FALSE(leader->leads());
  loop_.post([&] { leader->start([](bool) {}); });
  until([&] { return leader->leads(); });
  EXPECT_EQ(now, start + 1s);
  now = start + 10min - 1ns;
  EXPECT_TRUE(leader->leads());
  now = start + 10min;
  EXPECT_FALSE(leader->leads());
  run_on(loop_, leader->close());
}

TEST_F(LeaseElection, WhoLosesItsLeaseToAnotherStandsDown) {
  Replica leader(engine_, "leader");
  start(leader);
  until([&] { return leader.leadership->leads(); });
  engine_.holder = "usurper";
  engine_.until = std::chrono::steady_clock::now() + 1h;
  until([&] { return leader.stood_down(); });
  EXPECT_FALSE(leader.leadership->leads());
  close(leader);
}

TEST_F(LeaseElection, ASoleReplicaLeadsFromTheStart) {
  auto sole = make_sole_leadership();
  std::optional<bool> told;
  loop_.post([&] { sole->start([&](bool leads) { told = leads; }); });
  until([&] { return told.has_value(); });
  EXPECT_TRUE(*told);
  EXPECT_TRUE(sole->leads());
  run_on(loop_, sole->close());
  EXPECT_FALSE(sole->leads());
}

}  // namespace
}  // namespace outrigger::control
