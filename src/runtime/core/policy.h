#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/task.h"

namespace outrigger::runtime {

/// One attempt at a call to a component. It may run any number of times, one after the other; its
/// errors are those that another attempt may mend.
using Attempt = std::move_only_function<Task<Result<>>()>;
/// Runs a call to a component as a Resiliency document says: with a time limit, again after an
/// error, or not at all while the circuit is open. Returns when no attempt is running any more.
using Policy = std::function<Task<Result<>>(std::string component, Attempt attempt)>;

namespace detail {
/// The value goes to `answer`, which must outlive the task.
template <class T>
Task<Result<>> keep_answer(Task<Result<T>> call, std::optional<T>* answer) {
  auto result = co_await std::move(call);
  if (!result) co_return std::unexpected(std::move(result).error());
  answer->emplace(std::move(*result));
  co_return Result<>();
}
}  // namespace detail

/// Makes the call as often as the policy wants it made, once if that is empty. The policy must
/// outlive the task.
template <class T>
Task<Result<T>> under_policy(const Policy* policy, std::string component,
                             std::move_only_function<Task<Result<T>>()> make) {
  if (!*policy) {
    auto direct = co_await make();
    co_return direct;
  }
  std::optional<T> answer;
  Attempt attempt = [&make, &answer] { return detail::keep_answer<T>(make(), &answer); };
  auto ran = co_await (*policy)(std::move(component), std::move(attempt));
  if (!ran) co_return std::unexpected(std::move(ran).error());
  if (!answer) co_return fail(Code::internal, "the call was not made");
  co_return std::move(*answer);
}

}  // namespace outrigger::runtime
