#include "runtime/secrets/loader.h"

#include "base/log.h"

namespace outrigger::runtime::secrets {
namespace {

const Logger log("dapr.runtime.compstore");

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
  std::function<std::shared_ptr<OpenStore>(unsigned)> add = [&](unsigned i) {
    return services_[i]->add(std::make_shared<OpenStore>(metadata.name, std::move(instances[i]),
                                                         services_[i]->settings().metrics));
  };
  opened.replaced = co_await processor::replace_on_loops<OpenStore>(&loops_, std::move(add));
  co_return std::move(opened);
}

Task<processor::Closing> Loader::withdraw(std::string name) {
  std::function<std::shared_ptr<OpenStore>(unsigned)> take_out = [&](unsigned i) {
    return services_[i]->take_out(name);
  };
  auto closing = co_await processor::replace_on_loops<OpenStore>(&loops_, std::move(take_out));
  co_return closing;
}

void Loader::warn_of_idle_scopes() const {
  for (const resources::SecretScope& scope : services_.front()->settings().scopes) {
    if (services_.front()->find(scope.store_name)) continue;
    log.warn("Secrets configuration added for '", scope.store_name,
             "', but no matching secret store was found");
  }
}

}  // namespace outrigger::runtime::secrets
