#include "base/log.h"
#include "base/strings.h"
#include "runtime/reload/differ.h"
#include "runtime/sidecar/blocks.h"

/// What becomes of files while the sidecar runs.
namespace outrigger::runtime {
namespace {

const Logger log("dapr.runtime.hotreload.reconciler");

constexpr std::string_view kLocalFile = "secretstores.local.file";

Task<void> on_worker(std::shared_ptr<std::function<void(Worker&)>> work, Worker* worker) {
  (*work)(*worker);
  co_return;
}

bool is_middleware(const resources::Component& component) {
  return component.category() == "middleware";
}

template <class T>
bool say_changes(const std::vector<T>& before, const std::vector<T>& now) {
  const auto changes = reload::difference(before, now);
  const auto say = [](const std::vector<T>& list, std::string_view event) {
    for (const T& each : list) log.info("Received ", T::kKind, " ", event, " event: ", each.name);
  };
  say(changes.deleted, "DELETED");
  say(changes.changed, "UPDATED");
  say(changes.created, "CREATED");
  return !changes.empty();
}

Duration poll_interval(const resources::Configuration& configuration) {
  constexpr std::chrono::nanoseconds kNever{0};
  const auto interval = configuration.secrets_poll_interval.value_or(kNever);
  return std::chrono::duration_cast<Duration>(interval);
}

}  // namespace

Task<Result<>> Blocks::follow_files() {
  const Settings& settings = shared_.settings;
  if (!settings.configuration.feature_enabled("HotReload")) {
    log.debug("Hot reloading disabled");
    co_return Result<>();
  }
  log.info(
      "Hot reloading enabled. Daprd will reload 'Component', 'Subscription', 'Configuration', "
      "'HTTPEndpoint' and 'Resiliency' resources when they are added, updated or deleted.");
  reload::Reloader::Options options;
  options.sources.folders = settings.options.resource_paths;
  options.sources.configurations = settings.options.config;
  options.sources.environment = process_environment();
  options.sources.options =
      resources::load_options(settings.identity.app_id, options.sources.environment);
  options.first.resources = settings.resources;
  options.first.configuration = settings.configuration;
  if (const auto interval = settings.options.hot_reload_interval; interval.count() > 0) {
    options.interval = std::chrono::duration_cast<Duration>(interval);
  }
  options.secrets_interval = poll_interval(settings.configuration);
  reloader_ = std::make_unique<reload::Reloader>(std::move(options), *this);
  watch_secret_files();
  auto ended = co_await reloader_->run();
  co_return ended;
}

Task<void> Blocks::apply_at_once(std::shared_ptr<const reload::Snapshot> now) {
  const resources::Resources& files = now->resources;
  auto& before = shared_.settings.resources.configurations;
  const bool as_resource = say_changes(before, files.configurations);
  before = files.configurations;
  co_await apply_resiliencies(files.resiliencies);
  if (now->configuration) co_await apply_configuration(*now->configuration, as_resource);
}

Task<Result<>> Blocks::apply(std::shared_ptr<const reload::Snapshot> now, Cause cause) {
  const resources::Resources& files = now->resources;
  if (now->configuration) {
    OUT_CO_CHECK(co_await apply_rules(*now->configuration));
  }
  // Requests pass without a middleware that is not there: a pipeline names new ones when they are
  // open, and old ones go when it does not name them any more.
  OUT_CO_CHECK(co_await apply_components(files.components, cause));
  if (now->configuration) co_await apply_pipelines(*now->configuration);
  OUT_CO_CHECK(co_await remove_middlewares(files.components));
  co_await apply_endpoints(files.http_endpoints);
  apply_subscriptions(files.subscriptions);
  co_return Result<>();
}

Task<Result<>> Blocks::apply_rules(resources::Configuration now) {
  resources::Configuration& current = shared_.settings.configuration;
  if (now.denied_components == current.denied_components &&
      now.wasm_strict_sandbox == current.wasm_strict_sandbox) {
    co_return Result<>();
  }
  current.denied_components = now.denied_components;
  current.wasm_strict_sandbox = now.wasm_strict_sandbox;
  OUT_CO_CHECK(
      co_await processor_.set_rules(std::move(now.denied_components), now.wasm_strict_sandbox));
  co_await follow_components();
  co_return Result<>();
}

// All but what waits for components: those that are denied, and the middlewares of the pipelines.
Task<void> Blocks::apply_configuration(resources::Configuration now, bool as_resource) {
  resources::Configuration& current = shared_.settings.configuration;
  if (now != configuration_told_.value_or(current)) {
    log.info("Received Configuration UPDATED event: ", now.name);
  }
  configuration_told_ = now;
  now.denied_components = current.denied_components;
  now.wasm_strict_sandbox = current.wasm_strict_sandbox;
  now.http_pipeline = current.http_pipeline;
  now.app_http_pipeline = current.app_http_pipeline;
  if (now == current) co_return;
  if (const auto late = waits_for_restart(current, now); !late.empty()) {
    if (as_resource) {
      log.info("Configuration ", now.name, ": ", join(late, ", "),
               " changed, restarting the runtime");
      co_return shared_.restart();
    }
    log.warn("Of the changes to the configuration these take effect after SIGHUP or a restart: ",
             join(late, ", "));
  }
  current = std::move(now);
  co_await make_live_everywhere();
  secrets_->warn_of_idle_scopes();
  reloader_->set_secrets_interval(poll_interval(current));
}

Task<void> Blocks::apply_pipelines(resources::Configuration now) {
  resources::Configuration& current = shared_.settings.configuration;
  const bool follows_files = now.feature_enabled("HotReload");
  const bool same = now.http_pipeline == current.http_pipeline &&
                    now.app_http_pipeline == current.app_http_pipeline;
  if (!same) {
    current.http_pipeline = std::move(now.http_pipeline);
    current.app_http_pipeline = std::move(now.app_http_pipeline);
    co_await make_live_everywhere();
    say_missing_middlewares();
  }
  if (!follows_files) {
    log.info("Hot reloading disabled: files are not followed any more");
    reloader_->stop();
  }
}

Task<void> Blocks::make_live_everywhere() {
  shared_.live = make_live(shared_.settings, shared_.reporter);
  std::function<void(Worker&)> configure = [live = shared_.live](Worker& worker) {
    worker.configure(*live);
  };
  co_await on_workers(std::move(configure));
}

Task<Result<>> Blocks::apply_components(std::vector<resources::Component> now, Cause cause) {
  using Failed = processor::Processor::Failed;
  // What failed is tried again later, but not at once.
  const auto failed = cause == Cause::start ? Failed::included : Failed::left_out;
  const auto changes = reload::component_changes(processor_.known(failed), now);
  shared_.settings.resources.components = std::move(now);
  if (changes.empty()) co_return Result<>();
  for (const auto& component : changes.deleted) {
    if (is_middleware(component)) continue;
    OUT_CO_CHECK(co_await processor_.remove(component.name));
  }
  for (const auto& component : changes.changed) {
    OUT_CO_CHECK(co_await processor_.update(component));
  }
  for (const auto& component : changes.created) {
    OUT_CO_CHECK(co_await processor_.update(component));
  }
  co_await follow_components();
  co_return Result<>();
}

Task<Result<>> Blocks::remove_middlewares(std::vector<resources::Component> now) {
  const auto known = processor_.known(processor::Processor::Failed::included);
  for (const auto& component : reload::component_changes(known, now).deleted) {
    if (!is_middleware(component)) continue;
    OUT_CO_CHECK(co_await processor_.remove(component.name));
  }
  co_return Result<>();
}

// What stands on the components that are open.
Task<void> Blocks::follow_components() {
  co_await follow_actor_store();
  // State stores may have got an outbox, or another one.
  if (outbox_read_) co_await outbox_readers_->start();
  watch_secret_files();
}

Task<void> Blocks::follow_actor_store() {
  const auto store = state_->actor_store();
  const bool same_name = store == actor_store_;
  const bool opened = std::exchange(actor_store_told_, actor_store_opened_) != actor_store_opened_;
  actor_store_ = store;
  if (!same_name) {
    co_await actors_->set_store(store);
  } else if (store && opened) {
    log.info("Actor state store ", *store, " updated - actor hosting continues");
  }
}

// One that cannot be read by its words, a rule perhaps, leaves the old one in place.
void Blocks::apply_subscriptions(const std::vector<resources::Subscription>& now) {
  auto& before = shared_.settings.resources.subscriptions;
  const auto changes = reload::difference(before, now);
  before = now;
  if (changes.empty()) return;
  for (const auto& subscription : changes.deleted) {
    log.info("Closing deleted Subscription: ", subscription.name);
    subscriptions_->undeclare(subscription.name);
  }
  const auto declare = [this](const resources::Subscription& subscription) {
    log.info("Adding Subscription for processing: ", subscription.name);
    if (const auto declared = subscriptions_->declare(subscription); !declared) {
      log.error("Failed to reload the Subscription ", subscription.name, " (",
                subscription.origin.to_string(), "): ", declared.error());
      return;
    }
    log.info("Subscription updated: ", subscription.name);
  };
  std::ranges::for_each(changes.changed, declare);
  std::ranges::for_each(changes.created, declare);
  // Those that end wait for the events that the application works on: other changes need not.
  changing_.spawn(subscriptions_->apply());
}

Task<void> Blocks::apply_resiliencies(std::vector<resources::Resiliency> now) {
  auto& before = shared_.settings.resources.resiliencies;
  if (!say_changes(before, now)) co_return;
  before = std::move(now);
  const resiliency::Policies policies(before, &shared_.resiliency_metrics, shared_.policies);
  shared_.policies = policies;
  std::function<void(Worker&)> set = [policies](Worker& worker) { worker.set_policies(policies); };
  co_await on_workers(std::move(set));
}

Task<void> Blocks::apply_endpoints(std::vector<resources::HttpEndpoint> now) {
  auto& before = shared_.settings.resources.http_endpoints;
  if (!say_changes(before, now)) co_return;
  before = std::move(now);
  co_await load_endpoints();
}

// The file of a store of secrets in a file: it is read once, when the store is opened.
void Blocks::watch_secret_files() {
  std::vector<std::string> files;
  for (const processor::LoadedComponent& component : processor_.loaded()) {
    if (!equals_fold(component.spec.type, kLocalFile)) continue;
    const resources::NameValue* const file = component.spec.find("secretsFile");
    if (file != nullptr && !file->value.empty()) files.push_back(file->value);
  }
  reloader_->set_secret_files(std::move(files));
}

Task<Result<>> Blocks::secret_files_changed() {
  std::vector<std::string> stores;
  for (const processor::LoadedComponent& component : processor_.loaded()) {
    if (equals_fold(component.spec.type, kLocalFile)) stores.push_back(component.spec.name);
  }
  for (const std::string& store : stores) co_await processor_.reopen(store);
  auto polled = co_await poll_secrets();
  co_return polled;
}

Task<Result<>> Blocks::poll_secrets() {
  co_await processor_.refresh_secrets();
  co_await follow_components();
  const auto has_secrets = [](const resources::HttpEndpoint& endpoint) {
    return !resources::secret_names(endpoint).empty();
  };
  if (std::ranges::any_of(shared_.settings.resources.http_endpoints, has_secrets)) {
    co_await load_endpoints();
  }
  co_return Result<>();
}

// Cannot fail, and is done on every loop even if this task is cancelled.
Task<void> Blocks::on_workers(std::function<void(Worker&)> work) {
  auto shared = std::make_shared<std::function<void(Worker&)>>(std::move(work));
  std::function<Task<void>(unsigned)> on_one = [this, shared](unsigned i) {
    return on_worker(shared, workers_[i].get());
  };
  Cancellation never;
  auto all = run_on_all(loops_, std::move(on_one));
  co_await std::move(all).under(never);
}

}  // namespace outrigger::runtime
