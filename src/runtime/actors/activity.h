#pragma once

#include "base/cancellation.h"
#include "runtime/actors/turns.h"

namespace outrigger::runtime::actors {

/// What an actor that is not idle does: runs turns, or is being deactivated. Private to this
/// folder; shared by those who wait for its end.
struct Activity {
  Turns turns;
  /// Of everything that runs in the actor.
  Cancellation cancellation;
  /// It is being deactivated: no turn begins any more.
  bool closing = false;
  Signal quiet;  ///< While closing: the last turn has ended.
  Signal gone;   ///< The actor has been deactivated; it may be activated anew.
};

}  // namespace outrigger::runtime::actors
