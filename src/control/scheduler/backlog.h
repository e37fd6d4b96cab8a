#pragma once

#include <cstdint>
#include <deque>
#include <unordered_set>

#include "control/scheduler/store.h"

namespace outrigger::control::scheduler {

/// The jobs that wait in any backlog.
using Waiting = std::unordered_set<JobId>;

/// Ids in the order they came. Those that are no longer in `waiting` are passed over, and swept out
/// before they are more than half.
class Backlog {
 public:
  void push(JobId job, const Waiting& waiting) {
    if (jobs_.size() >= sweep_at_) sweep(waiting);
    jobs_.push_back(job);
  }
  void sweep(const Waiting& waiting) {
    std::erase_if(jobs_, [&waiting](JobId one) { return !waiting.contains(one); });
    sweep_at_ = std::max(kSweepMin, 2 * jobs_.size());
  }
  /// nullopt if none is left.
  std::optional<JobId> pop(const Waiting& waiting) {
    while (!jobs_.empty()) {
      const JobId job = jobs_.front();
      jobs_.pop_front();
      if (waiting.contains(job)) return job;
    }
    jobs_.shrink_to_fit();
    sweep_at_ = kSweepMin;
    return std::nullopt;
  }
  /// With those that are passed over.
  [[nodiscard]] std::size_t size() const noexcept { return jobs_.size(); }

 private:
  static constexpr std::size_t kSweepMin = 64;
  std::deque<JobId> jobs_;
  std::size_t sweep_at_ = kSweepMin;
};

}  // namespace outrigger::control::scheduler
