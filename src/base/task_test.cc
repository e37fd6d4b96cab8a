#include "base/task.h"

#include <mutex>

#include "base/blocking_pool.h"
#include "base/scope.h"

namespace outrigger {
namespace {

using namespace std::chrono_literals;

Task<int> ready(int value) { co_return value; }

Task<int> sum_of_ready(int count) {
  int sum = 0;
  for (int i = 0; i < count; ++i) {
    const int one = co_await ready(1);
    sum += one;
  }
  co_return sum;
}

Task<Result<int>> wait_for(Completion<int>& completion) {
  auto value = co_await completion.wait();
  co_return value;
}

TEST(Task, AMillionReadyChildrenDoNotGrowTheStack) {
  EXPECT_EQ(run(sum_of_ready(1'000'000)), 1'000'000);
}

Task<int> depth(int levels) {
  if (levels == 0) co_return 0;
  const int below = co_await depth(levels - 1);
  co_return below + 1;
}
TEST(Task, NestsAsDeepAsTheCallsDo) { EXPECT_EQ(run(depth(1000)), 1000); }

Task<Result<int>> child_under_deadline() {
  Completion<int> never;
  auto result = co_await with_timeout(wait_for(never), 1ms);
  co_return result;
}
Task<Result<int>> child_under_a_distant_deadline() {
  Completion<int> soon;
  soon.set(7);
  auto result = co_await with_timeout(wait_for(soon), Duration::max());
  co_return result;
}
TEST(Task, ALimitThatIsBeyondTheClockIsNone) {
  EXPECT_EQ(run(child_under_a_distant_deadline()).value_or(0), 7);
}

TEST(Task, ATimeoutEndsAWaitWithDeadlineExceeded) {
  auto result = run(child_under_deadline());
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), Code::deadline_exceeded);
}

Task<void> record(Completion<int>& completion, std::vector<std::string>& log) {
  auto value = co_await completion.wait();
  log.push_back(value ? "value " + std::to_string(*value)
                      : std::string(to_string(value.error().code())));
}

Task<std::vector<std::string>> cancelled_scope() {
  std::vector<std::string> log;
  Completion<int> first;
  Completion<int> second;
  Scope scope;
  scope.spawn(record(first, log));
  scope.spawn(record(second, log));
  first.set(7);
  scope.cancel();
  co_await scope.join();
  co_return log;
}
TEST(Scope, CancelEndsWaitsButKeepsWhatHadArrived) {
  EXPECT_EQ(run(cancelled_scope()), (std::vector<std::string>{"value 7", "Canceled"}));
}

Task<std::vector<std::string>> spawned_after_cancel() {
  std::vector<std::string> log;
  Completion<int> never;
  Scope scope;
  scope.cancel();
  scope.spawn(record(never, log));
  co_await scope.join();
  co_return log;
}
TEST(Scope, ATaskSpawnedAfterCancelIsCancelledFromItsStart) {
  EXPECT_EQ(run(spawned_after_cancel()), (std::vector<std::string>{"Canceled"}));
}

Task<void> hold(Semaphore& semaphore, int& holding, int& most) {
  auto got = co_await semaphore.acquire();
  EXPECT_TRUE(got);
  most = std::max(most, ++holding);
  auto slept = co_await sleep_for(1ms);
  EXPECT_TRUE(slept);
  --holding;
  semaphore.release();
}
Task<int> contended() {
  Semaphore semaphore(3);
  int holding = 0;
  int most = 0;
  std::vector<Task<void>> tasks;
  for (int i = 0; i < 20; ++i) tasks.push_back(hold(semaphore, holding, most));
  co_await run_all(std::move(tasks));
  co_return most;
}
TEST(Semaphore, NeverAdmitsMoreThanItsLimit) { EXPECT_EQ(run(contended()), 3); }

Task<void> produce(Queue<int>& queue, int count) {
  for (int i = 0; i < count; ++i) {
    auto pushed = co_await queue.push(i);
    EXPECT_TRUE(pushed);
  }
  queue.close();
}
Task<std::vector<int>> through_queue() {
  Queue<int> queue(2);
  Scope scope;
  scope.spawn(produce(queue, 10));
  std::vector<int> seen;
  for (;;) {
    auto next = co_await queue.pop();
    if (!next || !*next) break;
    seen.push_back(**next);
  }
  co_await scope.join();
  co_return seen;
}
TEST(Queue, KeepsOrderAndMakesTheProducerWait) {
  EXPECT_EQ(run(through_queue()), (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
}

Task<Result<std::thread::id>> whose_thread() { co_return std::this_thread::get_id(); }

TEST(CallOn, RunsThereAndAnswersHere) {
  Loops others(1);
  others.start();
  auto ask = [](Loop& there) -> Task<bool> {
    std::move_only_function<Task<Result<std::thread::id>>()> make = whose_thread;
    auto id = co_await call_on<std::thread::id>(there, std::move(make));
    co_return id && *id != std::this_thread::get_id();
  };
  EXPECT_TRUE(run(ask(others[0])));
}

Task<Result<int>> never_ends() {
  Completion<int> never;
  auto result = co_await never.wait();
  co_return result;
}
TEST(CallOn, ATimeoutHereCancelsTheTaskThere) {
  Loops others(1);
  others.start();
  auto ask = [](Loop& there) -> Task<Result<int>> {
    std::move_only_function<Task<Result<int>>()> make = never_ends;
    auto result = co_await with_timeout(call_on<int>(there, std::move(make)), 5ms);
    co_return result;
  };
  auto result = run(ask(others[0]));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), Code::deadline_exceeded);
}

/// Notes if it is destroyed on another thread than its own.
struct Homebound {
  explicit Homebound(std::atomic<int>* strays) : strays(strays) {}
  ~Homebound() {
    if (std::this_thread::get_id() != home) ++*strays;
  }
  Homebound(const Homebound&) = delete;
  Homebound& operator=(const Homebound&) = delete;
  std::atomic<int>* strays;
  std::thread::id home = std::this_thread::get_id();
};
Task<Result<std::shared_ptr<Homebound>>> hand_back(std::shared_ptr<Homebound> one) {
  co_return one;
}
Task<void> call_with_homebound(Loop& there, std::atomic<int>* strays) {
  using Made = std::shared_ptr<Homebound>;
  for (int i = 0; i < 300; ++i) {
    std::move_only_function<Task<Result<Made>>()> make =
        [held = std::make_shared<Homebound>(strays)] { return hand_back(held); };
    auto back = co_await call_on<Made>(there, std::move(make));
    EXPECT_TRUE(back);
  }
}
TEST(CallOn, WhatIsSentAlongAndWhatComesBackAreDestroyedAtHome) {
  Loops others(1);
  others.start();
  std::atomic<int> strays = 0;
  run(call_with_homebound(others[0], &strays));
  EXPECT_EQ(strays, 0);
}

TEST(RunOnDeathTest, ALoopThatIsStoppedIsAMistakeThatIsTold) {
  auto stopped = [] {
    Loop loop;
    loop.stop();
    run_on(loop, ready(1));
  };
  EXPECT_DEATH(stopped(), "");
}

Task<Result<int>> blocking_answer() {
  std::move_only_function<Result<int>()> work = [] { return Result<int>(42); };
  auto answer = co_await BlockingPool::shared().run<int>(std::move(work));
  co_return answer;
}
TEST(BlockingPool, GivesTheResultBackToTheLoop) { EXPECT_EQ(run(blocking_answer()).value(), 42); }

/// Begins work that cannot end before `gate` does, and does not wait for it.
Task<Result<>> give_up_on(BlockingPool* pool, std::mutex* gate) {
  std::move_only_function<Result<int>()> work = [gate]() -> Result<int> {
    const std::lock_guard wait(*gate);
    return 1;
  };
  auto answer = co_await with_timeout(pool->run<int>(std::move(work)), 1ms);
  if (!answer) co_return std::unexpected(std::move(answer).error());
  co_return Result<>();
}

TEST(BlockingPool, WorkMayEndWhenTheLoopThatAskedForItIsNoMore) {
  std::mutex gate;
  std::unique_lock closed(gate);
  BlockingPool pool(1);
  const auto given_up = run(give_up_on(&pool, &gate));
  ASSERT_FALSE(given_up);
  EXPECT_EQ(given_up.error().code(), Code::deadline_exceeded);
  closed.unlock();  // The pool's end waits for the work's.
}

TEST(BlockingPool, HangingLookupsHoldUpNothingElse) {
  std::mutex gate;
  std::unique_lock closed(gate);
  std::atomic<int> ended = 0;
  constexpr int kJobs = 20;
  for (int i = 0; i < kJobs; ++i) {
    ASSERT_TRUE(BlockingPool::lookups().submit([&gate, &ended] {
      {
        const std::lock_guard wait(gate);
      }
      ++ended;
    }));
  }
  EXPECT_EQ(run(blocking_answer()).value(), 42);
  closed.unlock();
  while (ended != kJobs) std::this_thread::yield();
}

TEST(Loop, ARemoteKnowsWhenItsLoopIsGone) {
  auto loop = std::make_unique<Loop>();
  const Loop::Remote remote = loop->remote();
  bool ran = false;
  EXPECT_TRUE(remote.post([&] { ran = true; }));
  loop->run_until([&] { return ran; });
  loop.reset();
  EXPECT_FALSE(remote.post([] {}));
}

Task<std::vector<int>> timers_in_order() {
  std::vector<int> order;
  Timer late([&] { order.push_back(3); });
  Timer early([&] { order.push_back(1); });
  Timer stopped([&] { order.push_back(9); });
  Timer moved([&] { order.push_back(2); });
  late.start(6ms);
  early.start(1ms);
  stopped.start(2ms);
  moved.start(1h);
  moved.start(3ms);
  stopped.stop();
  auto slept = co_await sleep_for(12ms);
  EXPECT_TRUE(slept);
  co_return order;
}
TEST(Timer, FiresInOrderAndNotWhenStopped) {
  EXPECT_EQ(run(timers_in_order()), (std::vector<int>{1, 2, 3}));
}

struct Hook final : Loop::TurnEnd {
  int calls = 0;
  void on_turn_end() override { ++calls; }
};
Task<int> hooked_twice_in_a_turn() {
  Hook hook;
  Loop::current().at_turn_end(hook);
  Loop::current().at_turn_end(hook);
  auto slept = co_await sleep_for(1ms);
  EXPECT_TRUE(slept);
  co_return hook.calls;
}
TEST(Loop, ATurnEndHookRunsOncePerTurn) { EXPECT_EQ(run(hooked_twice_in_a_turn()), 1); }

}  // namespace
}  // namespace outrigger
