#include "control/scheduler/seat.h"

namespace outrigger::control::scheduler {

Seat::Next Seat::see(const Seen& seen) {
  if (agreed_) {
    // Also if all is as it was again: others may have taken the end of the share for granted.
    if (draining_ || agreed_->members == seen.roll.members) return Next::nothing;
    draining_ = true;
    return Next::drain;
  }
  if (!seen.said) return Next::say;
  if (!seen.followed || !seen.roll.share_of(key_, seen.says)) return Next::nothing;
  return Next::begin;
}

Share Seat::begin(Seen seen) {
  auto share = seen.roll.share_of(key_, seen.says);
  OUT_ASSERT(share && !agreed_);
  agreed_ = std::move(seen.roll);
  share->term = ++term_;
  return *std::move(share);
}

bool Seat::end() noexcept {
  const bool had = agreed_.has_value();
  agreed_.reset();
  draining_ = false;
  return had;
}

}  // namespace outrigger::control::scheduler
