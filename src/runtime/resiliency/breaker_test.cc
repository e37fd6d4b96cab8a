#include "runtime/resiliency/breaker.h"

#include "base/pch_test.h"

namespace outrigger::runtime::resiliency {
namespace {

using namespace std::chrono_literals;
using State = Breaker::State;

/// A breaker on a clock that the test sets.
class Rig {
 public:
  explicit Rig(const resources::CircuitBreakerPolicy& policy)
      : breaker_(breaker_settings(policy).value(),
                 [this](State, State to) { changes.emplace_back(to_string(to)); }) {}
  /// What a call that went so or so was answered.
  std::string call(bool success) {
    const auto admitted = breaker_.admit(now);
    if (!admitted) return admitted.error() == Breaker::Refusal::open ? "open" : "too many";
    breaker_.ended(*admitted, success, now);
    return "made";
  }
  Breaker* operator->() { return &breaker_; }
  State state() { return breaker_.state(now); }

  TimePoint now{1h};
  std::vector<std::string> changes;

 private:
  Breaker breaker_;
};

TEST(CircuitBreaker, OpensAfterTheSixthFailureInARowUnlessToldOtherwise) {
  Rig rig({});
  for (int n = 0; n < 5; ++n) rig.call(false);
  rig.call(true);
  for (int n = 0; n < 5; ++n) rig.call(false);
  EXPECT_EQ(rig.state(), State::closed);
  rig.call(false);
  EXPECT_EQ(rig.state(), State::open);
  EXPECT_EQ(rig.call(true), "open");
}

TEST(CircuitBreaker, LetsAFewThroughWhenItsTimeIsOverAndClosesWhenTheyAreWell) {
  Rig rig({.max_requests = 2, .timeout = 10s, .trip = "consecutiveFailures > 0"});
  rig.call(false);
  rig.now += 10s;
  EXPECT_EQ(rig.call(true), "open") << "not before the time is over";
  rig.now += 1ns;
  const auto first = rig->admit(rig.now);
  const auto second = rig->admit(rig.now);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(rig.call(true), "too many");
  rig->ended(*first, true, rig.now);
  EXPECT_EQ(rig.state(), State::half_open);
  rig->ended(*second, true, rig.now);
  EXPECT_EQ(rig.state(), State::closed);
  EXPECT_EQ(rig.changes, (std::vector<std::string>{"open", "half-open", "closed"}));
}

TEST(CircuitBreaker, OpensAgainAtTheFirstFailureWhileHalfOpen) {
  Rig rig({.timeout = 1s, .trip = "totalFailures >= 1"});
  rig.call(false);
  rig.now += 2s;
  EXPECT_EQ(rig.call(false), "made");
  EXPECT_EQ(rig.state(), State::open);
}

TEST(CircuitBreaker, ForgetsWhatWasBegunBeforeItChanged) {
  Rig rig({.timeout = 1s, .trip = "consecutiveFailures >= 1"});
  const auto slow = rig->admit(rig.now);
  rig.call(false);
  rig.now += 2s;
  EXPECT_EQ(rig.state(), State::half_open);
  rig->ended(*slow, true, rig.now);
  EXPECT_EQ(rig.state(), State::half_open);
}

TEST(CircuitBreaker, ClearsItsCountsAtEachInterval) {
  Rig rig({.interval = 10s, .trip = "totalFailures > 1 && requests > 2"});
  rig.call(false);
  rig.call(true);
  rig.now += 11s;
  rig.call(false);
  rig.call(true);
  EXPECT_EQ(rig.state(), State::closed);
  rig.call(false);
  EXPECT_EQ(rig.state(), State::open);
}

TEST(CircuitBreaker, IsNotTrippedByAnExpressionThatFails) {
  Rig rig({.trip = "requests / (totalSuccesses - totalSuccesses) > 0"});
  for (int n = 0; n < 20; ++n) rig.call(false);
  EXPECT_EQ(rig.state(), State::closed);
  Rig number({.trip = "requests"});
  for (int n = 0; n < 20; ++n) number.call(false);
  EXPECT_EQ(number.state(), State::closed);
}

TEST(CircuitBreaker, RefusesATripThatIsNoExpression) {
  EXPECT_FALSE(breaker_settings({.trip = "consecutiveFailures >"}));
}

}  // namespace
}  // namespace outrigger::runtime::resiliency
