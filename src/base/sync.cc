#include "base/sync.h"

namespace outrigger {

void Waiter::detach() noexcept {
  unlink();
  if (list_ == nullptr) return;
  (previous_ != nullptr ? previous_->next_ : list_->first_) = next_;
  (next_ != nullptr ? next_->previous_ : list_->last_) = previous_;
  list_ = nullptr;
  previous_ = next_ = nullptr;
}

void Waiter::wake() noexcept {
  detach();
  if (handle_) Loop::current().schedule(std::exchange(handle_, nullptr));
}

void Waiter::on_cancel() noexcept {
  cancelled_ = true;
  wake();
}

void Waiter::List::push_back(Waiter& waiter) noexcept {
  waiter.list_ = this;
  waiter.previous_ = last_;
  waiter.next_ = nullptr;
  (last_ != nullptr ? last_->next_ : first_) = &waiter;
  last_ = &waiter;
}

bool Waiter::List::wake_one() noexcept {
  if (first_ == nullptr) return false;
  first_->wake();
  return true;
}

void Waiter::List::wake_all() noexcept {
  while (wake_one()) {
  }
}

namespace {

struct Sleep {
  TimePoint until;
  Waiter waiter;
  Timer timer{[this] { waiter.wake(); }};

  explicit Sleep(TimePoint until) : until(until) {}
  bool await_ready() const noexcept { return false; }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> self) {
    if (!waiter.suspend(self)) return false;
    timer.start_at(until);
    return true;
  }
  Result<> await_resume() {
    timer.stop();
    if (waiter.cancelled()) return std::unexpected(waiter.error());
    return {};
  }
};

}  // namespace

Task<Result<>> sleep_for(Duration delay) {
  Sleep sleep(std::chrono::steady_clock::now() + delay);
  auto slept = co_await sleep;
  co_return slept;
}

Task<Result<>> Semaphore::acquire() {
  // A newcomer must not overtake those who wait.
  while (free_ == 0 || changed_.has_waiters()) {
    auto woken = co_await changed_.wait();
    if (!woken) co_return std::unexpected(std::move(woken).error());
    if (free_ > 0) break;
  }
  --free_;
  co_return Result<>();
}

void Semaphore::release() noexcept {
  ++free_;
  changed_.notify_one();
}

}  // namespace outrigger
