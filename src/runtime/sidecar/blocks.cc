#include "runtime/sidecar/blocks.h"

#include "base/log.h"
#include "components/pubsub/registry.h"
#include "components/secretstores/registry.h"
#include "components/state/registry.h"
#include "runtime/sidecar/app_config.h"

namespace outrigger::runtime {
namespace {

const Logger log("dapr.runtime");

/// What becomes of components, as metrics.
class LoadMetrics final : public processor::LoadObserver {
 public:
  explicit LoadMetrics(const telemetry::ServiceMetrics& metrics) : metrics_(metrics) {}
  void initialised(const resources::Component& component) override {
    metrics_.component_loaded();
    metrics_.component_initialized(component.type);
  }
  void failed(const resources::Component& component, std::string_view reason) override {
    metrics_.component_init_failed(component.type, reason, component.name);
  }

 private:
  const telemetry::ServiceMetrics& metrics_;
};

processor::Processor::Settings processor_settings(const Settings& settings) {
  processor::Processor::Settings processor;
  processor.identity = settings.identity;
  processor.environment = process_environment();
  processor.denied = settings.configuration.denied_components;
  processor.strict_wasm_sandbox = settings.configuration.wasm_strict_sandbox;
  return processor;
}

/// One of each loop: services_of(workers, &Worker::state).
template <class Service>
std::vector<Service*> services_of(const std::vector<std::unique_ptr<Worker>>& workers,
                                  Service& (Worker::*get)() noexcept) {
  std::vector<Service*> all;
  for (const auto& worker : workers) all.push_back(&(worker.get()->*get)());
  return all;
}

}  // namespace

Blocks::Blocks(Loops& loops, Shared& shared, const std::vector<std::unique_ptr<Worker>>& workers,
               components::pluggable::Registry pluggable)
    : loops_(loops),
      shared_(shared),
      workers_(workers),
      observer_(std::make_unique<LoadMetrics>(shared.metrics.service)),
      pluggable_(std::move(pluggable)),
      secret_kinds_(pluggable_.secret_stores(components::secretstores::kinds())),
      state_kinds_(pluggable_.state_stores(components::state::kinds())),
      broker_kinds_(pluggable_.brokers(components::pubsub::kinds())),
      processor_(processor_settings(shared.settings), workers[0]->secrets().source(),
                 observer_.get()) {
  const Identity& identity = shared.settings.identity;
  secrets::Loader::Settings secrets;
  secrets.app_id = identity.app_id;
  secrets.app_namespace = identity.app_namespace;
  secrets.kinds = secret_kinds_;
  secrets_ = std::make_unique<secrets::Loader>(loops, services_of(workers, &Worker::secrets),
                                               std::move(secrets));
  make_state_loader();
  make_pubsub_loader();
  make_middleware_loader();
  make_schedulers();
  make_actors();
  processor_.add(*secrets_);
  processor_.add(*state_);
  processor_.add(*pubsub_);
  processor_.add(*middleware_);
}

void Blocks::make_middleware_loader() {
  const Identity& identity = shared_.settings.identity;
  middleware_ = std::make_unique<middleware::Loader>(
      loops_, services_of(workers_, &Worker::middlewares),
      middleware::Loader::Settings{.app_id = identity.app_id,
                                   .app_namespace = identity.app_namespace});
}

// As upstream requests pass without it, which whoever wrote it there should know.
void Blocks::say_missing_middlewares() const {
  const resources::Configuration& configuration = shared_.settings.configuration;
  for (const auto* pipeline : {&configuration.http_pipeline, &configuration.app_http_pipeline}) {
    for (const auto& handler : *pipeline) {
      if (workers_[0]->middlewares().find(handler)) continue;
      log.error("The middleware ", handler.name, " (", handler.type, ") of the configuration ",
                configuration.name, " is not there: requests pass without it");
    }
  }
}

void Blocks::make_state_loader() {
  const Identity& identity = shared_.settings.identity;
  state::Loader::Settings state;
  state.owner = {identity.app_id, identity.own_namespace.value_or("")};
  state.app_namespace = identity.app_namespace;
  if (identity.kubernetes) state.mode = resources::Mode::kubernetes;
  state.kinds = state_kinds_;
  state.actors = !placement_addresses(shared_.settings.options).empty();
  state.on_opened = [this](const resources::Component& component) {
    if (state_->actor_store() == component.name) ++actor_store_opened_;
  };
  state_ = std::make_unique<state::Loader>(loops_, services_of(workers_, &Worker::state),
                                           std::move(state));
}

void Blocks::make_pubsub_loader() {
  const Identity& identity = shared_.settings.identity;
  pubsub::SubscriptionManager::Options manager{loops_,
                                               services_of(workers_, &Worker::subscriber),
                                               identity.app_id,
                                               !shared_.settings.options.app.skip_subscribe_call,
                                               {}};
  subscriptions_ = std::make_unique<pubsub::SubscriptionManager>(std::move(manager));
  pubsub::OutboxReaders::Options readers{loops_, services_of(workers_, &Worker::outbox)};
  outbox_readers_ = std::make_unique<pubsub::OutboxReaders>(std::move(readers));
  pubsub::Loader::Options pubsub{loops_,
                                 broker_kinds_,
                                 services_of(workers_, &Worker::pubsub),
                                 *subscriptions_,
                                 outbox_readers_.get(),
                                 identity.app_id,
                                 identity.app_namespace};
  pubsub_ = std::make_unique<pubsub::Loader>(std::move(pubsub));
}

void Blocks::make_schedulers() {
  scheduler::Cluster::Settings settings;
  settings.addresses = shared_.settings.options.control.scheduler_addresses;
  settings.streams = shared_.settings.options.control.scheduler_streams;
  settings.ready = &shared_.ready;
  settings.tls = control_plane_tls(shared_, "dapr-scheduler");
  schedulers_ = std::make_unique<scheduler::Cluster>(
      loops_, services_of(workers_, &Worker::scheduler), std::move(settings));
}

void Blocks::make_actors() {
  const Identity& identity = shared_.settings.identity;
  const options::ControlPlane& control = shared_.settings.options.control;
  const auto round = std::chrono::duration_cast<Duration>(control.dissemination_timeout);
  auto addresses = placement_addresses(shared_.settings.options);
  if (!addresses.empty()) {
    placement::Options options;
    options.app_id = identity.app_id;
    options.app_namespace = identity.app_namespace;
    options.host_address = announced_address(shared_.settings);
    options.internal_port = identity.internal_port;
    options.addresses = std::move(addresses);
    options.kubernetes = identity.kubernetes;
    options.round_timeout = round;
    options.tls = control_plane_tls(shared_, "dapr-placement");
    options.on_round = [this](const std::vector<std::string>& types) {
      schedulers_->set_actor_types(types);
    };
    options.on_order = [this](std::string_view operation) {
      shared_.actor_metrics.placement_order(operation);
    };
    options.on_report = [this](const Error* failure) {
      if (failure == nullptr) return shared_.actor_metrics.reported_to_placement();
      shared_.actor_metrics.report_to_placement_failed(to_string(failure->code()));
    };
    placement_ = std::make_unique<placement::Client>(
        std::move(options), loops_, services_of(workers_, &Worker::placement), shared_.ready);
  }
  actors_ = std::make_unique<actors::Host>(loops_, services_of(workers_, &Worker::actors),
                                           placement_.get(), actors::Host::Settings{round});
}

Blocks::~Blocks() = default;

Task<Result<>> Blocks::load() {
  const unsigned streams = shared_.settings.options.control.scheduler_streams;
  if (streams < 1) {
    co_return fail(Code::invalid_argument, "must define at least 1 scheduler stream, got 0");
  }
  co_await actors_->connect();
  schedulers_->start();
  log.info("Loading components…");
  auto loaded = co_await processor_.load(shared_.settings.resources.components);
  if (!loaded) {
    co_return fail(loaded.error().code(), "failed to load components: " + loaded.error().message());
  }
  log.info("All outstanding components processed");
  actor_store_ = state_->actor_store();
  actor_store_told_ = actor_store_opened_;
  co_await actors_->start(actor_store_);
  secrets_->warn_of_idle_scopes();
  co_await load_endpoints();
  say_missing_middlewares();
  log.info("Loading Declarative Subscriptions…");
  for (const resources::Subscription& subscription : shared_.settings.resources.subscriptions) {
    log.info("Found Subscription: ", subscription.name);
    auto declared = subscriptions_->declare(subscription);
    if (!declared) {
      co_return fail(declared.error().code(),
                     "failed to load declarative subscriptions: " + declared.error().message());
    }
  }
  shared_.metadata.set_refresh([this] { return refresh_facts(); });
  co_await publish_facts();
  co_return Result<>();
}

// An endpoint that cannot be used answers calls with the reason; upstream then calls none of them.
Task<void> Blocks::load_endpoints() {
  log.info("Loading endpoints…");
  const auto& found = shared_.settings.resources.http_endpoints;
  for (const auto& endpoint : found) log.info("Found http endpoint: ", endpoint.name);
  const auto resolved = co_await processor_.resolve(found);
  const auto endpoints = std::make_shared<const invoke::Endpoints>(
      invoke::Endpoints::make(resolved, workers_[0]->invoke().endpoints()));
  for (const auto& [name, endpoint] : endpoints->all()) {
    if (endpoint.unusable) log.warn("failed to open an HTTP endpoint: ", *endpoint.unusable);
  }
  std::function<void(Worker&)> set = [endpoints](Worker& worker) {
    worker.invoke().set_endpoints(endpoints);
  };
  co_await on_workers(std::move(set));
}

Task<void> Blocks::app_changed(bool healthy) {
  if (!healthy) {
    schedulers_->set_app_ready(false);
    co_await actors_->remove(actors_->app_types());
    co_await subscriptions_->app_unhealthy();
    co_return;
  }
  app::Channel* const app = workers_[0]->app();
  if (app != nullptr && !std::exchange(app_config_asked_, true)) {
    app_config_ = co_await ask_app_config(*app, shared_.settings);
  }
  auto started = co_await subscriptions_->app_healthy();
  if (!started) log.warn("failed to subscribe to topics: ", started.error());
  outbox_read_ = true;
  co_await outbox_readers_->start();
  auto hosted = co_await actors_->add(app_config_, actors::Host::Way::http);
  if (!hosted) log.warn("Failed to register hosted actors: ", hosted.error());
  schedulers_->set_app_ready(true);
}

Task<void> Blocks::limit_events(Duration time) { co_await subscriptions_->limit_drain(time); }

Task<void> Blocks::stop_subscriptions() {
  co_await subscriptions_->shut_down();
  co_await outbox_readers_->shut_down();
}

Task<void> Blocks::stop_work(Duration grace) {
  std::vector<Task<void>> all;
  all.push_back(schedulers_->stop_triggers(grace));
  all.push_back(stop_subscriptions());
  co_await run_all(std::move(all));
  co_await changing_.join();
  co_await actors_->close();
}

Task<void> Blocks::close() {
  co_await schedulers_->close();
  co_await processor_.close();
}

}  // namespace outrigger::runtime
