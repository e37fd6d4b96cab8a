#pragma once

#include <functional>
#include <vector>

#include "base/sync.h"

namespace outrigger {

/// The owner of running tasks: every task that nobody awaits belongs to a scope, and a scope ends
/// when its tasks have ended. Bound to one loop. It must be joined before it is destroyed.
class Scope {
 public:
  Scope() = default;
  /// Cancelled along with `parent`.
  explicit Scope(Cancellation* parent) : cancellation_(parent) {}
  ~Scope() { OUT_ASSERT(running_ == 0); }

  /// Starts the task now: it runs inside this call until it first waits.
  void spawn(Task<void> task);
  /// The same under a cancellation of the caller's, which must outlive the task.
  void spawn(Task<void> task, Cancellation& cancellation);

  /// Asks all tasks to end. Tasks spawned later are cancelled from their start.
  void cancel(Code reason = Code::cancelled) noexcept { cancellation_.request(reason); }
  /// Returns when no task is running. Does not cancel them, and cannot itself be cancelled.
  Task<void> join();

  [[nodiscard]] std::size_t running() const noexcept { return running_; }
  [[nodiscard]] Cancellation& cancellation() noexcept { return cancellation_; }

 private:
  struct Root;
  static Root start(Scope* scope, Cancellation* cancellation, Task<void> task);
  Cancellation cancellation_;
  std::size_t running_ = 0;
  Signal ended_;
};

/// Runs all tasks at once on this loop, `limit` at a time (0: all), and returns when all ended.
Task<void> run_all(std::vector<Task<void>> tasks, std::size_t limit = 0);

/// Cancels the task with Code::deadline_exceeded if it has not ended after `limit`; waits for its
/// end either way.
template <class T>
Task<Result<T>> with_timeout(Task<Result<T>> task, Duration limit) {
  Cancellation* const outer = co_await this_cancellation();
  Cancellation inner(outer);
  Timer timer([&inner] { inner.request(Code::deadline_exceeded); });
  timer.start(limit);
  auto result = co_await std::move(task).under(inner);
  co_return result;
}

/// Runs `task` to its end on a loop of its own made on this thread: for tests and start-up code
/// that has no loop yet. The result is moved out.
template <class T>
T run(Task<T> task) {
  Loop loop;
  return run_on(loop, std::move(task));
}

/// The same on a given loop that is not running, and that nobody stops before the task's end.
template <class T>
T run_on(Loop& loop, Task<T> task) {
  std::optional<T> value;
  auto store = [](Task<T> inner, std::optional<T>* out) -> Task<void> {
    auto result = co_await std::move(inner);
    out->emplace(std::move(result));
  };
  Scope scope;
  bool started = false;
  loop.post([&] {
    started = true;
    scope.spawn(store(std::move(task), &value));
  });
  loop.run_until([&] { return started && scope.running() == 0; });
  OUT_ASSERT(value.has_value());  // The loop was not stopped.
  return std::move(*value);
}
template <>
inline void run_on(Loop& loop, Task<void> task) {
  Scope scope;
  bool started = false;
  loop.post([&] {
    started = true;
    scope.spawn(std::move(task));
  });
  loop.run_until([&] { return started && scope.running() == 0; });
  OUT_ASSERT(started);
}

/// Runs `work(i)` on the loop of each index, all at once, and returns when all have ended. A
/// cancellation is handed over to all of them.
Task<void> run_on_all(Loops& loops, std::function<Task<void>(unsigned index)> work);

/// Runs `make()` on another loop and gives its result back on this one. A cancellation here is
/// passed over there; this call returns when the task there has ended. `make` and the result are
/// destroyed here.
template <class T>
Task<Result<T>> call_on(Loop& target, std::move_only_function<Task<Result<T>>()> make);

namespace detail {

/// The part of call_on that knows no type.
class RemoteCall : public std::enable_shared_from_this<RemoteCall> {
 public:
  RemoteCall(Loop& home, Loop& target) : home_(home), target_(target) {}
  virtual ~RemoteCall() = default;
  void begin();              // Home loop.
  void cancel(Code reason);  // Home loop.
  [[nodiscard]] auto wait() { return done_.wait(); }

 protected:
  virtual Task<void> work() = 0;      // Runs on the target loop.
  virtual void leave() noexcept = 0;  // Home loop: the work has ended.

 private:
  Task<void> run_there();
  Loop& home_;
  Loop& target_;
  std::unique_ptr<Scope> scope_;  // Made and used on the target loop.
  Completion<> done_;             // Set on the home loop.
};

template <class T>
class TypedRemoteCall final : public RemoteCall {
 public:
  TypedRemoteCall(Loop& home, Loop& target, std::move_only_function<Task<Result<T>>()> make)
      : RemoteCall(home, target), make_(std::move(make)) {}
  std::optional<Result<T>> result;

 private:
  Task<void> work() override {
    auto value = co_await make_();
    result.emplace(std::move(value));
  }
  // This object may die with the target's last message, over there.
  void leave() noexcept override { make_ = nullptr; }
  std::move_only_function<Task<Result<T>>()> make_;
};

/// Waits for the call; hands a cancellation over and goes on waiting for its end.
Task<void> await_remote(std::shared_ptr<RemoteCall> call);

}  // namespace detail

template <class T>
Task<Result<T>> call_on(Loop& target, std::move_only_function<Task<Result<T>>()> make) {
  Loop& home = Loop::current();
  if (&home == &target) {
    auto direct = co_await make();
    co_return direct;
  }
  auto call = std::make_shared<detail::TypedRemoteCall<T>>(home, target, std::move(make));
  co_await detail::await_remote(call);
  auto result = std::move(*call->result);
  call->result.reset();
  co_return result;
}

}  // namespace outrigger
