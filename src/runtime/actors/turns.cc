#include "runtime/actors/turns.h"

#include <algorithm>

namespace outrigger::runtime::actors {

Turns::Turn* Turns::join(std::string_view reentrancy_id, int depth_max) {
  if (!reentrancy_id.empty()) {
    for (const auto& turn : turns_) {
      if (turn->reentrancy_id != reentrancy_id) continue;
      if (turn->depth >= depth_max) return nullptr;
      ++turn->depth;
      return turn.get();
    }
  }
  auto turn = std::make_unique<Turn>();
  turn->reentrancy_id = reentrancy_id;
  turn->running = turns_.empty() && !closed_;
  return turns_.emplace_back(std::move(turn)).get();
}

void Turns::leave(Turn& turn) {
  if (--turn.depth > 0) return;
  const auto found =
      std::ranges::find_if(turns_, [&](const auto& each) { return each.get() == &turn; });
  OUT_ASSERT(found != turns_.end());
  turns_.erase(found);
  if (closed_ || turns_.empty() || turns_.front()->running) return;
  turns_.front()->running = true;
  turns_.front()->started.notify_all();
}

Task<Result<>> Turns::wait(Turn* turn) {
  while (!turn->running) {
    if (closed_) co_return fail(Code::unavailable, "no turn begins any more");
    OUT_CO_CHECK(co_await turn->started.wait());
  }
  co_return Result<>();
}

void Turns::close() noexcept {
  closed_ = true;
  for (const auto& turn : turns_) turn->started.notify_all();
}

}  // namespace outrigger::runtime::actors
