#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/task.h"
#include "resources/resiliency.h"
#include "runtime/resiliency/breaker.h"
#include "runtime/resiliency/metrics.h"

namespace outrigger::runtime::resiliency {

/// How one attempt at an operation went, as its policy sees it. What it gave is kept by whoever
/// made it.
struct Outcome {
  /// nullopt: well.
  std::optional<Error> error;
  /// A status of HTTP (100 to 599) or of gRPC (0 to 16), for policies that retry some of them only.
  /// Without one every policy retries; with another one none does.
  std::optional<std::int32_t> status;
  /// It cannot be repeated, whatever the policy says.
  bool final = false;
};
/// May be called any number of times, one after the other.
using Attempt = std::move_only_function<Task<Outcome>()>;

/// What is to be done about one operation: how long an attempt may take, when to try again, and
/// whether to try at all. A value for one operation on one loop; made by Policies.
class Policy {
 public:
  /// None: the operation is attempted once.
  Policy() = default;

  [[nodiscard]] bool empty() const noexcept {
    return retry_ == nullptr && breaker_ == nullptr && timeout_ <= Duration::zero();
  }
  /// Whether an attempt may be repeated: what it sends must then be kept.
  [[nodiscard]] bool repeats() const noexcept {
    return retry_ != nullptr && retry_->max_retries != 0;
  }
  [[nodiscard]] bool has_timeout() const noexcept { return timeout_ > Duration::zero(); }
  /// Of each attempt; zero: none.
  [[nodiscard]] Duration timeout() const noexcept { return timeout_; }

  /// Makes attempts until one is well or the policy ends it. No attempt runs any more when it
  /// returns. nullopt: the outcome of the last attempt stands. Otherwise the policy's own word, in
  /// upstream's: Code::deadline_exceeded if the last attempt took too long, Code::unknown if the
  /// breaker lets none through, or the task's cancellation.
  Task<std::optional<Error>> run(Attempt attempt) const;

 private:
  friend class Policies;
  Task<std::optional<Error>> run_once(Attempt& attempt, Outcome* outcome, bool* timed_out) const;
  Task<std::optional<Error>> run_within(Attempt& attempt, Outcome* outcome, bool* timed_out) const;

  std::shared_ptr<const void> kept_;  ///< What the pointers point into.
  /// For the log: "component[orders] output".
  std::string name_;
  Duration timeout_{};
  const resources::RetryPolicy* retry_ = nullptr;
  std::shared_ptr<Breaker> breaker_;
  Target metrics_;
};

namespace detail {
template <class T>
Task<Outcome> keep_answer(Task<Result<T>> call, std::optional<Result<T>>* answer) {
  auto result = co_await std::move(call);
  Outcome outcome;
  if (!result) outcome.error = result.error();
  answer->emplace(std::move(result));
  co_return outcome;
}
}  // namespace detail

/// Makes a call that gives a value under a policy; both must outlive the task. An error is the last
/// attempt's or the policy's.
template <class T>
Task<Result<T>> run_under(const Policy* policy, std::move_only_function<Task<Result<T>>()> call) {
  if (policy->empty()) {
    auto direct = co_await call();
    co_return direct;
  }
  std::optional<Result<T>> answer;
  Attempt attempt = [&call, &answer] { return detail::keep_answer<T>(call(), &answer); };
  auto refused = co_await policy->run(std::move(attempt));
  if (refused) co_return std::unexpected(*std::move(refused));
  co_return *std::move(answer);
}

}  // namespace outrigger::runtime::resiliency
