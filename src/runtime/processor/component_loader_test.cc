#include "runtime/processor/component_loader.h"

#include <atomic>
#include <future>

#include <gtest/gtest.h>

namespace outrigger::runtime::processor {
namespace {

std::atomic<int> closed_in_order = 0;

/// Opens on loop 0, and never on another; its end takes a moment.
class Slow {
 public:
  explicit Slow(Loop& loop) : loop_(loop) {}
  Task<Result<>> init() {
    if (loop_.index() == 0) co_return Result<>();
    Signal never;
    auto woken = co_await never.wait();
    co_return woken;
  }
  Task<void> close() {
    const auto rested = co_await sleep_for(std::chrono::milliseconds(1));
    if (rested) ++closed_in_order;
  }

 private:
  Loop& loop_;
};

Result<std::unique_ptr<Slow>> make_slow(const components::Metadata&,
                                        components::ComponentContext& context) {
  return std::make_unique<Slow>(context.loop);
}
constexpr components::Kind<Slow> kSlow{"test.slow", "v1", &make_slow, nullptr};

Task<void> open_in_time(Loops* loops, std::promise<std::optional<Error>>* done) {
  components::Metadata metadata;
  auto opening = open_on_loops<Slow>(*loops, kSlow, std::move(metadata), "app", "default");
  const auto opened = co_await with_timeout(std::move(opening), std::chrono::milliseconds(1));
  done->set_value(opened ? std::nullopt : std::optional(opened.error()));
}

TEST(OpenOnLoops, WhatWasBegunIsClosedInOrderWhenTheTimeIsUp) {
  Loops loops(2);
  std::optional<Scope> scope;
  std::promise<std::optional<Error>> done;
  loops.start();
  loops[0].post([&] {
    scope.emplace();
    scope->spawn(open_in_time(&loops, &done));
  });
  const auto error = done.get_future().get();
  loops.stop_and_join();
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), Code::deadline_exceeded);
  EXPECT_EQ(closed_in_order, 2);
}

/// Cannot be opened on loop 1.
class Picky {
 public:
  explicit Picky(Loop& loop) : loop_(loop) {}
  ~Picky() { EXPECT_TRUE(closed_); }
  Task<Result<>> init() {
    if (loop_.index() == 0) co_return Result<>();
    co_return fail(Code::unavailable, "not here");
  }
  Task<void> close() {
    EXPECT_EQ(&Loop::current(), &loop_);
    closed_ = true;
    co_return;
  }

 private:
  Loop& loop_;
  bool closed_ = false;
};

Result<std::unique_ptr<Picky>> make_picky(const components::Metadata&,
                                          components::ComponentContext& context) {
  return std::make_unique<Picky>(context.loop);
}
constexpr components::Kind<Picky> kPicky{"test.picky", "v1", &make_picky, nullptr};

Task<void> open_picky(Loops* loops, std::promise<std::optional<Error>>* done) {
  components::Metadata metadata;
  const auto opened =
      co_await open_on_loops<Picky>(*loops, kPicky, std::move(metadata), "app", "default");
  done->set_value(opened ? std::nullopt : std::optional(opened.error()));
}

TEST(OpenOnLoops, WhatCannotBeInitialisedIsClosedToo) {
  Loops loops(2);
  std::optional<Scope> scope;
  std::promise<std::optional<Error>> done;
  loops.start();
  loops[0].post([&] {
    scope.emplace();
    scope->spawn(open_picky(&loops, &done));
  });
  const auto error = done.get_future().get();
  loops.stop_and_join();
  ASSERT_TRUE(error);
  EXPECT_EQ(error->message(), "not here");
}

}  // namespace
}  // namespace outrigger::runtime::processor
