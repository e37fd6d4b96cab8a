#include "runtime/app/gate.h"

namespace outrigger::runtime::app {

Task<Result<>> Gate::enter() {
  auto turn = std::make_shared<Completion<>>();
  {
    const std::lock_guard lock(mutex_);
    if (running_ < limit_ && queue_.empty()) {
      ++running_;
      co_return Result<>();
    }
    queue_.push_back({&Loop::current(), turn});
  }
  auto entered = co_await turn->wait();
  if (entered) co_return entered;
  // Given up. A slot that was handed over meanwhile goes to the next one.
  bool handed_over = true;
  {
    const std::lock_guard lock(mutex_);
    const auto before = queue_.size();
    std::erase_if(queue_, [&](const Waiting& waiting) { return waiting.turn == turn; });
    handed_over = queue_.size() == before;
  }
  if (handed_over) leave();
  co_return entered;
}

void Gate::leave() {
  const std::lock_guard lock(mutex_);
  if (queue_.empty()) {
    --running_;
    return;
  }
  // The slot passes straight to the one who waited longest.
  const Waiting next = std::move(queue_.front());
  queue_.pop_front();
  next.loop->post([turn = next.turn] { turn->set({}); });
}

}  // namespace outrigger::runtime::app
