#include "runtime/sidecar/worker.h"

#include <unistd.h>

#include "runtime/absent/absent.h"
#include "runtime/api/reflection.h"
#include "runtime/invoke/grpc.h"
#include "runtime/invoke/http.h"
#include "runtime/jobs/grpc.h"
#include "runtime/jobs/http.h"
#include "runtime/pubsub/grpc.h"
#include "runtime/pubsub/http.h"
#include "runtime/secrets/grpc.h"
#include "runtime/secrets/http.h"
#include "runtime/state/grpc.h"
#include "runtime/state/http.h"
#include "security/identity/provider.h"

namespace outrigger::runtime {
namespace {

net::grpc::ServiceOptions service_options(const Settings& settings) {
  net::grpc::ServiceOptions options;
  const std::int64_t limit = settings.options.listen.body_bytes_max;
  options.message_bytes_max = limit <= 0 ? SIZE_MAX / 2 : static_cast<std::size_t>(limit);
  return options;
}

/// TLS with other sidecars, for one loop, which remembers what it was given.
class PeerTls {
 public:
  // Clients choose the names. What is above is asked for with each call.
  static constexpr std::size_t kRememberedMax = 200;

  explicit PeerTls(security::identity::Contexts& contexts) : contexts_(&contexts) {}
  std::shared_ptr<net::TlsContext> operator()(const peers::Target& target) {
    if (const auto space = known_.find(target.app_namespace); space != known_.end()) {
      const auto found = space->second.find(target.app_id);
      if (found != space->second.end()) return found->second;
    }
    auto context = contexts_->client_of_path("/ns/" + target.app_namespace + "/" + target.app_id);
    if (remembered_ < kRememberedMax) {
      ++remembered_;
      known_[target.app_namespace].emplace(target.app_id, context);
    }
    return context;
  }

 private:
  security::identity::Contexts* contexts_;
  std::unordered_map<std::string, std::unordered_map<std::string, std::shared_ptr<net::TlsContext>>>
      known_;
  std::size_t remembered_ = 0;
};

invoke::Service::Settings invoke_settings(const Shared& shared,
                                          const resiliency::Policies& policies) {
  invoke::Service::Settings settings;
  settings.policies = &policies;
  settings.identity = shared.settings.identity;
  settings.metrics = &shared.metrics;
  const std::int64_t limit = shared.settings.options.listen.body_bytes_max;
  settings.body_bytes_max = limit <= 0 ? 0 : static_cast<std::size_t>(limit);
  char host[256] = "";
  ::gethostname(host, sizeof host - 1);
  settings.host_name = host;
  settings.peers.internal_port = shared.settings.identity.internal_port;
  if (shared.contexts != nullptr) settings.peers.tls = PeerTls(*shared.contexts);
  return settings;
}

/// Empty without a list.
invoke::AccessCheck access_check(std::shared_ptr<const access_control::AccessList> list,
                                 const telemetry::ServiceMetrics& metrics) {
  if (list == nullptr) return {};
  return [list = std::move(list), &metrics](const invoke::AccessQuestion& question) {
    access_control::Call call;
    if (question.peer != nullptr) call.identity = question.peer->identity;
    call.operation = question.operation;
    call.verb = invoke::to_string(question.verb);
    call.proxied = question.proxied;
    return list->check(call, metrics);
  };
}

/// Requests on their way through a pipeline.
api::HttpFilter through(middleware::Pipeline& pipeline) {
  return [&pipeline](net::Request request, middleware::Next next) {
    return pipeline.run(std::move(request), std::move(next));
  };
}

secrets::Service::Settings secrets_settings(const Shared& shared,
                                            const resiliency::Policies& policies) {
  secrets::Service::Settings settings;
  settings.policies = &policies;
  settings.app_namespace = shared.settings.identity.app_namespace;
  settings.scopes = shared.live->secret_scopes;
  settings.metrics = &shared.metrics.component;
  return settings;
}

state::Service::Settings state_settings(const Shared& shared,
                                        const resiliency::Policies& policies) {
  state::Service::Settings settings;
  settings.policies = &policies;
  settings.app_id = shared.settings.identity.app_id;
  settings.metrics = &shared.metrics.component;
  return settings;
}

scheduler::Service::Settings scheduler_settings(const Shared& shared) {
  const Identity& identity = shared.settings.identity;
  return {identity.app_id, identity.app_namespace, &shared.metrics.grpc,
          control_plane_tls(shared, "dapr-scheduler")};
}

jobs::Service::Settings jobs_settings(const Shared& shared, const telemetry::Tracer& tracer) {
  const Identity& identity = shared.settings.identity;
  return {identity.app_id, identity.app_namespace, &shared.metrics.component, &tracer};
}

pubsub::Service::Settings pubsub_settings(const Shared& shared, const telemetry::Tracer& tracer,
                                          const resiliency::Policies& policies) {
  pubsub::Service::Settings settings;
  settings.policies = &policies;
  settings.app_id = shared.settings.identity.app_id;
  settings.metrics = &shared.metrics.component;
  settings.tracer = &tracer;
  return settings;
}

actors::Service::Settings actor_settings(Shared& shared, const telemetry::Tracer& tracer,
                                         const resiliency::Policies& policies) {
  actors::Service::Settings settings;
  settings.policies = &policies;
  settings.identity = shared.settings.identity;
  settings.metrics = &shared.metrics;
  settings.actor_metrics = &shared.actor_metrics;
  settings.streams = &shared.actor_streams;
  settings.tracer = &tracer;
  settings.message_bytes_max = service_options(shared.settings).message_bytes_max;
  settings.state_ttl = shared.settings.configuration.feature_enabled("ActorStateTTL");
  settings.enabled = !placement_addresses(shared.settings.options).empty();
  return settings;
}

}  // namespace

std::shared_ptr<net::TlsContext> control_plane_tls(const Shared& shared, std::string_view service) {
  if (shared.contexts == nullptr) return nullptr;
  const options::ControlPlane& control = shared.settings.options.control;
  return shared.contexts->client_of(security::identity::control_plane_id(
      control.trust_domain, control.control_namespace, service));
}

Worker::Worker(Shared& shared, components::nameresolution::Resolver* resolver)
    : shared_(shared),
      http_pipeline_(middlewares_, {}),
      app_pipeline_(middlewares_, {}),
      tracer_(shared.live->tracer),
      policies_(shared.policies),
      invoke_(invoke_settings(shared, policies_)),
      secrets_(secrets_settings(shared, policies_)),
      state_(state_settings(shared, policies_)),
      pubsub_(pubsub_settings(shared, tracer_, policies_)),
      outbox_({pubsub_, outbox_bridge_, shared.settings.identity.app_namespace}),
      subscriber_(pubsub_),
      scheduler_(scheduler_settings(shared)),
      jobs_(jobs_settings(shared, tracer_), scheduler_),
      actors_(actor_settings(shared, tracer_, policies_),
              {placement_, scheduler_, state_, invoke_.peers()}),
      http_(shared.live->http, router_, shared.metrics),
      public_http_(shared.live->public_http, router_, shared.metrics),
      api_gate_(shared.live->api_gate, shared.metrics),
      internal_gate_(shared.live->internal_gate, shared.metrics),
      grpc_api_(service_options(shared.settings)),
      grpc_internal_(service_options(shared.settings)) {
  outbox_bridge_.connect(state_, outbox_);
  state_.set_outbox(outbox_bridge_);
  placement_.set_listener(&actors_.life());
  scheduler_.set_actor_receiver(&actors_);
  invoke_.set_resolver(resolver);
  configure(*shared.live);
  add_routes();
  add_methods();
}

Worker::~Worker() = default;

void Worker::configure(const Live& live) {
  http_.set_settings(live.http);
  public_http_.set_settings(live.public_http);
  api_gate_.set_settings(live.api_gate);
  internal_gate_.set_settings(live.internal_gate);
  invoke_.set_access(access_check(live.access, shared_.metrics.service));
  secrets_.set_scopes(live.secret_scopes);
  tracer_ = live.tracer;
  http_pipeline_.set_handlers(live.http_pipeline);
  app_pipeline_.set_handlers(live.app_http_pipeline);
  // An empty one costs nothing when there is no filter.
  http_.set_filter(http_pipeline_.empty() ? api::HttpFilter() : through(http_pipeline_));
  filter_app();
}

void Worker::filter_app() {
  if (!app_) return;
  app_->set_filter(app_pipeline_.empty() ? app::Channel::Filter() : through(app_pipeline_));
}

void Worker::add_routes() {
  health::add_http_routes(router_, shared_.ready, shared_.outbound_ready,
                          shared_.settings.identity.app_id);
  metadata::add_http_routes(router_, shared_.metadata, shared_.shutdown);
  invoke::add_http_routes(router_, invoke_);
  http_.set_fallback(invoke::make_fallback(invoke_));
  secrets::add_http_routes(router_, secrets_);
  state::add_http_routes(router_, state_);
  pubsub::add_http_routes(router_, pubsub_);
  jobs::add_http_routes(router_, jobs_);
  actors::add_http_routes(router_, actors_);
  absent::add_http_routes(router_);
}

void Worker::add_methods() {
  grpc_api_.set_interceptor(&api_gate_);
  grpc_internal_.set_interceptor(&internal_gate_);
  metadata::add_grpc_methods(grpc_api_, shared_.metadata, shared_.shutdown);
  invoke::add_grpc_methods(grpc_api_, invoke_);
  invoke::add_internal_methods(grpc_internal_, invoke_);
  secrets::add_grpc_methods(grpc_api_, secrets_);
  state::add_grpc_methods(grpc_api_, state_);
  pubsub::add_grpc_methods(grpc_api_, pubsub_, subscriber_);
  jobs::add_grpc_methods(grpc_api_, jobs_);
  actors::add_grpc_methods(grpc_api_, actors_);
  actors::add_internal_methods(grpc_internal_, actors_);
  absent::add_grpc_methods(grpc_api_);
  api::add_reflection(grpc_api_, {"dapr.proto.runtime.v1.Dapr"});
  api::add_reflection(grpc_internal_, {"dapr.proto.internals.v1.ServiceInvocation"});
}

Result<> Worker::open_app() {
  if (shared_.settings.options.app.port == 0) return {};
  auto options = channel_options(shared_.settings.options);
  options.metrics = &shared_.metrics;
  OUT_TRY(app_, app::make_channel(std::move(options), shared_.gate));
  filter_app();
  subscriber_.set_app(app_.get());
  invoke_.set_app(app_.get());
  jobs_.set_app(app_.get());
  actors_.set_app(app_.get());
  return {};
}

Task<void> Worker::close() {
  co_await grpc_api_.drain();
  co_await grpc_internal_.drain();
  co_await outbox_.close();
  co_await scheduler_.close();
  placement_.set_listener(nullptr);
  co_await actors_.close();
  co_await invoke_.close();
  if (app_) co_await app_->close();
}

}  // namespace outrigger::runtime
