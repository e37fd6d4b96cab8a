#pragma once

#include "runtime/actors/invocation.h"
#include "runtime/placement/service.h"
#include "runtime/telemetry/runtime_metrics.h"

namespace outrigger::runtime::actors {

inline constexpr std::string_view kCallActor =
    "/dapr.proto.internals.v1.ServiceInvocation/CallActor";
inline constexpr std::string_view kCallActorReminder =
    "/dapr.proto.internals.v1.ServiceInvocation/CallActorReminder";
inline constexpr std::string_view kCallActorStream =
    "/dapr.proto.internals.v1.ServiceInvocation/CallActorStream";

/// Calls actors that live in other sidecars. On one loop.
class PeerCaller {
 public:
  virtual ~PeerCaller() = default;
  /// Errors have the code and the message of the gRPC status; Code::unavailable: the other sidecar
  /// may never have processed it.
  virtual Task<Result<Reply>> call(placement::Location where, InvocationPtr call) = 0;
  virtual Task<Result<>> fire(placement::Location where, ReminderPtr reminder) = 0;
};

/// Over their internal gRPC API.
class GrpcPeerCaller final : public PeerCaller {
 public:
  /// `peers` and `metrics` must outlive this object; `metrics` counts the calls, nullptr: nobody.
  GrpcPeerCaller(peers::Peers& peers, std::string app_namespace, std::size_t message_bytes_max,
                 const telemetry::GrpcMetrics* metrics)
      : peers_(peers),
        app_namespace_(std::move(app_namespace)),
        message_bytes_max_(message_bytes_max),
        metrics_(metrics) {}

  Task<Result<Reply>> call(placement::Location where, InvocationPtr call) override;
  Task<Result<>> fire(placement::Location where, ReminderPtr reminder) override;

 private:
  Task<Result<std::string>> unary(placement::Location where, std::string_view path,
                                  std::string framed, TraceContext trace);
  Task<Result<std::string>> send(placement::Location where, std::string_view path,
                                 std::string framed, TraceContext trace);

  peers::Peers& peers_;
  std::string app_namespace_;
  std::size_t message_bytes_max_;
  const telemetry::GrpcMetrics* metrics_;
};

/// dapr.proto.internals.v1.Reminder.
[[nodiscard]] std::string encode_reminder(const Reminder& reminder);
/// Code::internal if it is malformed.
[[nodiscard]] Result<Reminder> decode_reminder(const std::string& message);

}  // namespace outrigger::runtime::actors
