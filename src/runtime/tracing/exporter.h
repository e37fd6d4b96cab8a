#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/loop.h"
#include "base/task.h"
#include "runtime/telemetry/tracer.h"

namespace outrigger::runtime::tracing {

/// How a batch fared.
struct Delivery {
  Result<> result;
  /// After an error: whether the same batch may be taken later.
  bool retry = false;
  /// What the receiver asked to wait before.
  std::optional<Duration> retry_after;
};

/// A way of handing spans over, and the format of it. Made anywhere; after that it belongs to one
/// loop. One send() at a time.
class Exporter {
 public:
  virtual ~Exporter() = default;
  /// "zipkin", "otlp", "stdout": for logs and metrics.
  [[nodiscard]] virtual std::string_view name() const noexcept = 0;
  /// Where to, for logs; without secrets.
  [[nodiscard]] virtual std::string_view target() const noexcept = 0;
  /// Appends one span's part of a body.
  virtual void append(std::string& out, const telemetry::FinishedSpan& span) const = 0;
  /// What stands between the parts of two spans.
  [[nodiscard]] virtual std::string_view separator() const noexcept { return {}; }
  /// Delivers parts joined by the separator. Cancelled when it takes too long.
  virtual Task<Delivery> send(std::string parts) = 0;
  virtual Task<void> close() = 0;
};

}  // namespace outrigger::runtime::tracing
