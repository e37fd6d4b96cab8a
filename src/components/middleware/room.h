#pragma once

#include "base/sync.h"

namespace outrigger::components::middleware {

/// Memory that calls share on one loop, as a number: who finds no room waits until others give
/// theirs back.
class Room {
 public:
  explicit Room(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  /// Returns once there is room, or the error of a cancellation. Where nobody else is there is room
  /// for everything.
  Task<Result<>> take(std::size_t bytes);
  /// As take(), but at once, past those who wait, or not at all. For one who holds `held` already.
  [[nodiscard]] bool take_now(std::size_t bytes, std::size_t held = 0) noexcept;
  void give(std::size_t bytes) noexcept;

 private:
  [[nodiscard]] bool fits(std::size_t bytes) const noexcept {
    return taken_ <= bytes_max_ && bytes <= bytes_max_ - taken_;
  }

  const std::size_t bytes_max_;
  std::size_t taken_ = 0;
  Signal freed_;
};

}  // namespace outrigger::components::middleware
