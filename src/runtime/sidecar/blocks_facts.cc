#include "base/build_info.h"
#include "base/duration.h"
#include "runtime/sidecar/blocks.h"

/// What the metadata API shows of the blocks.
namespace outrigger::runtime {
namespace {

metadata::AppFacts app_facts(const options::App& app) {
  metadata::AppFacts facts;
  facts.port = app.port;
  facts.protocol = to_string(app.protocol);
  facts.channel_address = app.address;
  facts.concurrency_max = app.concurrency_max;
  if (!app.health_check) return facts;
  metadata::AppFacts::Health health;
  if (options::is_http(app.protocol)) health.path = app.health_check->path;
  health.interval = format_duration(app.health_check->interval);
  health.timeout = format_duration(app.health_check->timeout);
  health.threshold = app.health_check->threshold;
  facts.health = std::move(health);
  return facts;
}

metadata::SubscriptionFacts subscription_facts(const pubsub::Subscription& subscription) {
  using Type = metadata::SubscriptionFacts::Type;
  metadata::SubscriptionFacts facts;
  facts.pubsub_name = subscription.pubsub_name;
  facts.topic = subscription.topic;
  facts.dead_letter_topic = subscription.dead_letter_topic;
  facts.metadata.insert(subscription.metadata.begin(), subscription.metadata.end());
  for (const pubsub::Rule& rule : subscription.rules) {
    facts.rules.push_back({rule.match ? std::string(rule.match->source()) : "", rule.path});
  }
  switch (subscription.origin) {
    case pubsub::SubscriptionOrigin::declarative: facts.type = Type::declarative; break;
    case pubsub::SubscriptionOrigin::programmatic: facts.type = Type::programmatic; break;
    case pubsub::SubscriptionOrigin::streaming: facts.type = Type::streaming; break;
  }
  return facts;
}

metadata::ActorFacts actor_facts(const actors::Host::Status& status) {
  using From = actors::Host::Status::Runtime;
  using To = metadata::ActorFacts::Runtime;
  metadata::ActorFacts facts;
  switch (status.runtime) {
    case From::initializing: facts.runtime = To::initializing; break;
    case From::disabled: facts.runtime = To::disabled; break;
    case From::running: facts.runtime = To::running; break;
  }
  facts.host_ready = status.host_ready;
  facts.placement = status.placement;
  for (const auto& one : status.active) facts.active.push_back({one.type, one.actors});
  return facts;
}

}  // namespace

// The facts are made when they are asked for.
Task<void> Blocks::refresh_facts() {
  std::move_only_function<Task<Result<>>()> make = [this] { return published(*this); };
  [[maybe_unused]] auto done = co_await call_on<void>(loops_[0], std::move(make));
}

Task<Result<>> Blocks::published(Blocks& blocks) {
  co_await blocks.publish_facts();
  co_return Result<>();
}

Task<void> Blocks::publish_facts() {
  const Settings& settings = shared_.settings;
  auto facts = std::make_shared<metadata::Facts>();
  facts->app_id = settings.identity.app_id;
  facts->runtime_version = build_version();
  facts->enabled_features = settings.configuration.enabled_features();
  for (const processor::LoadedComponent& component : processor_.loaded()) {
    facts->components.push_back(
        {component.spec.name, component.spec.type, component.spec.version, component.capabilities});
  }
  const auto subscriptions = co_await subscriptions_->list();
  for (const auto& subscription : subscriptions) {
    facts->subscriptions.push_back(subscription_facts(*subscription));
  }
  for (const auto& endpoint : settings.resources.http_endpoints) {
    facts->http_endpoints.push_back(endpoint.name);
  }
  for (const auto& resiliency : settings.resources.resiliencies) {
    facts->resiliencies.push_back(resiliency.name);
  }
  for (auto& breaker : shared_.policies.breakers()) {
    facts->breakers.push_back({std::move(breaker.target), std::move(breaker.key),
                               std::string(resiliency::to_string(breaker.state))});
  }
  facts->app = app_facts(settings.options.app);
  facts->scheduler_addresses = schedulers_->connected_addresses();
  facts->actors = actor_facts(co_await actors_->status());
  shared_.metadata.publish(std::move(facts));
}

}  // namespace outrigger::runtime
