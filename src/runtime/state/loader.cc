#include "runtime/state/loader.h"

#include "base/log.h"
#include "base/strings.h"

namespace outrigger::runtime::state {
namespace {

const Logger log("dapr.runtime.processor.state");

std::vector<std::string> capabilities(stores::Store& store) {
  auto names = stores::features(store);
  if (store.traits().etag && store.transactional() != nullptr) names.emplace_back("ACTOR");
  return names;
}

}  // namespace

Loader::Loader(Loops& loops, std::vector<Service*> services, Settings settings)
    : loops_(loops), services_(std::move(services)), settings_(std::move(settings)) {
  OUT_ASSERT(services_.size() == loops_.size());
}

bool Loader::knows(std::string_view type, std::string_view version) const {
  return components::find_kind(settings_.kinds, type, version) != nullptr;
}

Result<bool> Loader::check_actor_store(const components::Metadata& metadata) const {
  if (!settings_.actors || !is_truthy(metadata.find({"actorStateStore"}).value_or(""))) {
    return false;
  }
  if (actor_store_ && *actor_store_ != metadata.name) {
    return fail(Code::failed_precondition,
                "detected duplicate actor state store: " + *actor_store_ + " and " + metadata.name);
  }
  return true;
}

// Whether the item is there counts, for its value may be in a secret.
std::optional<std::string> Loader::refuses(const resources::Component& component) const {
  if (!settings_.actors || !actor_store_ || *actor_store_ == component.name) return std::nullopt;
  if (component.find("actorStateStore") == nullptr) return std::nullopt;
  return *actor_store_ +
         " is already the actor state store, only one actor state store is allowed. The component "
         "will be applied if " +
         *actor_store_ + " is removed";
}

Task<Result<processor::Opened>> Loader::open(resources::Component spec,
                                             components::Metadata metadata) {
  const auto* kind = components::find_kind(settings_.kinds, metadata.type, metadata.version);
  OUT_ASSERT(kind != nullptr);
  // What can be wrong without the store's help comes first, so that nothing is opened in vain.
  OpenStore::Settings settings;
  settings.name = metadata.name;
  settings.properties = metadata.properties;
  OUT_CO_TRY(settings.encryption, encryption_of(spec, settings_.mode));
  OUT_CO_TRY(settings.prefix, KeyPrefix::from(metadata, settings_.owner));
  OUT_CO_TRY(const bool for_actors, check_actor_store(metadata));
  if (for_actors) log.info("Using '", metadata.name, "' as actor state store");
  OUT_CO_TRY(auto instances,
             co_await processor::open_on_loops<stores::Store>(
                 loops_, *kind, metadata, settings_.owner.app_id, settings_.app_namespace));
  processor::Opened opened;
  opened.capabilities = capabilities(*instances.front());
  std::function<std::shared_ptr<OpenStore>(unsigned)> add = [&](unsigned i) {
    return services_[i]->add(std::make_shared<OpenStore>(settings, std::move(instances[i]),
                                                         services_[i]->settings().metrics));
  };
  opened.replaced = co_await processor::replace_on_loops<OpenStore>(&loops_, std::move(add));
  if (for_actors) {
    actor_store_ = metadata.name;
  } else if (actor_store_ == metadata.name) {
    actor_store_.reset();
  }
  if (settings_.on_opened) settings_.on_opened(spec);
  co_return std::move(opened);
}

Task<processor::Closing> Loader::withdraw(std::string name) {
  if (settings_.on_closing) settings_.on_closing(name);
  std::function<std::shared_ptr<OpenStore>(unsigned)> take_out = [&](unsigned i) {
    return services_[i]->take_out(name);
  };
  auto closing = co_await processor::replace_on_loops<OpenStore>(&loops_, std::move(take_out));
  if (actor_store_ == name) actor_store_.reset();
  co_return closing;
}

}  // namespace outrigger::runtime::state
