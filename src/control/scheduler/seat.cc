#include "control/scheduler/seat.h"

namespace outrigger::control::scheduler {

Seat::Next Seat::see(const Seen& seen) {
  if (agreed_) {
    // Also if all is as it was again: others may have taken the end of the share for granted.
    if (draining_ || agreed_->members == seen.roll.members) return Next::nothing;
    draining_ = true;
    return Next::drain;
  }
  if (!seen.said) {
    note_place(seen);
    return Next::say;
  }
  if (!seen.followed || !seen.roll.share_of(key_, seen.says)) return Next::nothing;
  return Next::begin;
}

/// When this has been said, the others may begin with all but this place.
void Seat::note_place(const Seen& seen) {
  const auto mine = seen.roll.members.find(key_);
  const bool lost_count = since_ && since_->size() >= kPlacesMax;
  if (!seen.exact || lost_count || mine == seen.roll.members.end()) since_.reset();
  if (!since_) return;
  const auto index = std::distance(seen.roll.members.begin(), mine);
  const Place place{static_cast<std::uint64_t>(index), seen.roll.members.size()};
  if (since_->empty() || since_->back() != place) since_->push_back(place);
}

Share Seat::begin(Seen seen) {
  auto share = seen.roll.share_of(key_, seen.says);
  OUT_ASSERT(share && !agreed_);
  agreed_ = std::move(seen.roll);
  exact_ = seen.exact;
  share->since = std::exchange(since_, std::nullopt);
  share->term = ++term_;
  return *std::move(share);
}

bool Seat::end(End how) noexcept {
  const bool had = agreed_.has_value();
  if (how == End::broken) {
    since_.reset();
  } else if (had && exact_) {
    since_.emplace();
  }
  agreed_.reset();
  draining_ = false;
  return had;
}

}  // namespace outrigger::control::scheduler
