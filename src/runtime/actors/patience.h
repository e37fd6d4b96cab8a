#pragma once

#include <algorithm>

#include "base/loop.h"

namespace outrigger::runtime::actors {

/// How long an application is given for each of many things that it is told one after the other.
/// One that does not answer is given a tenth of it each time, or thousands of actors would have to
/// be waited for in vain; its next answer gives it all of it again.
class Patience {
 public:
  explicit Patience(Duration limit) noexcept : limit_(limit), now_(limit) {}

  [[nodiscard]] Duration now() const noexcept { return now_; }
  void answered() noexcept { now_ = limit_; }
  /// It had `given`, and has not answered. Those who waited side by side count once.
  void ran_out(Duration given) noexcept {
    constexpr int kShare = 10;
    // Enough to be told at all.
    constexpr Duration kLeast = std::chrono::milliseconds(10);
    if (given <= now_) now_ = std::min(limit_, std::max(kLeast, given / kShare));
  }

 private:
  Duration limit_, now_;
};

}  // namespace outrigger::runtime::actors
