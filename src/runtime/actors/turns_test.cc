#include "runtime/actors/turns.h"

#include <gtest/gtest.h>

#include "base/scope.h"

namespace outrigger::runtime::actors {
namespace {

TEST(Turns, OneRunsAndTheOthersFollowInTheirOrder) {
  Turns turns;
  auto* first = turns.join("", 32);
  auto* second = turns.join("", 32);
  auto* third = turns.join("", 32);
  EXPECT_TRUE(first->running);
  EXPECT_FALSE(second->running);
  turns.leave(*first);
  EXPECT_TRUE(second->running);
  EXPECT_FALSE(third->running);
  turns.leave(*second);
  EXPECT_TRUE(third->running);
  turns.leave(*third);
  EXPECT_TRUE(turns.empty());
}

TEST(Turns, TheSameIdSharesATurnThatEndsWithItsLastCall) {
  Turns turns;
  auto* outer = turns.join("id", 32);
  auto* other = turns.join("else", 32);
  EXPECT_EQ(turns.join("id", 32), outer);
  turns.leave(*outer);
  EXPECT_FALSE(other->running);
  turns.leave(*outer);
  EXPECT_TRUE(other->running);
  turns.leave(*other);
}

TEST(Turns, ATurnThatWaitsIsSharedToo) {
  Turns turns;
  auto* running = turns.join("a", 32);
  auto* waiting = turns.join("b", 32);
  EXPECT_EQ(turns.join("b", 32), waiting);
  EXPECT_EQ(turns.size(), 2U);
  turns.leave(*waiting);
  turns.leave(*running);
  EXPECT_TRUE(waiting->running);
  turns.leave(*waiting);
}

TEST(Turns, BeyondTheStackDepthACallIsRefusedAndTheTurnLosesNothing) {
  Turns turns;
  auto* turn = turns.join("id", 2);
  EXPECT_EQ(turns.join("id", 2), turn);
  EXPECT_EQ(turns.join("id", 2), nullptr);
  turns.leave(*turn);
  EXPECT_EQ(turns.join("id", 2), turn);
  turns.leave(*turn);
  turns.leave(*turn);
  EXPECT_TRUE(turns.empty());
}

TEST(Turns, WhoGivesUpWaitingLeavesTheRunningTurnAlone) {
  Turns turns;
  auto* running = turns.join("", 32);
  auto* impatient = turns.join("", 32);
  auto* patient = turns.join("", 32);
  turns.leave(*impatient);
  EXPECT_FALSE(patient->running);
  turns.leave(*running);
  EXPECT_TRUE(patient->running);
  turns.leave(*patient);
}

Task<void> take_turn(Turns* turns, std::vector<int>* order, int number) {
  auto* turn = turns->join("", 32);
  auto ready = co_await turns->wait(turn);
  if (ready) order->push_back(number);
  turns->leave(*turn);
}

Task<bool> three_and_a_cancelled_one(Turns* turns, std::vector<int>* order) {
  auto* held = turns->join("", 32);
  Scope scope;
  Cancellation impatient;
  scope.spawn(take_turn(turns, order, 1));
  scope.spawn(take_turn(turns, order, 2), impatient);
  scope.spawn(take_turn(turns, order, 3));
  impatient.request();
  turns->leave(*held);
  co_await scope.join();
  co_return true;
}

TEST(Turns, WaitingEndsWithTheTurnOrTheCancellation) {
  Turns turns;
  std::vector<int> order;
  run(three_and_a_cancelled_one(&turns, &order));
  EXPECT_EQ(order, (std::vector<int>{1, 3}));
  EXPECT_TRUE(turns.empty());
}

Task<bool> close_with_one_waiting(Turns* turns, std::vector<int>* order) {
  auto* held = turns->join("", 32);
  Scope scope;
  scope.spawn(take_turn(turns, order, 1));
  turns->close();
  co_await scope.join();
  const bool alone = turns->size() == 1;
  turns->leave(*held);
  co_return alone;
}

TEST(Turns, NoTurnBeginsOnceTheyAreClosed) {
  Turns turns;
  std::vector<int> order;
  EXPECT_TRUE(run(close_with_one_waiting(&turns, &order)));
  EXPECT_TRUE(order.empty());
  auto* late = turns.join("", 32);
  EXPECT_FALSE(late->running);
  turns.leave(*late);
}

}  // namespace
}  // namespace outrigger::runtime::actors
