#pragma once

#include <coroutine>
#include <exception>
#include <optional>
#include <type_traits>

#include "base/cancellation.h"
#include "base/result.h"

namespace outrigger {

template <class T = void>
class Task;

namespace detail {

/// What every coroutine of ours carries: who waits for it and what may cancel it.
struct PromiseBase {
  std::coroutine_handle<> continuation;
  Cancellation* cancellation = nullptr;
  std::exception_ptr exception;

  struct FinalAwaiter {
    bool await_ready() const noexcept { return false; }
    template <class P>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<P> self) const noexcept {
      // No continuation yet: the parent is still inside await_suspend and goes on by itself.
      const std::coroutine_handle<> next = self.promise().continuation;
      return next ? next : std::noop_coroutine();
    }
    void await_resume() const noexcept {}
  };

  std::suspend_always initial_suspend() const noexcept { return {}; }
  FinalAwaiter final_suspend() const noexcept { return {}; }
  void unhandled_exception() noexcept { exception = std::current_exception(); }
};

template <class T>
struct Promise : PromiseBase {
  std::optional<T> value;
  Task<T> get_return_object() noexcept;
  template <class U>
    requires std::is_constructible_v<T, U&&>
  void return_value(U&& result) {
    value.emplace(std::forward<U>(result));
  }
  T take() {
    if (exception) std::rethrow_exception(exception);
    return std::move(*value);
  }
};

template <>
struct Promise<void> : PromiseBase {
  Task<void> get_return_object() noexcept;
  void return_void() const noexcept {}
  void take() const {
    if (exception) std::rethrow_exception(exception);
  }
};

}  // namespace detail

/// A lazy coroutine bound to one loop: it starts when it is awaited (or given to a Scope), runs on
/// the loop of whoever awaits it, and inherits the awaiter's cancellation. Move-only. Once started
/// it must run to its end before it is destroyed: cancel it, and await it.
template <class T>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::Promise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Task() {
    if (handle_) handle_.destroy();
  }

  struct Awaiter {
    Handle child;
    Cancellation* instead = nullptr;

    bool await_ready() const noexcept { return false; }
    template <class P>
    bool await_suspend(std::coroutine_handle<P> parent) const {
      auto& promise = child.promise();
      promise.cancellation = instead != nullptr ? instead : parent.promise().cancellation;
      child.resume();  // Not symmetric transfer: a loop of ready tasks must not grow the stack.
      if (child.done()) return false;
      promise.continuation = parent;
      return true;
    }
    T await_resume() const { return child.promise().take(); }
  };

  Awaiter operator co_await() && noexcept { return Awaiter{handle_}; }
  /// Awaits the task under another cancellation than the awaiter's own.
  Awaiter under(Cancellation& cancellation) && noexcept { return Awaiter{handle_, &cancellation}; }

 private:
  friend promise_type;
  explicit Task(Handle handle) noexcept : handle_(handle) {}
  Handle handle_;
};

namespace detail {
template <class T>
Task<T> Promise<T>::get_return_object() noexcept {
  return Task<T>(std::coroutine_handle<Promise<T>>::from_promise(*this));
}
inline Task<void> Promise<void>::get_return_object() noexcept {
  return Task<void>(std::coroutine_handle<Promise<void>>::from_promise(*this));
}
}  // namespace detail

/// `Cancellation* mine = co_await this_cancellation();`: what may cancel the running task;
/// nullptr if nothing can.
struct ThisCancellation {
  Cancellation* found = nullptr;
  bool await_ready() const noexcept { return false; }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> self) noexcept {
    found = self.promise().cancellation;
    return false;
  }
  Cancellation* await_resume() const noexcept { return found; }
};
inline ThisCancellation this_cancellation() noexcept { return {}; }

}  // namespace outrigger
