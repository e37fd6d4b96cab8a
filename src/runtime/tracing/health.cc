#include "runtime/tracing/health.h"

#include <utility>

#include "base/log.h"

namespace outrigger::runtime::tracing {
namespace {

const Logger log("dapr.runtime.trace");
constexpr Duration kTellAgain = std::chrono::minutes(1);

}  // namespace

ExportMetrics::ExportMetrics(telemetry::Registry& registry) : group_(registry.group({"exporter"})) {
  exported_ = registry.counter(group_, "dapr_runtime_trace_spans_exported",
                               "Spans that a trace receiver has taken.");
  dropped_ =
      registry.counter(group_, "dapr_runtime_trace_spans_dropped",
                       "Spans that were lost: the queue was full, or the receiver took none.");
  failures_ = registry.counter(group_, "dapr_runtime_trace_export_failures",
                               "Failed tries to hand spans to a trace receiver.");
}

telemetry::Counter ExportMetrics::exported(std::string_view exporter) const {
  return exported_.at(group_.find({exporter}));
}
telemetry::Counter ExportMetrics::dropped(std::string_view exporter) const {
  return dropped_.at(group_.find({exporter}));
}
telemetry::Counter ExportMetrics::failures(std::string_view exporter) const {
  return failures_.at(group_.find({exporter}));
}

ExportLog::ExportLog(std::string_view exporter, std::string_view target)
    : receiver_(std::string(exporter).append(" (").append(target).append(")")) {}

void ExportLog::failed(const Error& error) {
  failing_ = true;
  why_ = error.message();
  const TimePoint now = Loop::current().now();
  if (!told_ || now - last_told_ >= kTellAgain) tell(now);
}

void ExportLog::dropped(std::size_t spans) {
  dropped_ += spans;
  const TimePoint now = Loop::current().now();
  if (!told_ || now - last_told_ >= kTellAgain) tell(now);
}

void ExportLog::tell(TimePoint now) {
  if (failing_) {
    log.warn("trace exporter ", receiver_, " fails: ", why_, "; spans lost: ", dropped_);
  } else {
    log.warn("trace exporter ", receiver_, " is behind; spans lost: ", dropped_);
  }
  dropped_ = 0;
  told_ = true;
  last_told_ = now;
}

void ExportLog::succeeded() {
  if (!std::exchange(failing_, false)) return;
  log.info("trace exporter ", receiver_, " works again; spans lost: ", std::exchange(dropped_, 0));
  told_ = false;
}

void ExportLog::end() {
  if (dropped_ > 0) tell(Loop::current().now());
}

}  // namespace outrigger::runtime::tracing
