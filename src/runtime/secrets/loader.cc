#include "runtime/secrets/loader.h"

#include "base/log.h"

namespace outrigger::runtime::secrets {
namespace {

const Logger log("dapr.runtime.compstore");

Task<Result<>> add_here(Service* service, std::string name,
                        std::unique_ptr<stores::SecretStore> store) {
  service->add(
      std::make_shared<OpenStore>(std::move(name), std::move(store), service->settings().metrics));
  co_return Result<>();
}

Task<Result<>> remove_here(Service* service, std::string name) {
  co_await service->remove_store(std::move(name));
  co_return Result<>();
}

}  // namespace

Loader::Loader(Loops& loops, std::vector<Service*> services, Settings settings)
    : loops_(loops), services_(std::move(services)), settings_(std::move(settings)) {
  OUT_ASSERT(services_.size() == loops_.size());
}

bool Loader::knows(std::string_view type, std::string_view version) const {
  return components::find_kind(settings_.kinds, type, version) != nullptr;
}

Task<Result<std::vector<std::string>>> Loader::open(resources::Component,
                                                    components::Metadata metadata) {
  const auto* kind = components::find_kind(settings_.kinds, metadata.type, metadata.version);
  OUT_ASSERT(kind != nullptr);
  OUT_CO_TRY(auto instances,
             co_await processor::open_on_loops<stores::SecretStore>(
                 loops_, *kind, metadata, settings_.app_id, settings_.app_namespace));
  auto names = stores::features(*instances.front());
  for (unsigned i = 0; i < loops_.size(); ++i) {
    std::move_only_function<Task<Result<>>()> add = [&, i] {
      return add_here(services_[i], metadata.name, std::move(instances[i]));
    };
    // A call that cannot fail, and is made on every loop even if this task is cancelled.
    [[maybe_unused]] auto added = co_await call_on<void>(loops_[i], std::move(add));
  }
  co_return names;
}

Task<void> Loader::close(std::string name) {
  for (unsigned i = 0; i < loops_.size(); ++i) {
    std::move_only_function<Task<Result<>>()> remove = [&, i] {
      return remove_here(services_[i], name);
    };
    [[maybe_unused]] auto removed = co_await call_on<void>(loops_[i], std::move(remove));
  }
}

void Loader::warn_of_idle_scopes() const {
  for (const resources::SecretScope& scope : services_.front()->settings().scopes) {
    if (services_.front()->find(scope.store_name)) continue;
    log.warn("Secrets configuration added for '", scope.store_name,
             "', but no matching secret store was found");
  }
}

}  // namespace outrigger::runtime::secrets
