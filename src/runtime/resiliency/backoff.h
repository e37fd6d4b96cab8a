#pragma once

#include <optional>

#include "base/loop.h"
#include "resources/resiliency.h"

namespace outrigger::runtime::resiliency {

/// How long to wait before each further attempt of one operation.
class Backoff {
 public:
  /// `now`: when the first attempt begins.
  Backoff(const resources::RetryPolicy& policy, TimePoint now);
  /// The pause before the next attempt; nullopt: there is to be none.
  std::optional<Duration> next(TimePoint now);

 private:
  const resources::RetryPolicy& policy_;
  TimePoint began_;
  Duration interval_;
  std::int64_t retries_ = 0;
};

}  // namespace outrigger::runtime::resiliency
