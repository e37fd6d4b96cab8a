#pragma once

#include <deque>
#include <memory>
#include <span>

#include "base/scope.h"
#include "runtime/tracing/exporter.h"
#include "runtime/tracing/health.h"
#include "runtime/tracing/options.h"

namespace outrigger::runtime::tracing {

/// The queue before one exporter, and the task that empties it: in batches, one at a time, with
/// retries, never more than the limits. All on one loop.
class Pipeline {
 public:
  Pipeline(std::unique_ptr<Exporter> exporter, const BatchOptions& options,
           const ExportMetrics& metrics);
  /// close() must have ended, if anything was added.
  ~Pipeline();

  /// Takes what there is room for; the rest is counted as lost.
  void add(std::span<const std::unique_ptr<telemetry::FinishedSpan>> spans);
  void lost(std::size_t spans);
  /// Sends what is left, for `limit` at the most; what is still there then is lost.
  Task<void> close(Duration limit);

  [[nodiscard]] std::size_t queued() const noexcept { return queued_spans_; }

 private:
  struct Part {
    std::string bytes;
    std::size_t spans = 0;
  };
  void append(const telemetry::FinishedSpan& span);
  [[nodiscard]] bool batch_is_full() const noexcept;
  Task<void> run();
  Task<Result<>> wait_for_batch();
  Part take_batch();
  Task<void> deliver(Part batch);
  Task<Result<>> deliver_with_retries(std::string parts);
  Task<Result<>> pause(Duration delay);

  std::unique_ptr<Exporter> exporter_;
  BatchOptions options_;
  telemetry::Counter exported_, dropped_, failures_;
  ExportLog log_;
  std::deque<Part> queue_;
  std::size_t queued_spans_ = 0;
  std::size_t queued_bytes_ = 0;
  bool due_ = false;
  bool closing_ = false;
  Timer delay_;
  Signal changed_;
  Scope scope_;
  bool started_ = false;
};

}  // namespace outrigger::runtime::tracing
