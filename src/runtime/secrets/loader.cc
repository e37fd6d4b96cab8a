#include "runtime/secrets/loader.h"

#include "base/log.h"

namespace outrigger::runtime::secrets {
namespace {

const Logger log("dapr.runtime.compstore");

using OpenStores = std::vector<std::shared_ptr<OpenStore>>;

Task<void> add_here(Service* service, const std::string* name,
                    std::unique_ptr<stores::SecretStore>* store,
                    std::shared_ptr<OpenStore>* replaced) {
  *replaced = service->add(
      std::make_shared<OpenStore>(*name, std::move(*store), service->settings().metrics));
  co_return;
}

Task<void> take_out_here(Service* service, const std::string* name,
                         std::shared_ptr<OpenStore>* taken) {
  *taken = service->take_out(*name);
  co_return;
}

processor::Closing closing_of(Loops& loops, OpenStores stores) {
  if (!stores.front()) return std::nullopt;
  return processor::close_on_loops(&loops, std::move(stores));
}

}  // namespace

Loader::Loader(Loops& loops, std::vector<Service*> services, Settings settings)
    : loops_(loops), services_(std::move(services)), settings_(std::move(settings)) {
  OUT_ASSERT(services_.size() == loops_.size());
}

bool Loader::knows(std::string_view type, std::string_view version) const {
  return components::find_kind(settings_.kinds, type, version) != nullptr;
}

Task<Result<processor::Opened>> Loader::open(resources::Component, components::Metadata metadata) {
  const auto* kind = components::find_kind(settings_.kinds, metadata.type, metadata.version);
  OUT_ASSERT(kind != nullptr);
  OUT_CO_TRY(auto instances,
             co_await processor::open_on_loops<stores::SecretStore>(
                 loops_, *kind, metadata, settings_.app_id, settings_.app_namespace));
  processor::Opened opened;
  opened.capabilities = stores::features(*instances.front());
  OpenStores replaced(loops_.size());
  std::function<Task<void>(unsigned)> add = [&](unsigned i) {
    return add_here(services_[i], &metadata.name, &instances[i], &replaced[i]);
  };
  // A call that cannot fail, and is made on every loop even if this task is cancelled.
  Cancellation never;
  co_await run_on_all(loops_, std::move(add)).under(never);
  opened.replaced = closing_of(loops_, std::move(replaced));
  co_return std::move(opened);
}

Task<processor::Closing> Loader::withdraw(std::string name) {
  OpenStores taken(loops_.size());
  std::function<Task<void>(unsigned)> take_out = [&](unsigned i) {
    return take_out_here(services_[i], &name, &taken[i]);
  };
  Cancellation never;
  co_await run_on_all(loops_, std::move(take_out)).under(never);
  co_return closing_of(loops_, std::move(taken));
}

void Loader::warn_of_idle_scopes() const {
  for (const resources::SecretScope& scope : services_.front()->settings().scopes) {
    if (services_.front()->find(scope.store_name)) continue;
    log.warn("Secrets configuration added for '", scope.store_name,
             "', but no matching secret store was found");
  }
}

}  // namespace outrigger::runtime::secrets
