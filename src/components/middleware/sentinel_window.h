#pragma once

#include <cstdint>
#include <vector>

namespace outrigger::components::middleware::sentinel {

/// Milliseconds of a clock that only goes forward.
using Millis = std::int64_t;

/// What is counted of a resource.
struct Counts {
  std::uint64_t passed = 0;
  std::uint64_t completed = 0;
  std::uint64_t bad = 0;  ///< Slow ones or errors, as a breaker counts.
  std::uint64_t total_rt_ms = 0;
  std::uint64_t min_rt_ms = kNoRt;
  /// Upstream's "no request yet": a minute.
  static constexpr std::uint64_t kNoRt = 60'000;
};

/// Counts of the last while, in buckets of equal length that begin at its multiples.
class Window {
 public:
  /// `interval_ms` is a multiple of `buckets`, and both are more than 0.
  Window(std::uint32_t buckets, std::uint32_t interval_ms)
      : length_(interval_ms / buckets), buckets_(buckets) {}

  /// The bucket of that time, for adding.
  Counts& at(Millis now) {
    const Millis start = now - now % length_;
    Bucket& bucket = buckets_[static_cast<std::size_t>(now / length_) % buckets_.size()];
    if (bucket.start != start) bucket = {.start = start, .counts = {}};
    return bucket.counts;
  }
  /// The sums of the `samples` buckets that end with the one of that time.
  [[nodiscard]] Counts sum(Millis now, std::uint32_t samples) const;
  /// The most requests that one of these buckets saw completed.
  [[nodiscard]] std::uint64_t most_completed(Millis now, std::uint32_t samples) const;
  void clear();
  [[nodiscard]] std::uint32_t size() const noexcept {
    return static_cast<std::uint32_t>(buckets_.size());
  }
  [[nodiscard]] Millis bucket_ms() const noexcept { return length_; }

 private:
  struct Bucket {
    Millis start = -1;
    Counts counts;
  };
  [[nodiscard]] bool counts_at(const Bucket& bucket, Millis now, std::uint32_t samples) const;
  Millis length_;
  std::vector<Bucket> buckets_;
};

}  // namespace outrigger::components::middleware::sentinel
