#pragma once

#include <memory>

#include "components/nameresolution/resolver.h"
#include "net/grpc/server.h"
#include "runtime/actors/service.h"
#include "runtime/api/grpc_gate.h"
#include "runtime/api/http_api.h"
#include "runtime/api/router.h"
#include "runtime/app/channel.h"
#include "runtime/app/gate.h"
#include "runtime/health/health.h"
#include "runtime/invoke/service.h"
#include "runtime/jobs/service.h"
#include "runtime/metadata/service.h"
#include "runtime/middleware/pipeline.h"
#include "runtime/pubsub/outbox.h"
#include "runtime/pubsub/service.h"
#include "runtime/pubsub/subscriber.h"
#include "runtime/resiliency/policies.h"
#include "runtime/scheduler/service.h"
#include "runtime/secrets/service.h"
#include "runtime/security/access_list.h"
#include "runtime/sidecar/live.h"
#include "runtime/sidecar/outbox_bridge.h"
#include "runtime/sidecar/settings.h"
#include "runtime/state/service.h"
#include "runtime/tracing/reporter.h"
#include "security/identity/contexts.h"

namespace outrigger::runtime {

/// What the workers of all loops share. Everything in it is thread-safe or immutable, but for what
/// follows the files: loop 0 changes the settings' resources and configuration, the policies and
/// `live`, of which workers have copies.
struct Shared {
  Shared(Settings loaded, Loops& loops, tracing::Exporters exporters)
      : settings(std::move(loaded)),
        metrics(metrics_options(settings)),
        actor_metrics(metrics.registry()),
        resiliency_metrics(metrics.registry()),
        policies(settings.resources.resiliencies, &resiliency_metrics),
        gate(settings.options.app.concurrency_max),
        reporter(tracing::make_reporter(loops, std::move(exporters), metrics.registry())),
        live(make_live(settings, reporter)) {}

  Settings settings;
  /// Of mutual TLS, once the sidecar has its identity; nullptr without.
  security::identity::Contexts* contexts = nullptr;
  telemetry::RuntimeMetrics metrics;
  actors::ActorMetrics actor_metrics;
  resiliency::Metrics resiliency_metrics;
  resiliency::Policies policies;
  actors::Streams actor_streams;
  app::Gate gate;
  Readiness ready;
  Readiness outbound_ready;
  metadata::Service metadata;
  metadata::Shutdown shutdown;
  /// Begins another life of the sidecar. On loop 0.
  std::function<void()> restart;
  /// nullptr: no spans are exported.
  std::shared_ptr<tracing::Reporter> reporter;
  /// What workers begin with.
  std::shared_ptr<const Live> live;
};

/// TLS with a service of the control plane, "dapr-placement"; nullptr without mutual TLS.
[[nodiscard]] std::shared_ptr<net::TlsContext> control_plane_tls(const Shared& shared,
                                                                 std::string_view service);

/// The services and faces of one loop. Made, used and closed on that loop.
class Worker {
 public:
  /// `resolver`: of this loop; nullptr if there is none. It must live longer.
  Worker(Shared& shared, components::nameresolution::Resolver* resolver);
  /// close() must have ended.
  ~Worker();

  /// Opens the channel to the application, if there is one.
  Result<> open_app();
  Task<void> close();

  /// For calls from now on.
  void configure(const Live& live);
  void set_policies(const resiliency::Policies& policies) { policies_ = policies; }

  [[nodiscard]] app::Channel* app() noexcept { return app_.get(); }
  middleware::Store& middlewares() noexcept { return middlewares_; }
  invoke::Service& invoke() noexcept { return invoke_; }
  secrets::Service& secrets() noexcept { return secrets_; }
  state::Service& state() noexcept { return state_; }
  pubsub::Service& pubsub() noexcept { return pubsub_; }
  pubsub::Subscriber& subscriber() noexcept { return subscriber_; }
  pubsub::Outbox& outbox() noexcept { return outbox_; }
  scheduler::Service& scheduler() noexcept { return scheduler_; }
  placement::Service& placement() noexcept { return placement_; }
  actors::Service& actors() noexcept { return actors_; }
  net::RequestHandler& http() noexcept { return http_; }
  net::RequestHandler& public_http() noexcept { return public_http_; }
  net::RequestHandler& grpc_api() noexcept { return grpc_api_; }
  net::RequestHandler& grpc_internal() noexcept { return grpc_internal_; }

 private:
  void add_routes();
  void add_methods();
  void filter_app();

  Shared& shared_;
  middleware::Store middlewares_;
  middleware::Pipeline http_pipeline_;
  middleware::Pipeline app_pipeline_;
  std::unique_ptr<app::Channel> app_;
  telemetry::Tracer tracer_;
  resiliency::Policies policies_;
  invoke::Service invoke_;
  secrets::Service secrets_;
  OutboxBridge outbox_bridge_;
  state::Service state_;
  pubsub::Service pubsub_;
  pubsub::Outbox outbox_;
  pubsub::Subscriber subscriber_;
  scheduler::Service scheduler_;
  jobs::Service jobs_;
  placement::Service placement_;
  actors::Service actors_;
  api::Router router_;
  api::HttpApi http_;
  api::HttpApi public_http_;
  api::GrpcGate api_gate_;
  api::GrpcGate internal_gate_;
  net::grpc::Service grpc_api_;
  net::grpc::Service grpc_internal_;
};

}  // namespace outrigger::runtime
