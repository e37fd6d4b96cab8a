#pragma once

#include <atomic>
#include <cstdint>
#include <expected>
#include <utility>

#include "base/loop.h"
#include "resources/resiliency.h"
#include "runtime/resiliency/metrics.h"

namespace outrigger::runtime::resiliency {

/// How much an application is asked at once and in a second (docs/resiliency.md). An addition of
/// ours. Any thread, without locks; it must outlive its passes.
class Limit {
 public:
  /// `metrics` counts what is refused.
  explicit Limit(const resources::LimitPolicy& policy, Target metrics = {});

  /// One call that was let in; it counts as running until this is destroyed.
  class Pass {
   public:
    Pass(Pass&& other) noexcept : limit_(std::exchange(other.limit_, nullptr)) {}
    Pass& operator=(Pass&&) = delete;
    ~Pass() {
      if (limit_ != nullptr) limit_->running_.fetch_sub(1, std::memory_order_relaxed);
    }

   private:
    friend class Limit;
    explicit Pass(Limit* limit) noexcept : limit_(limit) {}
    Limit* limit_;
  };
  /// A pass, or after which time it is worth while to ask again.
  std::expected<Pass, Duration> enter(TimePoint now);

  [[nodiscard]] const resources::LimitPolicy& policy() const noexcept { return policy_; }

 private:
  std::unexpected<Duration> refuse(Duration wait) const;

  const resources::LimitPolicy policy_;
  const Target metrics_;
  /// Between two calls at the full rate, and by how much they may come early; nanoseconds.
  std::int64_t interval_ = 0, tolerance_ = 0;
  std::atomic<std::int32_t> running_{0};
  /// When the next call would come if none came early (the generic cell rate algorithm, ITU-T
  /// I.371); nanoseconds of the steady clock.
  std::atomic<std::int64_t> next_{0};
};

/// In whole seconds, at least one, as the header Retry-After has it (RFC 9110, section 10.2.3).
[[nodiscard]] std::int64_t retry_after_seconds(Duration wait) noexcept;

}  // namespace outrigger::runtime::resiliency
