#pragma once

#include "base/cancellation.h"

namespace outrigger::pubsub {

/// While it lives, a request of one cancellation is also one of another, which has a parent of its
/// own already. Both must live longer.
class Relay final : public Cancellation::Callback {
 public:
  Relay(Cancellation& from, Cancellation& to) : to_(to) {
    if (from.requested()) {
      to.request();
    } else {
      from.add(*this);
    }
  }
  void on_cancel() noexcept override { to_.request(); }

 private:
  Cancellation& to_;
};

}  // namespace outrigger::pubsub
