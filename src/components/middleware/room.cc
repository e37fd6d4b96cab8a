#include "components/middleware/room.h"

namespace outrigger::components::middleware {

Task<Result<>> Room::take(std::size_t bytes) {
  while (taken_ != 0 && !fits(bytes)) {
    auto woken = co_await freed_.wait();
    if (woken) continue;
    // It may have been told in the same moment.
    freed_.notify_one();
    co_return woken;
  }
  taken_ += bytes;
  // What was given back may be enough for another one.
  freed_.notify_one();
  co_return Result<>();
}

bool Room::take_now(std::size_t bytes, std::size_t held) noexcept {
  if (bytes > 0 && taken_ != held && !fits(bytes)) return false;
  taken_ += bytes;
  return true;
}

void Room::give(std::size_t bytes) noexcept {
  taken_ -= bytes;
  freed_.notify_one();
}

}  // namespace outrigger::components::middleware
