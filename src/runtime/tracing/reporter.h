#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "base/loop.h"
#include "base/metrics/metrics.h"
#include "runtime/telemetry/tracer.h"
#include "runtime/tracing/exporter.h"
#include "runtime/tracing/options.h"

namespace outrigger::runtime::tracing {

/// Gathers the sampled spans of all loops and hands them to the exporters, which run on loop 0.
/// A request pays for a push into a buffer of its own loop; a buffer is handed over when it is full
/// or has waited for a moment, by one message.
class Reporter final : public telemetry::SpanSink {
 public:
  /// `metrics` must live longer. The loops need not run yet, and must outlive close().
  Reporter(Loops& loops, Exporters exporters, telemetry::Registry& metrics);
  ~Reporter() override;

  /// On a loop; elsewhere, and once it is closed, the span is dropped.
  void accept(std::unique_ptr<telemetry::FinishedSpan> span) override;

  /// On loop 0, when nobody makes spans any more: hands over and sends what there is, for `limit`
  /// at the most; what is left then is dropped, which the log tells.
  Task<void> close(Duration limit);

 private:
  struct Feed;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// nullptr if there are no exporters.
[[nodiscard]] std::shared_ptr<Reporter> make_reporter(Loops& loops, Exporters exporters,
                                                      telemetry::Registry& metrics);

}  // namespace outrigger::runtime::tracing
