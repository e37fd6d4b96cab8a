#include "runtime/processor/processor.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/log.h"
#include "base/uuid.h"
#include "resources/templates.h"

namespace outrigger::runtime::processor {
namespace {

const Logger log("dapr.runtime.processor");

bool same_text(std::string_view a, std::string_view b) {
  return std::ranges::equal(
      a, b, [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

/// Whether the Configuration's word about WebAssembly makes another component of it.
bool is_sandboxed(const resources::Component& component) {
  resources::Component strict = component;
  resources::enforce_strict_sandbox(strict);
  return !(strict == component);
}

Error init_error(std::string_view kind, const resources::Component& component,
                 const std::string& why) {
  return {Code::failed_precondition, "[" + std::string(kind) +
                                         "]: initialization error occurred for " +
                                         component.log_name() + ": " + why};
}

}  // namespace

struct Processor::Impl {
  Impl(Settings given, SecretSource source, LoadObserver* watching)
      : settings(std::move(given)), secrets(std::move(source)), observer(watching) {}

  Settings settings;
  SecretSource secrets;
  LoadObserver* observer;
  std::vector<ComponentLoader*> loaders;
  std::vector<LoadedComponent> loaded;
  /// What the secrets of those that are open were.
  std::map<std::string, resources::Secrets> secrets_of;
  /// For a secret store, or for another component to go.
  std::vector<resources::Component> waiting;
  std::vector<resources::Component> denied;
  /// With ignoreErrors.
  std::vector<resources::Component> failed;
  bool started = false;
  /// What is out of use, while its calls end.
  Scope closing;

  ComponentLoader* loader_of(const resources::Component& component) {
    for (ComponentLoader* loader : loaders) {
      if (loader->category() == component.category()) return loader;
    }
    return nullptr;
  }
  bool is_denied(const resources::Component& component) const {
    const std::string version = component.version.empty() ? "v1" : component.version;
    return std::ranges::any_of(settings.denied, [&](const std::string& rule) {
      return same_text(rule, component.type) || same_text(rule, component.type + "/" + version);
    });
  }
  std::string store_of(const std::string& secret_store) const {
    return resources::secret_store_or_default(secret_store, settings.identity.kubernetes
                                                                ? resources::Mode::kubernetes
                                                                : resources::Mode::standalone);
  }
  LoadedComponent* find(const std::string& name) {
    const auto found = std::ranges::find_if(
        loaded, [&](const LoadedComponent& component) { return component.spec.name == name; });
    return found == loaded.end() ? nullptr : &*found;
  }
  bool has_store(const std::string& name) {
    const LoadedComponent* found = find(name);
    return found != nullptr && found->spec.category() == "secretstores";
  }
  /// The secret store that must be there first; "" if none.
  std::string awaited_store(const resources::Component& component) {
    if (resources::secret_names(component.metadata).empty()) return {};
    std::string store = store_of(component.secret_store);
    return has_store(store) ? std::string() : store;
  }
  bool must_wait(const resources::Component& component) {
    // Rules may have changed since it began to wait: it is told at once.
    if (is_denied(component)) return false;
    if (!awaited_store(component).empty()) return true;
    ComponentLoader* const loader = loader_of(component);
    return started && loader != nullptr && loader->refuses(component).has_value();
  }
  void forget(const std::string& name) {
    for (auto* list : {&waiting, &denied, &failed}) {
      std::erase_if(*list, [&](const resources::Component& each) { return each.name == name; });
    }
  }
  void put(resources::Component spec, std::vector<std::string> capabilities,
           resources::Secrets used) {
    secrets_of[spec.name] = std::move(used);
    if (LoadedComponent* const found = find(spec.name)) {
      *found = {std::move(spec), std::move(capabilities)};
    } else {
      loaded.push_back({std::move(spec), std::move(capabilities)});
    }
  }
  void close_later(Closing task) {
    if (task) closing.spawn(*std::move(task));
  }

  struct Fetched {
    resources::Secrets secrets;
    bool complete = true;
  };
  Task<Fetched> fetch(std::string store, std::vector<std::string> names);
  struct ResolvedEndpoint {
    resources::HttpEndpoint spec;
    resources::Secrets secrets;
  };
  /// Those with secrets, as they were resolved the last time.
  std::map<std::string, ResolvedEndpoint> endpoints;
  Task<resources::HttpEndpoint> resolve(resources::HttpEndpoint endpoint, ResolvedEndpoint before);
  Task<resources::Secrets> resolve(resources::Component* component);
  Task<Result<>> open(resources::Component component);
  Task<Result<>> open_unless_ignored(resources::Component component);
  Task<Result<>> open_waiting();
  Task<void> withdraw(std::string name);
  Task<void> withdraw_unless_guard(std::string name);
};

Task<Processor::Impl::Fetched> Processor::Impl::fetch(std::string store,
                                                      std::vector<std::string> names) {
  Fetched found;
  for (const std::string& name : names) {
    auto secret = co_await secrets(store, name);
    if (secret) {
      found.secrets.emplace(name, *std::move(secret));
    } else {
      found.complete = false;
      log.error("Error getting secret: ", secret.error());
    }
  }
  co_return found;
}

/// Puts what its references stand for in. The secrets that it used.
Task<resources::Secrets> Processor::Impl::resolve(resources::Component* component) {
  for (const std::string& name :
       resources::apply_env_refs(component->metadata, settings.environment)) {
    log.warn("component ", component->name, ": the environment variable ", name,
             " may not be read by a component");
  }
  resources::Secrets used;
  if (const auto names = resources::secret_names(component->metadata); !names.empty()) {
    auto fetched = co_await fetch(store_of(component->secret_store), names);
    used = std::move(fetched.secrets);
    resources::apply_secrets(component->metadata, used);
  }
  if (settings.strict_wasm_sandbox) resources::enforce_strict_sandbox(*component);
  co_return used;
}

Task<Result<>> Processor::Impl::open(resources::Component component) {
  ComponentLoader* loader = loader_of(component);
  if (loader == nullptr) {
    co_return fail(Code::invalid_argument, "incorrect type " + component.type);
  }
  resources::Component resolved = component;
  auto used = co_await resolve(&resolved);
  resources::TemplateFacts facts{settings.identity.app_id, settings.identity.pod_name,
                                 settings.identity.own_namespace.value_or(""),
                                 [] { return uuid_v4(); }};
  auto properties = resources::component_properties(resolved, facts);
  if (!properties) {
    co_return fail(init_error("INIT_COMPONENT_FAILURE", component, properties.error().message()));
  }
  if (!loader->knows(component.type, component.version)) {
    const std::string version = component.version.empty() ? "v1" : component.version;
    co_return fail(init_error(
        "CREATE_COMPONENT_FAILURE", component,
        "couldn't find " + std::string(loader->noun()) + " " + component.type + "/" + version));
  }
  components::Metadata metadata;
  metadata.name = component.name;
  metadata.type = component.type;
  metadata.version = component.version;
  for (auto& [name, value] : *properties) metadata.properties[name] = std::move(value);
  auto opening = loader->open(std::move(resolved), std::move(metadata));
  auto opened = co_await with_timeout(std::move(opening),
                                      std::chrono::duration_cast<Duration>(component.init_timeout));
  if (!opened) {
    const bool late = opened.error().code() == Code::deadline_exceeded;
    co_return fail(init_error(
        "INIT_COMPONENT_FAILURE", component,
        late ? "init timeout for component " + component.log_name() : opened.error().message()));
  }
  close_later(std::move(opened->replaced));
  log.info("Component loaded: ", component.log_name());
  put(std::move(component), std::move(opened->capabilities), std::move(used));
  co_return Result<>();
}

Task<Result<>> Processor::Impl::open_unless_ignored(resources::Component component) {
  const resources::Component kept = component;
  log.debug("Loading component: ", component.log_name());
  auto opened = co_await open(std::move(component));
  if (opened) {
    if (observer != nullptr) observer->initialised(kept);
    co_return opened;
  }
  // The sidecar ends: until then what is there is used.
  const Cancellation* const mine = co_await this_cancellation();
  if (mine != nullptr && mine->requested()) co_return opened;
  if (observer != nullptr) observer->failed(kept, "init");
  // If it must not fail the sidecar ends.
  if (kept.ignore_errors) co_await withdraw_unless_guard(kept.name);
  Error error = opened.error();
  if (loader_of(kept) != nullptr) {
    // Upstream says it twice: who initialises it, and who asks for that.
    log.error("Failed to init component ", kept.log_name(), ": ", error);
    error = init_error("INIT_COMPONENT_FAILURE", kept, error.message());
  }
  const std::string message = "process component " + kept.name + " error: " + error.message();
  if (kept.ignore_errors) {
    failed.push_back(kept);
    log.error("Ignoring error processing component: ", message);
    co_return Result<>();
  }
  log.warn("Error processing component, daprd will exit gracefully: ", message);
  co_return fail(opened.error().code(), message);
}

// As long as there is one that need not wait any more: it may be what another waits for.
Task<Result<>> Processor::Impl::open_waiting() {
  for (;;) {
    const auto next = std::ranges::find_if(
        waiting, [this](const resources::Component& each) { return !must_wait(each); });
    if (next == waiting.end()) co_return Result<>();
    resources::Component component = std::move(*next);
    waiting.erase(next);
    if (is_denied(component)) {
      log.warn("component ", component.log_name(), " is denied by the configuration: not loaded");
      denied.push_back(std::move(component));
      continue;
    }
    OUT_CO_CHECK(co_await open_unless_ignored(std::move(component)));
  }
}

/// Nothing if it is not open.
Task<void> Processor::Impl::withdraw(std::string name) {
  const LoadedComponent* const found = find(name);
  if (found == nullptr) co_return;
  ComponentLoader* const loader = loader_of(found->spec);
  std::erase_if(loaded, [&](const LoadedComponent& each) { return each.spec.name == name; });
  secrets_of.erase(name);
  close_later(co_await loader->withdraw(std::move(name)));
}

Task<void> Processor::Impl::withdraw_unless_guard(std::string name) {
  const LoadedComponent* const found = find(name);
  if (found != nullptr && loader_of(found->spec)->guards()) {
    log.warn("The component ", found->spec.log_name(), " goes on as it was, for calls would pass ",
             "without it");
    co_return;
  }
  co_await withdraw(std::move(name));
}

Processor::Processor(Settings settings, SecretSource secrets, LoadObserver* observer)
    : impl_(new Impl(std::move(settings), std::move(secrets), observer)) {}
Processor::~Processor() = default;

void Processor::add(ComponentLoader& loader) { impl_->loaders.push_back(&loader); }

const std::vector<LoadedComponent>& Processor::loaded() const noexcept { return impl_->loaded; }

Task<Result<>> Processor::load(std::vector<resources::Component> components) {
  impl_->waiting = std::move(components);
  OUT_CO_CHECK(co_await impl_->open_waiting());
  for (const resources::Component& component : impl_->waiting) {
    log.warn("component ", component.log_name(), " waits for the secret store ",
             impl_->awaited_store(component), ", which is not loaded");
  }
  impl_->started = true;
  co_return Result<>();
}

Task<Result<>> Processor::update(resources::Component component) {
  impl_->forget(component.name);
  const LoadedComponent* const old = impl_->find(component.name);
  if (old != nullptr && old->spec == component) co_return Result<>();
  if (impl_->is_denied(component)) {
    log.warn("Received unauthorized component update, ignored: ", component.log_name());
    co_await impl_->withdraw(component.name);
    impl_->denied.push_back(std::move(component));
    co_return Result<>();
  }
  ComponentLoader* const loader = impl_->loader_of(component);
  if (const auto why = loader == nullptr ? std::nullopt : loader->refuses(component)) {
    log.error("Skipping hot reload of ", component.log_name(), ": ", *why);
    impl_->waiting.push_back(std::move(component));
    co_return Result<>();
  }
  if (old != nullptr) log.info("Closing existing Component to reload: ", old->spec.log_name());
  const bool other_block = old != nullptr && impl_->loader_of(old->spec) != loader;
  log.info("Adding Component for processing: ", component.log_name());
  const std::string shown = component.log_name();
  if (const std::string store = impl_->awaited_store(component); !store.empty()) {
    co_await impl_->withdraw_unless_guard(component.name);
    impl_->waiting.push_back(std::move(component));
    log.info("Component updated: ", shown, ", but it waits for the secret store ", store);
    co_return Result<>();
  }
  if (other_block) co_await impl_->withdraw(component.name);
  OUT_CO_CHECK(co_await impl_->open_unless_ignored(std::move(component)));
  log.info("Component updated: ", shown);
  co_return co_await impl_->open_waiting();
}

Task<Result<>> Processor::remove(std::string name) {
  impl_->forget(name);
  if (const LoadedComponent* const found = impl_->find(name)) {
    log.info("Closing deleted Component: ", found->spec.log_name());
  }
  co_await impl_->withdraw(std::move(name));
  co_return co_await impl_->open_waiting();
}

Task<void> Processor::reopen(std::string name) {
  const LoadedComponent* const found = impl_->find(name);
  if (found == nullptr) co_return;
  const resources::Component component = found->spec;
  const auto opened = co_await impl_->open(component);
  if (opened) co_return;
  if (impl_->observer != nullptr) impl_->observer->failed(component, "init");
  log.error("The component ", component.log_name(),
            " goes on as it was, for it cannot be opened again: ", opened.error());
}

Task<void> Processor::refresh_secrets() {
  std::vector<std::string> changed;
  const auto components = impl_->loaded;
  for (const LoadedComponent& each : components) {
    const auto names = resources::secret_names(each.spec.metadata);
    const std::string store = impl_->store_of(each.spec.secret_store);
    if (names.empty() || !impl_->has_store(store)) continue;
    const auto fetched = co_await impl_->fetch(store, names);
    if (!fetched.complete || fetched.secrets == impl_->secrets_of[each.spec.name]) continue;
    log.info("Secrets of the component ", each.spec.log_name(), " have changed in ", store);
    changed.push_back(each.spec.name);
  }
  for (const std::string& name : changed) co_await reopen(name);
}

Task<Result<>> Processor::set_rules(std::vector<std::string> denied, bool strict_wasm_sandbox) {
  impl_->settings.denied = std::move(denied);
  const bool other_sandbox = std::exchange(impl_->settings.strict_wasm_sandbox,
                                           strict_wasm_sandbox) != strict_wasm_sandbox;
  for (resources::Component& component : std::exchange(impl_->denied, {})) {
    OUT_CO_CHECK(co_await update(std::move(component)));
  }
  const auto components = impl_->loaded;
  for (const LoadedComponent& each : components) {
    if (impl_->is_denied(each.spec)) {
      log.warn("component ", each.spec.log_name(), " is denied by the configuration now: closed");
      co_await impl_->withdraw(each.spec.name);
      impl_->denied.push_back(each.spec);
    } else if (other_sandbox && is_sandboxed(each.spec)) {
      auto opened = co_await impl_->open_unless_ignored(each.spec);
      const auto is_it = [&](const auto& other) { return other.name == each.spec.name; };
      // The old one is not what the rules ask for, whatever passes without it.
      if (!opened || std::ranges::any_of(impl_->failed, is_it)) {
        co_await impl_->withdraw(each.spec.name);
      }
      OUT_CO_CHECK(std::move(opened));
    }
  }
  co_return Result<>();
}

std::vector<resources::Component> Processor::known(Failed failed) const {
  std::vector<resources::Component> all;
  for (const auto* list : {&impl_->waiting, &impl_->denied, &impl_->failed}) {
    if (list == &impl_->failed && failed == Failed::left_out) continue;
    all.insert(all.end(), list->begin(), list->end());
  }
  std::set<std::string_view> newer;
  for (const resources::Component& each : all) newer.insert(each.name);
  std::vector<resources::Component> open;
  for (const LoadedComponent& each : impl_->loaded) {
    if (!newer.contains(each.spec.name)) open.push_back(each.spec);
  }
  all.insert(all.end(), std::make_move_iterator(open.begin()), std::make_move_iterator(open.end()));
  return all;
}

Task<resources::HttpEndpoint> Processor::Impl::resolve(resources::HttpEndpoint endpoint,
                                                       ResolvedEndpoint before) {
  for (const std::string& name :
       resources::apply_env_refs(endpoint.headers, settings.environment)) {
    log.warn("http endpoint ", endpoint.name, ": the environment variable ", name,
             " may not be read by a resource");
  }
  const auto names = resources::secret_names(endpoint);
  if (names.empty()) co_return endpoint;
  auto found = co_await fetch(store_of(endpoint.secret_store), names);
  if (before.spec == endpoint) found.secrets.merge(before.secrets);
  endpoints[endpoint.name] = {endpoint, found.secrets};
  resources::apply_secrets(endpoint, found.secrets);
  co_return endpoint;
}

Task<std::vector<resources::HttpEndpoint>> Processor::resolve(
    std::vector<resources::HttpEndpoint> endpoints) {
  auto before = std::exchange(impl_->endpoints, {});
  std::vector<resources::HttpEndpoint> resolved;
  for (resources::HttpEndpoint& endpoint : endpoints) {
    Impl::ResolvedEndpoint known = std::move(before[endpoint.name]);
    auto one = co_await impl_->resolve(std::move(endpoint), std::move(known));
    resolved.push_back(std::move(one));
  }
  co_return resolved;
}

Task<void> Processor::close() {
  while (!impl_->loaded.empty()) {
    const std::string name = impl_->loaded.back().spec.name;
    co_await impl_->withdraw(name);
    // One after the other: a secret store goes after those that may ask it yet.
    co_await impl_->closing.join();
  }
  co_await impl_->closing.join();
}

}  // namespace outrigger::runtime::processor
