#pragma once

#include "base/metrics/metrics.h"
#include "control/scheduler/dispatcher.h"

namespace outrigger::control::scheduler {

/// Upstream's metrics of the service (facts/metrics.tsv).
class Metrics final : public Dispatcher::Gauges {
 public:
  explicit Metrics(telemetry::Registry& registry);

  enum class Type : std::uint8_t { job, actor, unknown };
  static Type type_of(const Target& target) noexcept {
    return target.kind == Target::Kind::job ? Type::job : Type::actor;
  }
  enum class SidecarError : std::uint8_t { send_failed, recv_failed, auth_failed };

  void created(Type type) const;
  void create_failed(Type type) const;
  void deleted(Type type) const;
  void bulk_deleted() const;
  void triggered(Type type, Answer answer, std::chrono::nanoseconds took) const;
  void undelivered(Type type) const;
  void sidecar_error(SidecarError error) const;
  /// Not upstream's: whether the store takes no writes, and calls that it has failed.
  void store_fails(bool fails) const;
  void store_failed() const;

  void in_flight(const std::string& limit, std::size_t count) override;
  void pending(const std::string& limit, std::size_t count) override;
  void throttled(const std::string& limit) override;
  void watchers(std::size_t count) override;

 private:
  telemetry::Group types_, limits_, reasons_, none_;
  telemetry::CounterFamily created_, create_failed_, deleted_, triggered_, failed_, undelivered_;
  telemetry::CounterFamily bulk_deleted_, throttled_, sidecar_errors_, store_errors_;
  telemetry::HistogramFamily latency_;
  telemetry::GaugeFamily in_flight_, pending_, watchers_, store_failing_;
};

}  // namespace outrigger::control::scheduler
