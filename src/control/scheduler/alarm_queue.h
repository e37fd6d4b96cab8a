#pragma once

#include <vector>

#include "control/scheduler/store.h"

namespace outrigger::control::scheduler {

/// Jobs by when they are due, 16 bytes each.
class AlarmQueue {
 public:
  void push(Due due);
  /// The next one; nullptr if there is none.
  [[nodiscard]] const Due* first() const noexcept { return heap_.empty() ? nullptr : &heap_[0]; }
  void pop();
  struct Cut {
    Due last_kept;
    std::vector<Due> dropped;
  };
  /// Keeps the first `count`, which are no more than there are.
  Cut cut(std::size_t count);
  void clear();
  [[nodiscard]] std::size_t size() const noexcept { return heap_.size(); }

 private:
  std::vector<Due> heap_;
};

}  // namespace outrigger::control::scheduler
