#pragma once

#include <deque>
#include <optional>

#include "base/loop.h"
#include "base/task.h"

/// The leaf waits that everything asynchronous is made of. All belong to one loop and are woken
/// through Loop::schedule(), never inside the waker's call, so a waker need not fear re-entry.
namespace outrigger {

/// One suspended coroutine: woken by its source or by its cancellation, whichever is first.
class Waiter : private Cancellation::Callback {
 public:
  Waiter() = default;
  ~Waiter() { detach(); }

  /// False if the cancellation was requested before: then do not suspend.
  template <class P>
  bool suspend(std::coroutine_handle<P> self) {
    cancellation_ = self.promise().cancellation;
    if (cancellation_ != nullptr && cancellation_->requested()) {
      cancelled_ = true;
      return false;
    }
    handle_ = self;
    if (cancellation_ != nullptr) cancellation_->add(*this);
    return true;
  }
  void wake() noexcept;
  [[nodiscard]] bool waiting() const noexcept { return handle_ != nullptr; }
  [[nodiscard]] bool cancelled() const noexcept { return cancelled_; }
  [[nodiscard]] Error error() const { return cancellation_->error(); }

  /// An intrusive list of waiters, first in first out.
  class List {
   public:
    List() = default;
    List(const List&) = delete;
    void push_back(Waiter& waiter) noexcept;
    /// Wakes the first one; false if there is none.
    bool wake_one() noexcept;
    void wake_all() noexcept;
    [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }

   private:
    friend class Waiter;
    Waiter* first_ = nullptr;
    Waiter* last_ = nullptr;
  };

 private:
  void on_cancel() noexcept override;
  void detach() noexcept;
  std::coroutine_handle<> handle_;
  Cancellation* cancellation_ = nullptr;
  List* list_ = nullptr;
  Waiter* previous_ = nullptr;
  Waiter* next_ = nullptr;
  bool cancelled_ = false;
};

/// A result that arrives once, for one waiter: the bridge from a callback to a coroutine.
/// set() after the first is ignored, and so is a set() after the waiter was cancelled.
template <class T = void>
class Completion {
 public:
  void set(Result<T> result) {
    if (result_) return;
    result_.emplace(std::move(result));
    if (waiter_ != nullptr) waiter_->wake();
  }
  [[nodiscard]] bool is_set() const noexcept { return result_.has_value(); }

  struct Awaiter {
    Completion& owner;
    Waiter waiter;
    bool await_ready() const noexcept { return owner.result_.has_value(); }
    template <class P>
    bool await_suspend(std::coroutine_handle<P> self) {
      if (!waiter.suspend(self)) return false;
      owner.waiter_ = &waiter;
      return true;
    }
    Result<T> await_resume() {
      owner.waiter_ = nullptr;
      if (owner.result_) return std::move(*owner.result_);
      return std::unexpected(waiter.error());
    }
  };
  /// Result<T>: the result, or the cancellation's error.
  Awaiter wait() noexcept { return Awaiter{*this, {}}; }

 private:
  std::optional<Result<T>> result_;
  Waiter* waiter_ = nullptr;
};

/// Coroutines that wait for something to change. No memory: notify before wait is not seen, so
/// check the condition in a loop around wait().
class Signal {
 public:
  struct Awaiter {
    Signal& owner;
    Waiter waiter;
    bool await_ready() const noexcept { return false; }
    template <class P>
    bool await_suspend(std::coroutine_handle<P> self) {
      if (!waiter.suspend(self)) return false;
      owner.waiters_.push_back(waiter);
      return true;
    }
    Result<> await_resume() {
      if (waiter.cancelled()) return std::unexpected(waiter.error());
      return {};
    }
  };
  Awaiter wait() noexcept { return Awaiter{*this, {}}; }
  bool notify_one() noexcept { return waiters_.wake_one(); }
  void notify_all() noexcept { waiters_.wake_all(); }
  [[nodiscard]] bool has_waiters() const noexcept { return !waiters_.empty(); }

 private:
  Waiter::List waiters_;
};

/// Suspends the running task for `delay`; an error only if it is cancelled meanwhile.
Task<Result<>> sleep_for(Duration delay);

/// At most `limit` holders at a time on this loop, first come first served.
class Semaphore {
 public:
  explicit Semaphore(std::size_t limit) : free_(limit) {}
  Task<Result<>> acquire();
  void release() noexcept;

 private:
  std::size_t free_;
  Signal changed_;
};

/// A bounded first-in first-out queue between tasks of one loop.
template <class T>
class Queue {
 public:
  explicit Queue(std::size_t limit) : limit_(limit) {}

  /// False if the queue is full or closed.
  bool try_push(T value) {
    if (closed_ || items_.size() >= limit_) return false;
    items_.push_back(std::move(value));
    readable_.notify_one();
    return true;
  }
  /// Waits for room. Code::unavailable once closed.
  Task<Result<>> push(T value) {
    while (!closed_ && items_.size() >= limit_) {
      auto woken = co_await writable_.wait();
      if (!woken) co_return std::unexpected(std::move(woken).error());
    }
    if (closed_) co_return fail(Code::unavailable, "queue is closed");
    items_.push_back(std::move(value));
    readable_.notify_one();
    co_return Result<>();
  }
  /// The next item; nullopt once the queue is closed and empty.
  Task<Result<std::optional<T>>> pop() {
    while (items_.empty()) {
      if (closed_) co_return std::optional<T>();
      auto woken = co_await readable_.wait();
      if (!woken) co_return std::unexpected(std::move(woken).error());
    }
    std::optional<T> value(std::move(items_.front()));
    items_.pop_front();
    writable_.notify_one();
    co_return value;
  }
  /// No more pushes; what is inside can still be popped.
  void close() noexcept {
    closed_ = true;
    readable_.notify_all();
    writable_.notify_all();
  }
  [[nodiscard]] std::size_t size() const noexcept { return items_.size(); }
  [[nodiscard]] bool closed() const noexcept { return closed_; }

 private:
  std::size_t limit_;
  bool closed_ = false;
  std::deque<T> items_;
  Signal readable_;
  Signal writable_;
};

}  // namespace outrigger
