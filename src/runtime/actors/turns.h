#pragma once

#include <deque>
#include <memory>
#include <string>
#include <string_view>

#include "base/sync.h"

namespace outrigger::runtime::actors {

/// Who may run in an actor: one turn after the other, first come first served. Calls with the same
/// reentrancy id share a turn. On one loop; made when an actor gets a call, and gone when it has
/// none.
class Turns {
 public:
  /// A turn that runs or waits. Its address stays until its last call has left.
  struct Turn {
    std::string reentrancy_id;
    int depth = 1;
    bool running = false;
    Signal started;
  };

  /// Takes part in the turn with this id, or in a new one at the end of the queue. An empty id is
  /// nobody's. nullptr: the turn is as deep as it may be.
  [[nodiscard]] Turn* join(std::string_view reentrancy_id, int depth_max);
  /// One call of the turn has ended, or does not wait any more. With the last one the turn is over,
  /// and the next one starts.
  void leave(Turn& turn);

  /// Waits until the turn runs. An error if cancelled, Code::unavailable if no turn begins any
  /// more: leave() is owed all the same.
  Task<Result<>> wait(Turn* turn);
  /// Turns that wait will never run; the one that runs may end.
  void close() noexcept;

  [[nodiscard]] bool empty() const noexcept { return turns_.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return turns_.size(); }

 private:
  std::deque<std::unique_ptr<Turn>> turns_;
  bool closed_ = false;
};

}  // namespace outrigger::runtime::actors
