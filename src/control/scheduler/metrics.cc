#include "control/scheduler/metrics.h"

namespace outrigger::control::scheduler {
namespace {

using telemetry::Labels;
using telemetry::Registry;

constexpr std::string_view kTypes[] = {"job", "actor", "unknown"};
constexpr std::string_view kErrors[] = {"send_failed", "recv_failed", "auth_failed"};

Labels of(const telemetry::Group& group, Metrics::Type type) {
  return group.find({kTypes[static_cast<std::size_t>(type)]});
}

}  // namespace

Metrics::Metrics(Registry& registry) {
  constexpr auto kNo = Registry::AppLabel::no;
  types_ = registry.group({"type"}, kNo);
  limits_ = registry.group({"concurrency_key"}, kNo);
  reasons_ = registry.group({"reason"}, kNo);
  none_ = registry.group({}, kNo);
  created_ = registry.counter(types_, "dapr_scheduler_jobs_created_total", "Jobs scheduled.");
  create_failed_ = registry.counter(types_, "dapr_scheduler_jobs_created_failed_total",
                                    "Jobs that could not be scheduled.");
  deleted_ = registry.counter(types_, "dapr_scheduler_jobs_deleted_total", "Jobs deleted.");
  triggered_ =
      registry.counter(types_, "dapr_scheduler_jobs_triggered_total", "Triggers that succeeded.");
  failed_ = registry.counter(types_, "dapr_scheduler_jobs_failed_total", "Triggers that failed.");
  undelivered_ = registry.counter(types_, "dapr_scheduler_jobs_undelivered_total",
                                  "Triggers that no sidecar took.");
  latency_ = registry.histogram(types_, "dapr_scheduler_trigger_latency",
                                "Milliseconds from a trigger to its answer.",
                                {0, 100, 500, 1000, 5000, 10000});
  in_flight_ = registry.gauge(limits_, "dapr_scheduler_concurrency_inflight",
                              "Triggers under way that count for a limit.");
  pending_ = registry.gauge(limits_, "dapr_scheduler_concurrency_pending",
                            "Triggers that wait for a limit.");
  throttled_ = registry.counter(limits_, "dapr_scheduler_concurrency_throttled_total",
                                "Triggers that had to wait for a limit.");
  sidecar_errors_ = registry.counter(reasons_, "dapr_scheduler_sidecar_errors_total",
                                     "Errors in talking with sidecars.");
  watchers_ = registry.gauge(none_, "dapr_scheduler_sidecars_connected",
                             "Streams of sidecars that are connected.");
  bulk_deleted_ = registry.counter(none_, "dapr_scheduler_jobs_bulk_deleted_total",
                                   "Deletions of many jobs at once.");
  store_failing_ = registry.gauge(none_, "dapr_scheduler_store_failing",
                                  "1 while the store of jobs takes no writes.");
  store_errors_ = registry.counter(none_, "dapr_scheduler_store_errors_total",
                                   "Calls that the store of jobs has failed.");
}

void Metrics::created(Type type) const { created_.at(of(types_, type)).add(); }
void Metrics::create_failed(Type type) const { create_failed_.at(of(types_, type)).add(); }
void Metrics::deleted(Type type) const { deleted_.at(of(types_, type)).add(); }
void Metrics::bulk_deleted() const { bulk_deleted_.at(none_.find({})).add(); }
void Metrics::store_fails(bool fails) const {
  store_failing_.at(none_.find({})).set(fails ? 1 : 0);
}
void Metrics::store_failed() const { store_errors_.at(none_.find({})).add(); }
void Metrics::undelivered(Type type) const { undelivered_.at(of(types_, type)).add(); }

void Metrics::triggered(Type type, Answer answer, std::chrono::nanoseconds took) const {
  const Labels labels = of(types_, type);
  (answer == Answer::success ? triggered_ : failed_).at(labels).add();
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(took);
  latency_.at(labels).record(static_cast<double>(milliseconds.count()));
}

void Metrics::sidecar_error(SidecarError error) const {
  sidecar_errors_.at(reasons_.find({kErrors[static_cast<std::size_t>(error)]})).add();
}

void Metrics::in_flight(const std::string& limit, std::size_t count) {
  in_flight_.at(limits_.find({limit})).set(static_cast<double>(count));
}
void Metrics::pending(const std::string& limit, std::size_t count) {
  pending_.at(limits_.find({limit})).set(static_cast<double>(count));
}
void Metrics::throttled(const std::string& limit) { throttled_.at(limits_.find({limit})).add(); }
void Metrics::watchers(std::size_t count) {
  watchers_.at(none_.find({})).set(static_cast<double>(count));
}

}  // namespace outrigger::control::scheduler
