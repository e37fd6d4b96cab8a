#include "runtime/app/gate.h"

namespace outrigger::runtime::app {
namespace {

/// Calls of one loop on their way through a gate.
struct Calls {
  explicit Calls(int limit) : gate(limit) {}
  /// Begins a call and notes under its name how it got on.
  void begin(char name) { scope.spawn(call(this, name), cancellations[name]); }
  static Task<void> call(Calls* self, char name) {
    auto entered = co_await self->gate.enter();
    self->log += name;
    self->log += entered ? '+' : '-';
  }
  /// Lets everything happen that can.
  void turn() {
    bool done = false;
    loop.post([&] { loop.post([&] { loop.post([&] { done = true; }); }); });
    loop.run_until([&] { return done; });
  }
  void on_loop(std::function<void()> work) {
    loop.post(std::move(work));
    turn();
  }

  Loop loop;
  Gate gate;
  std::map<char, Cancellation> cancellations;
  std::string log;
  Scope scope;
};

TEST(Gate, LetsSoManyInAndTheOthersInTheOrderTheyCame) {
  Calls calls(2);
  calls.on_loop([&] {
    for (const char name : {'a', 'b', 'c', 'd'}) calls.begin(name);
  });
  EXPECT_EQ(calls.log, "a+b+");
  calls.on_loop([&] { calls.gate.leave(); });
  EXPECT_EQ(calls.log, "a+b+c+");
  calls.on_loop([&] { calls.gate.leave(); });
  EXPECT_EQ(calls.log, "a+b+c+d+");
}

TEST(Gate, ACallThatIsGivenUpLosesItsPlaceOnly) {
  Calls calls(1);
  calls.on_loop([&] {
    for (const char name : {'a', 'b', 'c'}) calls.begin(name);
  });
  calls.on_loop([&] { calls.cancellations['b'].request(); });
  EXPECT_EQ(calls.log, "a+b-");
  calls.on_loop([&] { calls.gate.leave(); });
  EXPECT_EQ(calls.log, "a+b-c+");
}

TEST(Gate, ASlotThatIsHandedToACallJustGivenUpGoesToTheNext) {
  Calls calls(1);
  calls.on_loop([&] {
    for (const char name : {'a', 'b', 'c'}) calls.begin(name);
  });
  calls.on_loop([&] {
    calls.gate.leave();
    calls.cancellations['b'].request();
  });
  EXPECT_EQ(calls.log, "a+b-c+");
  calls.on_loop([&] {
    calls.gate.leave();
    calls.begin('d');
  });
  EXPECT_EQ(calls.log, "a+b-c+d+");
}

}  // namespace
}  // namespace outrigger::runtime::app
