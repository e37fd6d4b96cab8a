#include "runtime/processor/processor.h"

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

Error init_error(std::string_view kind, const resources::Component& component,
                 const std::string& why) {
  return {Code::failed_precondition, "[" + std::string(kind) +
                                         "]: initialization error occurred for " +
                                         component.log_name() + ": " + why};
}

}  // namespace

struct Processor::Impl {
  Settings settings;
  SecretSource secrets;
  LoadObserver* observer;
  std::vector<ComponentLoader*> loaders;
  std::vector<LoadedComponent> loaded;

  ComponentLoader* loader_of(const resources::Component& component) {
    for (ComponentLoader* loader : loaders) {
      if (loader->category() == component.category()) return loader;
    }
    return nullptr;
  }
  bool denied(const resources::Component& component) const {
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
  bool has_store(const std::string& name) const {
    return std::ranges::any_of(loaded, [&](const LoadedComponent& component) {
      return component.spec.name == name && component.spec.category() == "secretstores";
    });
  }
  /// The secret store that must be there first; "" if none.
  std::string awaited_store(const resources::Component& component) const {
    if (resources::secret_names(component.metadata).empty()) return {};
    std::string store = store_of(component.secret_store);
    return has_store(store) ? std::string() : store;
  }

  Task<resources::Secrets> fetch(std::string store, std::vector<std::string> names);
  Task<Result<>> open(resources::Component component);
  Task<Result<>> open_unless_ignored(resources::Component component);
};

Task<resources::Secrets> Processor::Impl::fetch(std::string store, std::vector<std::string> names) {
  resources::Secrets found;
  for (const std::string& name : names) {
    auto secret = co_await secrets(store, name);
    if (secret) {
      found.emplace(name, *std::move(secret));
    } else {
      log.error("Error getting secret: ", secret.error());
    }
  }
  co_return found;
}

Task<Result<>> Processor::Impl::open(resources::Component component) {
  ComponentLoader* loader = loader_of(component);
  if (loader == nullptr) {
    co_return fail(Code::invalid_argument, "incorrect type " + component.type);
  }
  for (const std::string& name :
       resources::apply_env_refs(component.metadata, settings.environment)) {
    log.warn("component ", component.name, ": the environment variable ", name,
             " may not be read by a component");
  }
  if (const auto names = resources::secret_names(component.metadata); !names.empty()) {
    const auto found = co_await fetch(store_of(component.secret_store), names);
    resources::apply_secrets(component.metadata, found);
  }
  if (settings.strict_wasm_sandbox) resources::enforce_strict_sandbox(component);
  resources::TemplateFacts facts{settings.identity.app_id, settings.identity.pod_name,
                                 settings.identity.own_namespace.value_or(""),
                                 [] { return uuid_v4(); }};
  auto properties = resources::component_properties(component, facts);
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
  auto opening = loader->open(component, std::move(metadata));
  auto opened = co_await with_timeout(std::move(opening),
                                      std::chrono::duration_cast<Duration>(component.init_timeout));
  if (!opened) {
    const bool late = opened.error().code() == Code::deadline_exceeded;
    co_return fail(init_error(
        "INIT_COMPONENT_FAILURE", component,
        late ? "init timeout for component " + component.log_name() : opened.error().message()));
  }
  log.info("Component loaded: ", component.log_name());
  loaded.push_back({std::move(component), *std::move(opened)});
  co_return Result<>();
}

Task<Result<>> Processor::Impl::open_unless_ignored(resources::Component component) {
  const bool ignore = component.ignore_errors;
  const resources::Component kept = component;
  log.debug("Loading component: ", component.log_name());
  auto opened = co_await open(std::move(component));
  if (opened) {
    if (observer != nullptr) observer->initialised(kept);
    co_return opened;
  }
  if (observer != nullptr) observer->failed(kept, "init");
  const std::string message =
      "process component " + kept.name + " error: " + opened.error().message();
  if (ignore) {
    log.error("Ignoring error processing component: ", message);
    co_return Result<>();
  }
  log.warn("Error processing component, daprd will exit gracefully: ", message);
  co_return fail(opened.error().code(), message);
}

Processor::Processor(Settings settings, SecretSource secrets, LoadObserver* observer)
    : impl_(new Impl{std::move(settings), std::move(secrets), observer, {}, {}}) {}
Processor::~Processor() = default;

void Processor::add(ComponentLoader& loader) { impl_->loaders.push_back(&loader); }

const std::vector<LoadedComponent>& Processor::loaded() const noexcept { return impl_->loaded; }

Task<Result<>> Processor::load(std::vector<resources::Component> components) {
  std::vector<resources::Component> waiting = std::move(components);
  std::erase_if(waiting, [this](const resources::Component& component) {
    if (!impl_->denied(component)) return false;
    log.warn("component ", component.log_name(), " is denied by the configuration: not loaded");
    return true;
  });
  for (bool progress = true; progress && !waiting.empty();) {
    progress = false;
    std::vector<resources::Component> still_waiting;
    for (resources::Component& component : waiting) {
      if (!impl_->awaited_store(component).empty()) {
        still_waiting.push_back(std::move(component));
        continue;
      }
      progress = true;
      auto opened = co_await impl_->open_unless_ignored(std::move(component));
      if (!opened) co_return opened;
    }
    waiting = std::move(still_waiting);
  }
  for (const resources::Component& component : waiting) {
    log.warn("component ", component.log_name(), " waits for the secret store ",
             impl_->awaited_store(component), ", which is not loaded");
  }
  co_return Result<>();
}

Task<Result<resources::HttpEndpoint>> Processor::resolve(resources::HttpEndpoint endpoint) {
  for (const std::string& name :
       resources::apply_env_refs(endpoint.headers, impl_->settings.environment)) {
    log.warn("http endpoint ", endpoint.name, ": the environment variable ", name,
             " may not be read by a resource");
  }
  const auto names = resources::secret_names(endpoint);
  if (!names.empty()) {
    const auto found = co_await impl_->fetch(impl_->store_of(endpoint.secret_store), names);
    resources::apply_secrets(endpoint, found);
  }
  co_return endpoint;
}

Task<void> Processor::close() {
  while (!impl_->loaded.empty()) {
    const resources::Component component = std::move(impl_->loaded.back().spec);
    impl_->loaded.pop_back();
    ComponentLoader* loader = impl_->loader_of(component);
    co_await loader->close(component.name);
  }
}

}  // namespace outrigger::runtime::processor
