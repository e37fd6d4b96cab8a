#include "dapr/proto/runtime/v1/dapr.pb.h"
#include "runtime/metadata/service.h"

namespace outrigger::runtime::metadata {
namespace {

namespace pb = dapr::proto::runtime::v1;

void fill_subscriptions(const Facts& facts, pb::GetMetadataResponse& reply) {
  for (const SubscriptionFacts& facts_of : facts.subscriptions) {
    auto* subscription = reply.add_subscriptions();
    subscription->set_pubsub_name(facts_of.pubsub_name);
    subscription->set_topic(facts_of.topic);
    subscription->set_dead_letter_topic(facts_of.dead_letter_topic);
    subscription->mutable_metadata()->insert(facts_of.metadata.begin(), facts_of.metadata.end());
    auto* rules = subscription->mutable_rules();
    for (const auto& rule : facts_of.rules) {
      auto* one = rules->add_rules();
      one->set_match(rule.match);
      one->set_path(rule.path);
    }
    subscription->set_type(static_cast<pb::PubsubSubscriptionType>(facts_of.type));
  }
}

void fill_app(const AppFacts& facts, pb::AppConnectionProperties& app) {
  app.set_port(facts.port);
  app.set_protocol(facts.protocol);
  app.set_channel_address(facts.channel_address);
  app.set_max_concurrency(facts.concurrency_max);
  if (!facts.health) return;
  auto* health = app.mutable_health();
  health->set_health_check_path(facts.health->path);
  health->set_health_probe_interval(facts.health->interval);
  health->set_health_probe_timeout(facts.health->timeout);
  health->set_health_threshold(facts.health->threshold);
}

void fill_actors(const ActorFacts& facts, pb::GetMetadataResponse& reply) {
  auto& runtime = *reply.mutable_actor_runtime();
  runtime.set_runtime_status(static_cast<pb::ActorRuntime::ActorRuntimeStatus>(facts.runtime));
  runtime.set_host_ready(facts.host_ready);
  runtime.set_placement(facts.placement);
  for (const ActorFacts::Count& count : facts.active) {
    auto* one = runtime.add_active_actors();
    one->set_type(count.type);
    one->set_count(static_cast<std::int32_t>(count.count));
// The place that older clients look at.
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wdeprecated-declarations"
    *reply.add_active_actors_count() = *one;
#pragma clang diagnostic pop
  }
}

Task<Result<std::string>> get_metadata(Service& service) {
  const auto facts = co_await service.current();
  pb::GetMetadataResponse reply;
  reply.set_id(facts->app_id);
  reply.set_runtime_version(facts->runtime_version);
  for (const std::string& feature : facts->enabled_features) reply.add_enabled_features(feature);
  for (const ComponentFacts& component : facts->components) {
    auto* one = reply.add_registered_components();
    one->set_name(component.name);
    one->set_type(component.type);
    one->set_version(component.version);
    for (const std::string& name : component.capabilities) one->add_capabilities(name);
  }
  const auto extended = service.extended();
  reply.mutable_extended_metadata()->insert(extended.begin(), extended.end());
  if (!facts->breakers.empty()) {
    reply.mutable_extended_metadata()->insert(
        {std::string(kBreakers), breakers_json(facts->breakers)});
  }
  fill_subscriptions(*facts, reply);
  for (const std::string& name : facts->http_endpoints) {
    reply.add_http_endpoints()->set_name(name);
  }
  for (const std::string& name : facts->resiliencies) reply.add_resiliencies()->set_name(name);
  fill_app(facts->app, *reply.mutable_app_connection_properties());
  for (const std::string& address : facts->scheduler_addresses) {
    reply.mutable_scheduler()->add_connected_addresses(address);
  }
  fill_actors(facts->actors, reply);
  co_return reply.SerializeAsString();
}

Task<Result<std::string>> set_metadata(Service& service, std::string message) {
  pb::SetMetadataRequest request;
  if (!request.ParseFromString(message)) {
    co_return fail(Code::internal, "grpc: error unmarshalling request: SetMetadataRequest");
  }
  service.set_extended(request.key(), request.value());
  co_return std::string();
}

Task<Result<std::string>> ask_shutdown(const Shutdown& shutdown, net::grpc::Call& call) {
  shutdown(net::iequals(call.value("dapr-force-shutdown"), "true"));
  co_return std::string();
}

}  // namespace

void add_grpc_methods(net::grpc::Service& server, Service& service, Shutdown shutdown) {
  server.unary("/dapr.proto.runtime.v1.Dapr/GetMetadata",
               [&service](net::grpc::Call&, std::string) { return get_metadata(service); });
  server.unary("/dapr.proto.runtime.v1.Dapr/SetMetadata",
               [&service](net::grpc::Call&, std::string message) {
                 return set_metadata(service, std::move(message));
               });
  server.unary("/dapr.proto.runtime.v1.Dapr/Shutdown",
               [shutdown = std::move(shutdown)](net::grpc::Call& call, std::string) {
                 return ask_shutdown(shutdown, call);
               });
}

}  // namespace outrigger::runtime::metadata
