#include "base/scope.h"

namespace outrigger {

/// A coroutine that nobody awaits: it destroys itself at its end. An exception that gets here is
/// a mistake of ours, for whoever calls a throwing library catches; the process must not go on
/// with a task half done.
struct Scope::Root {
  struct promise_type : detail::PromiseBase {
    promise_type(Scope*, Cancellation* of_task, Task<void>&) { cancellation = of_task; }
    Root get_return_object() const noexcept { return {}; }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() const noexcept { std::terminate(); }
  };
};

Scope::Root Scope::start(Scope* scope, Cancellation*, Task<void> task) {
  co_await std::move(task);
  {
    // The frame of the task is gone before the scope hears of its end. An await leaves it in place.
    const Task<void> ended = std::move(task);  // NOLINT(bugprone-use-after-move): see above
  }
  --scope->running_;
  if (scope->running_ == 0) scope->ended_.notify_all();
}

void Scope::spawn(Task<void> task) { spawn(std::move(task), cancellation_); }

void Scope::spawn(Task<void> task, Cancellation& cancellation) {
  ++running_;
  start(this, &cancellation, std::move(task));
}

namespace {

Task<void> wait_until_idle(Scope& scope, Signal& ended) {
  while (scope.running() != 0) {
    // Under no cancellation: it cannot fail.
    [[maybe_unused]] auto woken = co_await ended.wait();
  }
}

Task<void> run_limited(Task<void> task, Semaphore& slots) {
  auto slot = co_await slots.acquire();
  co_await std::move(task);
  if (slot) slots.release();
}

Task<Result<>> to_its_end(Task<void> task) {
  co_await std::move(task);
  co_return Result<>();
}

Task<void> run_on_one(Loop* loop, const std::function<Task<void>(unsigned)>* work, unsigned index) {
  std::move_only_function<Task<Result<>>()> make = [work, index] {
    return to_its_end((*work)(index));
  };
  [[maybe_unused]] auto done = co_await call_on<void>(*loop, std::move(make));
}

}  // namespace

Task<void> Scope::join() {
  Cancellation never;
  co_await wait_until_idle(*this, ended_).under(never);
}

Task<void> run_all(std::vector<Task<void>> tasks, std::size_t limit) {
  Cancellation* const outer = co_await this_cancellation();
  Scope scope(outer);
  Semaphore slots(limit == 0 ? tasks.size() + 1 : limit);
  for (Task<void>& task : tasks) scope.spawn(run_limited(std::move(task), slots));
  co_await scope.join();
}

Task<void> run_on_all(Loops& loops, std::function<Task<void>(unsigned index)> work) {
  std::vector<Task<void>> all;
  for (unsigned i = 0; i < loops.size(); ++i) all.push_back(run_on_one(&loops[i], &work, i));
  co_await run_all(std::move(all));
}

namespace detail {

void RemoteCall::begin() {
  target_.post([self = shared_from_this()] {
    self->scope_ = std::make_unique<Scope>();
    self->scope_->spawn(self->run_there());
  });
}

void RemoteCall::cancel(Code reason) {
  target_.post([self = shared_from_this(), reason] {
    if (self->scope_) self->scope_->cancel(reason);
  });
}

Task<void> RemoteCall::run_there() {
  co_await work();
  // Posted, so that the scope is left before it is destroyed on its own loop.
  target_.post([self = shared_from_this()] {
    self->scope_.reset();
    Loop& home = self->home_;
    home.post([self] {
      self->leave();
      self->done_.set({});
    });
  });
}

Task<void> await_remote(std::shared_ptr<RemoteCall> call) {
  call->begin();
  auto ended = co_await call->wait();
  if (ended) co_return;
  call->cancel(ended.error().code());
  Cancellation never;
  auto finish = [](std::shared_ptr<RemoteCall> remote) -> Task<void> {
    [[maybe_unused]] auto last = co_await remote->wait();
  };
  co_await finish(call).under(never);
}

}  // namespace detail
}  // namespace outrigger
