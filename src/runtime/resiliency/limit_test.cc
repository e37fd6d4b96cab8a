#include "runtime/resiliency/limit.h"

#include <thread>

#include "base/pch_test.h"

namespace outrigger::runtime::resiliency {
namespace {

using namespace std::chrono_literals;
using resources::LimitPolicy;

constexpr TimePoint kNow{1h};

TEST(Limit, LetsSoManyRunAtOnceAndTheNextWhenOneHasEnded) {
  Limit limit(LimitPolicy{.max_concurrency = 2});
  auto first = limit.enter(kNow);
  auto second = limit.enter(kNow);
  ASSERT_TRUE(first && second);
  const auto third = limit.enter(kNow);
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error(), 1s);
  {
    const auto ends = std::move(first);
  }
  EXPECT_TRUE(limit.enter(kNow));
}

TEST(Limit, LetsABurstThroughAndThenTheRate) {
  Limit limit(LimitPolicy{.requests_per_second = 10, .burst = 3});
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(limit.enter(kNow)) << i;
  const auto refused = limit.enter(kNow);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error(), 100ms);
  EXPECT_TRUE(limit.enter(kNow + 100ms));
  EXPECT_FALSE(limit.enter(kNow + 100ms));
  // The burst comes back with time, and no more than it.
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(limit.enter(kNow + 1h)) << i;
  EXPECT_FALSE(limit.enter(kNow + 1h));
}

TEST(Limit, HasABurstOfASecondIfNoneIsGiven) {
  Limit limit(LimitPolicy{.requests_per_second = 5});
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(limit.enter(kNow)) << i;
  EXPECT_FALSE(limit.enter(kNow));
  Limit rare(LimitPolicy{.requests_per_second = 0.01});
  EXPECT_TRUE(rare.enter(kNow));
  const auto refused = rare.enter(kNow);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error(), 100s);
}

TEST(Limit, TakesNoPlaceForWhatTheRateRefuses) {
  Limit limit(LimitPolicy{.max_concurrency = 1, .requests_per_second = 1, .burst = 1});
  EXPECT_TRUE(limit.enter(kNow));
  EXPECT_FALSE(limit.enter(kNow));
  EXPECT_TRUE(limit.enter(kNow + 1s));
}

TEST(Limit, OfAnyNumbersComesToAnAnswer) {
  for (const double rate : {1e-9, 1e9}) {
    Limit limit(LimitPolicy{.requests_per_second = rate, .burst = 1'000'000'000});
    for (int i = 0; i < 10; ++i) EXPECT_TRUE(limit.enter(kNow)) << rate;
  }
}

TEST(Limit, HoldsOverManyThreads) {
  Limit limit(LimitPolicy{.requests_per_second = 1, .burst = 1000});
  std::atomic<int> let_in = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (int n = 0; n < 1000; ++n) let_in += limit.enter(kNow).has_value() ? 1 : 0;
      });
    }
  }
  EXPECT_EQ(let_in, 1000);
}

TEST(Limit, SaysWholeSeconds) {
  EXPECT_EQ(retry_after_seconds(0s), 1);
  EXPECT_EQ(retry_after_seconds(1ms), 1);
  EXPECT_EQ(retry_after_seconds(1001ms), 2);
}

}  // namespace
}  // namespace outrigger::runtime::resiliency
