#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>

#include "base/scope.h"

namespace outrigger::runtime::app {

/// Shared by the channels of all loops: whether the application may be called now, and how many
/// calls run at once. Thread-safe.
class Gate {
 public:
  /// `concurrency_max` 0: no limit.
  explicit Gate(int concurrency_max) : limit_(concurrency_max) {}

  void set_healthy(bool healthy) noexcept { healthy_.store(healthy, std::memory_order_relaxed); }
  [[nodiscard]] bool healthy() const noexcept { return healthy_.load(std::memory_order_relaxed); }

  /// Waits for a free slot, first come first served over all loops.
  Task<Result<>> enter();
  void leave();
  [[nodiscard]] bool limited() const noexcept { return limit_ > 0; }

 private:
  struct Waiting {
    Loop* loop;
    std::shared_ptr<Completion<>> turn;
  };
  const int limit_;
  std::atomic<bool> healthy_ = true;
  std::mutex mutex_;
  int running_ = 0;
  std::deque<Waiting> queue_;
};

}  // namespace outrigger::runtime::app
