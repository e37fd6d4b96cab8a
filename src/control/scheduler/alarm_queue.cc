#include "control/scheduler/alarm_queue.h"

namespace outrigger::control::scheduler {

void AlarmQueue::push(Due due) {
  heap_.push_back(due);
  std::ranges::push_heap(heap_, std::greater<>());
}

void AlarmQueue::pop() {
  std::ranges::pop_heap(heap_, std::greater<>());
  heap_.pop_back();
}

AlarmQueue::Cut AlarmQueue::cut(std::size_t count) {
  OUT_ASSERT(count > 0 && count <= heap_.size());
  const auto last = heap_.begin() + static_cast<std::ptrdiff_t>(count - 1);
  std::ranges::nth_element(heap_, last);
  Cut cut{*last, {last + 1, heap_.end()}};
  heap_.erase(last + 1, heap_.end());
  heap_.shrink_to_fit();
  std::ranges::make_heap(heap_, std::greater<>());
  return cut;
}

void AlarmQueue::clear() {
  heap_.clear();
  heap_.shrink_to_fit();
}

}  // namespace outrigger::control::scheduler
