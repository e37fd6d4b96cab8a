#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "runtime/state/service.h"

/// What the parts of the service share.
namespace outrigger::runtime::state {

class Stopwatch {
 public:
  void record(const telemetry::OperationMetrics& metrics, bool success) const noexcept {
    metrics.record(success, std::chrono::steady_clock::now() - began_);
  }

 private:
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

/// One attempt at a call: its value goes to `answer`, which must outlive the task.
template <class T>
Task<Result<>> keep_answer(Task<Result<T>> call, std::optional<T>* answer) {
  auto result = co_await std::move(call);
  if (!result) co_return std::unexpected(std::move(result).error());
  answer->emplace(std::move(*result));
  co_return Result<>();
}

/// Makes the call as often as the policy wants it made. The policy must outlive the task.
template <class T>
Task<Result<T>> under_policy(const Policy* policy, std::string component,
                             std::move_only_function<Task<Result<T>>()> make) {
  std::optional<T> answer;
  Attempt attempt = [&make, &answer] { return keep_answer<T>(make(), &answer); };
  auto ran = co_await (*policy)(std::move(component), std::move(attempt));
  if (!ran) co_return std::unexpected(std::move(ran).error());
  if (!answer) co_return fail(Code::internal, "the call was not made");
  co_return std::move(*answer);
}

/// Does nothing in a store without encryption.
Result<> encrypt_in_place(const OpenStore& store, components::state::SetRequest& request);

}  // namespace outrigger::runtime::state
