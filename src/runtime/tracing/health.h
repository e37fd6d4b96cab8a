#pragma once

#include <string>
#include <string_view>

#include "base/loop.h"
#include "base/metrics/metrics.h"

namespace outrigger::runtime::tracing {

/// What becomes of spans, as metrics (of our own; upstream has none):
/// dapr_runtime_trace_spans_{exported,dropped} and dapr_runtime_trace_export_failures, by exporter.
class ExportMetrics {
 public:
  ExportMetrics() = default;
  explicit ExportMetrics(telemetry::Registry& registry);

  [[nodiscard]] telemetry::Counter exported(std::string_view exporter) const;
  /// The queue was full, or a batch was given up.
  [[nodiscard]] telemetry::Counter dropped(std::string_view exporter) const;
  /// Tries that failed.
  [[nodiscard]] telemetry::Counter failures(std::string_view exporter) const;

 private:
  telemetry::Group group_;
  telemetry::CounterFamily exported_, dropped_, failures_;
};

/// Tells the log of a receiver that cannot be reached, and of spans that are lost by it: at once
/// when it begins, then once a minute, and when it is over. Of one loop.
class ExportLog {
 public:
  ExportLog(std::string_view exporter, std::string_view target);

  void failed(const Error& error);
  void dropped(std::size_t spans);
  void succeeded();
  /// What was lost and not told yet.
  void end();

 private:
  void tell(TimePoint now);

  std::string receiver_;
  bool failing_ = false;
  bool told_ = false;
  TimePoint last_told_{};
  std::uint64_t dropped_ = 0;
  std::string why_;
};

}  // namespace outrigger::runtime::tracing
