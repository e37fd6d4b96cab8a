#include "runtime/resiliency/policy.h"

#include "base/pch_test.h"
#include "base/scope.h"
#include "base/sync.h"
#include "runtime/resiliency/policies.h"

namespace outrigger::runtime::resiliency {
namespace {

using namespace std::chrono_literals;

resources::Resiliency document() {
  resources::Resiliency made;
  made.name = "mine";
  made.timeouts = {{"quick", 5ms}};
  made.retries = {
      {"thrice", {.duration = 1ms, .max_retries = 3}},
      {"on503", {.duration = 1ms, .max_retries = 3, .http_status_codes = {{{503, 503}}}}},
      {"never", {.duration = 1ms, .max_retries = 0}}};
  made.circuit_breakers = {{"one", {.trip = "consecutiveFailures >= 1"}}};
  made.apps["slow"] = {.policies = {.timeout = "quick"}};
  made.apps["flaky"] = {.policies = {.retry = "thrice"}};
  made.apps["picky"] = {.policies = {.retry = "on503"}};
  made.apps["proud"] = {.policies = {.retry = "never"}};
  made.apps["fused"] = {.policies = {.retry = "thrice", .circuit_breaker = "one"}};
  made.apps["all"] = {.policies = {.timeout = "quick", .retry = "thrice"}};
  return made;
}

Policies policies() { return Policies({document()}); }

/// Fails so often, then succeeds.
struct Target {
  int failures = 0;
  std::optional<std::int32_t> status;
  bool final = false;
  int attempts = 0;
  Attempt attempt() {
    return [this] { return once(); };
  }
  Task<Outcome> once() {
    ++attempts;
    Outcome outcome;
    outcome.status = status;
    outcome.final = final;
    if (attempts <= failures) outcome.error = Error(Code::internal, "no luck");
    co_return outcome;
  }
};

std::optional<Error> run(const Policy& policy, Attempt attempt) {
  Loop loop;
  return run_on(loop, policy.run(std::move(attempt)));
}

TEST(ResiliencyPolicy, NoneMeansOneAttempt) {
  Target target{.failures = 9};
  EXPECT_FALSE(run(policies().app("other", "m"), target.attempt()));
  EXPECT_EQ(target.attempts, 1);
}

TEST(ResiliencyPolicy, RepeatsWhatFailsAsOftenAsItSays) {
  Target target{.failures = 2};
  EXPECT_FALSE(run(policies().app("flaky", "m"), target.attempt()));
  EXPECT_EQ(target.attempts, 3);
  Target hopeless{.failures = 99};
  EXPECT_FALSE(run(policies().app("flaky", "m"), hopeless.attempt())) << "the attempt's own error";
  EXPECT_EQ(hopeless.attempts, 4);
  EXPECT_FALSE(policies().app("proud", "m").repeats());
}

TEST(ResiliencyPolicy, RepeatsOnlyTheStatusesThatItNames) {
  Target other{.failures = 9, .status = 500};
  run(policies().app("picky", "m"), other.attempt());
  EXPECT_EQ(other.attempts, 1);
  Target named{.failures = 2, .status = 503};
  run(policies().app("picky", "m"), named.attempt());
  EXPECT_EQ(named.attempts, 3);
  Target without{.failures = 2};
  run(policies().app("picky", "m"), without.attempt());
  EXPECT_EQ(without.attempts, 3);
  Target grpc{.failures = 2, .status = 14};
  run(policies().app("picky", "m"), grpc.attempt());
  EXPECT_EQ(grpc.attempts, 3) << "codes of gRPC are not limited here";
  Target final{.failures = 9, .final = true};
  run(policies().app("picky", "m"), final.attempt());
  EXPECT_EQ(final.attempts, 1);
}

TEST(ResiliencyPolicy, OpensTheBreakerAndThenTriesNoMore) {
  const Policies all = policies();
  Target target{.failures = 99};
  const auto word = run(all.app("fused", "a"), target.attempt());
  ASSERT_TRUE(word);
  EXPECT_EQ(word->message(), "circuit breaker is open");
  EXPECT_EQ(target.attempts, 1);
  Target healthy;
  EXPECT_FALSE(run(all.app("fused", "b"), healthy.attempt())) << "each endpoint has its own";
  ASSERT_EQ(all.breakers().size(), 2U);
  EXPECT_EQ(all.breakers()[0].target, "app_fused");
  EXPECT_EQ(all.breakers()[0].key, "fused:a");
  EXPECT_EQ(all.breakers()[0].state, Breaker::State::open);
}

Task<Outcome> wait_for_ever(int* attempts, bool final = false) {
  ++*attempts;
  Signal never;
  auto woken = co_await never.wait();
  Outcome outcome;
  outcome.final = final;
  if (!woken) outcome.error = woken.error();
  co_return outcome;
}

TEST(ResiliencyPolicy, EndsAnAttemptThatTakesTooLongAndRepeatsIt) {
  int attempts = 0;
  const auto word = run(policies().app("slow", "m"), [&] { return wait_for_ever(&attempts); });
  ASSERT_TRUE(word);
  EXPECT_EQ(word->code(), Code::deadline_exceeded);
  EXPECT_EQ(word->message(), "context deadline exceeded");
  EXPECT_EQ(attempts, 1);
  EXPECT_TRUE(run(policies().app("all", "m"), [&] { return wait_for_ever(&attempts); }));
  EXPECT_EQ(attempts, 5);
}

TEST(ResiliencyPolicy, DoesNotRepeatWhatTookTooLongAndCannotBeSentAgain) {
  int attempts = 0;
  const auto word = run(policies().app("all", "m"), [&] { return wait_for_ever(&attempts, true); });
  ASSERT_TRUE(word);
  EXPECT_EQ(word->code(), Code::deadline_exceeded);
  EXPECT_EQ(attempts, 1);
}

Task<void> cancelled_run(const Policy* policy, Target* target, std::optional<Error>* word) {
  Cancellation cancelled;
  cancelled.request();
  *word = co_await policy->run(target->attempt()).under(cancelled);
}

TEST(ResiliencyPolicy, EndsWithTheTask) {
  Loop loop;
  Target target{.failures = 99};
  std::optional<Error> word;
  const Policies all = policies();
  const Policy policy = all.app("flaky", "m");
  run_on(loop, cancelled_run(&policy, &target, &word));
  ASSERT_TRUE(word);
  EXPECT_EQ(word->code(), Code::cancelled);
  EXPECT_EQ(target.attempts, 1);
}

Task<Result<int>> seven() { co_return 7; }
Task<Result<int>> nothing() { co_return fail(Code::not_found, "nothing"); }

TEST(ResiliencyPolicy, GivesTheValueOrTheLastErrorOfACall) {
  Loop loop;
  const Policies all = policies();
  for (const Policy& policy : {Policy(), all.app("flaky", "m")}) {
    EXPECT_EQ(run_on(loop, run_under<int>(&policy, [] { return seven(); })).value(), 7);
    EXPECT_EQ(run_on(loop, run_under<int>(&policy, [] { return nothing(); })).error().code(),
              Code::not_found);
  }
}

}  // namespace
}  // namespace outrigger::runtime::resiliency
