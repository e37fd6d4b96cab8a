#pragma once

#include <functional>

#include "base/scope.h"

namespace outrigger {

/// Threads for calls that block (SQLite, getaddrinfo, file reads). Threads start when needed
/// and end after being idle for a while; the queue is bounded: when it is full, callers get
/// Code::resource_exhausted, which is the back-pressure.
class BlockingPool {
 public:
  /// At most `threads_max` threads and `queue_max` waiting jobs.
  explicit BlockingPool(unsigned threads_max = 8, std::size_t queue_max = 4096);
  /// Finishes the queued jobs, then joins.
  ~BlockingPool();

  /// The process's own pool.
  static BlockingPool& shared();
  /// The process's pool for name lookups only: they may hang for as long as the resolver likes, and
  /// files and databases must not wait behind them.
  static BlockingPool& lookups();

  /// Runs `work` on a pool thread. From any thread; false if the queue is full.
  bool submit(std::move_only_function<void()> work);

  /// Runs `work` on a pool thread and gives its result to the awaiting task on its own loop. A
  /// cancelled caller returns at once; the work itself is not interrupted, may outlive the caller's
  /// loop, and its result is dropped.
  template <class T>
  Task<Result<T>> run(std::move_only_function<Result<T>()> work) {
    auto completion = std::make_shared<Completion<T>>();
    auto job = [completion, home = Loop::current().remote(), work = std::move(work)]() mutable {
      auto result = std::make_shared<Result<T>>(work());
      home.post([completion, result] { completion->set(std::move(*result)); });
    };
    const bool accepted = submit(std::move(job));
    if (!accepted) {
      co_return fail(Code::resource_exhausted, "too much blocking work is queued already");
    }
    auto result = co_await completion->wait();
    co_return result;
  }

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace outrigger
