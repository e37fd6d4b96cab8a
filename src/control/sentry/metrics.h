#pragma once

#include "base/metrics/metrics.h"
#include "base/time_format.h"
#include "control/sentry/rotation.h"

namespace outrigger::control::sentry {

/// Upstream's metrics (facts/metrics.tsv), and one of ours: dapr_sentry_root_rotation_stage.
class SentryMetrics {
 public:
  explicit SentryMetrics(telemetry::Registry& registry);
  void request_received() const { received_.at(plain_.find({})).add(); }
  void signed_one() const { signed_.at(plain_.find({})).add(); }
  void failed() const { failed_.at(by_reason_.find({"sign"})).add(); }
  void own_certificate_failed() const { own_failed_.at(by_reason_.find({"ca_error"})).add(); }
  void issuer_changed() const { changed_.at(plain_.find({})).add(); }
  void issuer_expires(WallTime when) const;
  /// 0: none runs; then 1 to 5, as in Stage.
  void rotation(const std::optional<Rotation>& rotation) const;

 private:
  telemetry::Group plain_, by_reason_;
  telemetry::CounterFamily received_, signed_, failed_, own_failed_, changed_;
  telemetry::GaugeFamily expires_, rotation_;
};

}  // namespace outrigger::control::sentry
