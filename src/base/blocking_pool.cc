#include "base/blocking_pool.h"

#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>

namespace outrigger {
namespace {
constexpr auto kIdleLife = std::chrono::seconds(10);
// Of name lookups: more would only wait for the same resolver.
constexpr unsigned kLookupThreads = 8;
constexpr std::size_t kLookupQueue = 1024;
}  // namespace

struct BlockingPool::Impl {
  Impl(unsigned threads_max, std::size_t queue_max)
      : threads_max(threads_max), queue_max(queue_max) {}

  const unsigned threads_max;
  const std::size_t queue_max;
  std::mutex mutex;
  std::condition_variable work_came;
  std::condition_variable thread_left;
  std::deque<std::move_only_function<void()>> queue;
  unsigned threads = 0;
  unsigned idle = 0;
  bool closing = false;

  void serve() {
    std::unique_lock lock(mutex);
    for (;;) {
      if (queue.empty()) {
        if (closing) break;
        ++idle;
        const bool woken =
            work_came.wait_for(lock, kIdleLife, [this] { return closing || !queue.empty(); });
        --idle;
        if (!woken) break;
        continue;
      }
      auto work = std::move(queue.front());
      queue.pop_front();
      lock.unlock();
      work();
      work = nullptr;
      lock.lock();
    }
    --threads;
    thread_left.notify_all();
  }
};

BlockingPool::BlockingPool(unsigned threads_max, std::size_t queue_max)
    : impl_(std::make_unique<Impl>(threads_max, queue_max)) {}

BlockingPool::~BlockingPool() {
  std::unique_lock lock(impl_->mutex);
  impl_->closing = true;
  impl_->work_came.notify_all();
  impl_->thread_left.wait(lock, [this] { return impl_->threads == 0; });
}

BlockingPool& BlockingPool::shared() {
  static BlockingPool pool;
  return pool;
}

BlockingPool& BlockingPool::lookups() {
  static BlockingPool pool(kLookupThreads, kLookupQueue);
  return pool;
}

bool BlockingPool::submit(std::move_only_function<void()> work) {
  const std::lock_guard lock(impl_->mutex);
  if (impl_->queue.size() >= impl_->queue_max) return false;
  impl_->queue.push_back(std::move(work));
  if (impl_->idle >= impl_->queue.size() || impl_->threads >= impl_->threads_max) {
    impl_->work_came.notify_one();
    return true;
  }
  try {
    std::thread([impl = impl_.get()] { impl->serve(); }).detach();
    ++impl_->threads;  // The new one waits for the lock.
  } catch (const std::system_error&) {
    // The system gives no more threads: those there are do it, if there are any.
    if (impl_->threads > 0) return true;
    impl_->queue.pop_back();
    return false;
  }
  return true;
}

}  // namespace outrigger
