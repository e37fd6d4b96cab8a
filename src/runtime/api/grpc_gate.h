#pragma once

#include <memory>
#include <string>

#include "net/grpc/call.h"
#include "runtime/api/access.h"
#include "runtime/telemetry/runtime_metrics.h"
#include "runtime/telemetry/tracer.h"

namespace outrigger::runtime::api {

struct GrpcGateSettings {
  GrpcAccess access;
  std::string api_token;  ///< Empty: none is asked for.
  bool log_calls = false;
  bool omit_health_checks = false;
  /// Of the server for other sidecars: what it passes on counts as a call of ours to the app.
  bool internal = false;
  telemetry::Tracer tracer;
  /// Of this application: proxied calls to it are its server's, others those of a client.
  std::string app_id;
};

/// What every call of a gRPC server passes through: token, lists, trace context, metrics and log.
/// One per loop; the settings are shared.
class GrpcGate final : public net::grpc::Interceptor {
 public:
  GrpcGate(std::shared_ptr<const GrpcGateSettings> settings,
           const telemetry::RuntimeMetrics& metrics)
      : settings_(std::move(settings)), metrics_(metrics) {}

  /// For calls that come from now on; those on their way go on under either.
  void set_settings(std::shared_ptr<const GrpcGateSettings> settings) {
    settings_ = std::move(settings);
  }
  Result<> begin(net::grpc::Call& call) override;
  void end(net::grpc::Call& call, const net::grpc::Status& status) override;

 private:
  void begin_span(net::grpc::Call& call) const;
  void end_span(net::grpc::Call& call, const net::grpc::Status& status) const;
  [[nodiscard]] telemetry::SpanKind kind_of(const net::grpc::Call& call) const;
  void count(const net::grpc::Call& call, const net::grpc::Status& status, Duration elapsed) const;
  void log_call(const net::grpc::Call& call, const net::grpc::Status& status,
                Duration elapsed) const;
  std::shared_ptr<const GrpcGateSettings> settings_;
  const telemetry::RuntimeMetrics& metrics_;
};

/// The span of a call that passed a gate; all zero for one that did not.
const telemetry::TraceContext& trace_of(const net::grpc::Call& call) noexcept;
/// What that span will say, for methods that know more of the call than its path. nullptr unless
/// the span is sampled and exported.
telemetry::FinishedSpan* span_of(net::grpc::Call& call) noexcept;

}  // namespace outrigger::runtime::api
