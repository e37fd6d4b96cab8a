#include "runtime/resiliency/policy.h"

#include <algorithm>

#include "base/cancellation.h"
#include "base/duration.h"
#include "base/log.h"
#include "base/sync.h"
#include "runtime/resiliency/backoff.h"

namespace outrigger::runtime::resiliency {
namespace {

const Logger log("dapr.runtime");

TimePoint now() { return std::chrono::steady_clock::now(); }

bool matches(const std::optional<std::vector<resources::CodeRange>>& ranges, std::int32_t status) {
  if (!ranges) return true;
  return std::ranges::any_of(*ranges, [&](const auto& range) { return range.contains(status); });
}

constexpr resources::CodeRange kGrpcStatuses{0, 16};
constexpr resources::CodeRange kHttpStatuses{100, 599};

bool is_repeated(const resources::RetryPolicy& policy, const Outcome& outcome) {
  if (outcome.final) return false;
  if (!outcome.status) return true;
  const std::int32_t status = *outcome.status;
  if (kGrpcStatuses.contains(status)) return matches(policy.grpc_status_codes, status);
  return kHttpStatuses.contains(status) && matches(policy.http_status_codes, status);
}

Error refusal_error(Breaker::Refusal refusal) {
  return {Code::unknown,
          refusal == Breaker::Refusal::open ? "circuit breaker is open" : "too many requests"};
}

}  // namespace

Task<std::optional<Error>> Policy::run_within(Attempt& attempt, Outcome* outcome,
                                              bool* timed_out) const {
  Cancellation* const outer = co_await this_cancellation();
  Cancellation limit(outer);
  bool expired = false;
  Timer timer([&limit, &expired] {
    expired = true;
    limit.request(Code::deadline_exceeded);
  });
  timer.start(timeout_);
  *outcome = co_await attempt().under(limit);
  // What has succeeded all the same is not thrown away.
  if (!expired || !outcome->error) co_return std::nullopt;
  if (!std::exchange(*timed_out, true)) metrics_.activated(Target::Policy::timeout);
  *outcome = Outcome{.error = Error(Code::deadline_exceeded, "context deadline exceeded"),
                     .final = outcome->final};
  co_return outcome->error;
}

// One attempt, inside the breaker and the time-out. The error is the policy's own word.
Task<std::optional<Error>> Policy::run_once(Attempt& attempt, Outcome* outcome,
                                            bool* timed_out) const {
  std::optional<Breaker::Generation> admitted;
  if (breaker_) {
    const auto asked = breaker_->admit(now());
    if (!asked) {
      *outcome = Outcome{.error = refusal_error(asked.error()), .final = true};
      co_return outcome->error;
    }
    admitted = *asked;
  }
  std::optional<Error> word;
  if (has_timeout()) {
    word = co_await run_within(attempt, outcome, timed_out);
  } else {
    *outcome = co_await attempt();
  }
  if (admitted) {
    const Breaker::State before = breaker_->state(now());
    breaker_->ended(*admitted, !outcome->error, now());
    const Breaker::State after = breaker_->state(now());
    if (before != after) {
      metrics_.activated(Target::Policy::circuit_breaker, to_string(after));
    }
  }
  co_return word;
}

Task<std::optional<Error>> Policy::run(Attempt attempt) const {
  Outcome outcome;
  bool timed_out = false;
  auto word = co_await run_once(attempt, &outcome, &timed_out);
  if (retry_ == nullptr || !outcome.error) co_return word;
  Cancellation* const mine = co_await this_cancellation();
  Backoff backoff(*retry_, now());
  bool told = false;
  for (int attempts = 2; outcome.error && is_repeated(*retry_, outcome); ++attempts) {
    if (mine != nullptr && mine->requested()) co_return mine->error();
    const auto pause = backoff.next(now());
    if (!pause) break;
    if (!std::exchange(told, true)) {
      metrics_.activated(Target::Policy::retry);
      log.warn("Error processing operation ", name_, ". Retrying in ", format_duration(*pause),
               "…");
      log.debug("Error for operation ", name_, " was: ", *outcome.error);
    }
    auto slept = co_await sleep_for(*pause);
    if (!slept) co_return std::move(slept).error();
    word = co_await run_once(attempt, &outcome, &timed_out);
    if (!outcome.error) {
      log.info("Recovered processing operation ", name_, " after ", attempts, " attempts");
    }
  }
  co_return word;
}

}  // namespace outrigger::runtime::resiliency
