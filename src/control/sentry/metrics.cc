#include "control/sentry/metrics.h"

namespace outrigger::control::sentry {

SentryMetrics::SentryMetrics(telemetry::Registry& registry)
    : plain_(registry.group({}, telemetry::Registry::AppLabel::no)),
      by_reason_(registry.group({"reason"}, telemetry::Registry::AppLabel::no)),
      received_(registry.counter(plain_, "dapr_sentry_cert_sign_request_received_total",
                                 "The number of CSRs received.")),
      signed_(registry.counter(plain_, "dapr_sentry_cert_sign_success_total",
                               "The number of certificates issuances that have succeeded.")),
      failed_(registry.counter(by_reason_, "dapr_sentry_cert_sign_failure_total",
                               "The number of errors occurred when signing the CSR.")),
      own_failed_(registry.counter(by_reason_, "dapr_sentry_servercert_issue_failed_total",
                                   "The number of server TLS certificate issuance failures.")),
      changed_(registry.counter(
          plain_, "dapr_sentry_issuercert_changed_total",
          "The number of issuer cert updates, when issuer cert or key is changed")),
      expires_(
          registry.gauge(plain_, "dapr_sentry_issuercert_expiry_timestamp",
                         "The unix timestamp, in seconds, when issuer/root cert will expire.")),
      rotation_(registry.gauge(plain_, "dapr_sentry_root_rotation_stage",
                               "The stage of the root rotation: 0 none, 1 requested, 2 "
                               "distributing, 3 switching, 4 signing, 5 retiring.")) {}

void SentryMetrics::issuer_expires(WallTime when) const {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(when).time_since_epoch().count();
  expires_.at(plain_.find({})).set(static_cast<double>(seconds));
}

void SentryMetrics::rotation(const std::optional<Rotation>& rotation) const {
  const double stage = rotation ? 1.0 + static_cast<double>(rotation->stage) : 0.0;
  rotation_.at(plain_.find({})).set(stage);
}

}  // namespace outrigger::control::sentry
