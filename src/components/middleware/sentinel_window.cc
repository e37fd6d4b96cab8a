#include "components/middleware/sentinel_window.h"

#include <algorithm>

namespace outrigger::components::middleware::sentinel {

bool Window::counts_at(const Bucket& bucket, Millis now, std::uint32_t samples) const {
  const Millis last = now - now % length_;
  return bucket.start >= 0 && bucket.start <= last &&
         bucket.start > last - length_ * static_cast<Millis>(samples);
}

Counts Window::sum(Millis now, std::uint32_t samples) const {
  Counts all;
  for (const Bucket& bucket : buckets_) {
    if (!counts_at(bucket, now, samples)) continue;
    all.passed += bucket.counts.passed;
    all.completed += bucket.counts.completed;
    all.bad += bucket.counts.bad;
    all.total_rt_ms += bucket.counts.total_rt_ms;
    all.min_rt_ms = std::min(all.min_rt_ms, bucket.counts.min_rt_ms);
  }
  return all;
}

std::uint64_t Window::most_completed(Millis now, std::uint32_t samples) const {
  std::uint64_t most = 0;
  for (const Bucket& bucket : buckets_) {
    if (counts_at(bucket, now, samples)) most = std::max(most, bucket.counts.completed);
  }
  return most;
}

void Window::clear() {
  for (Bucket& bucket : buckets_) bucket = {};
}

}  // namespace outrigger::components::middleware::sentinel
