#include "runtime/state/loader.h"

#include "base/log.h"
#include "base/strings.h"

namespace outrigger::runtime::state {
namespace {

const Logger log("dapr.runtime.processor.state");

Task<Result<>> add_here(Service* service, OpenStore::Settings settings,
                        std::unique_ptr<stores::Store> store) {
  service->add(std::make_shared<OpenStore>(std::move(settings), std::move(store),
                                           service->settings().metrics));
  co_return Result<>();
}

Task<Result<>> remove_here(Service* service, std::string name) {
  co_await service->remove_store(std::move(name));
  co_return Result<>();
}

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

Result<> Loader::note_actor_store(const components::Metadata& metadata) {
  if (!settings_.actors || !is_truthy(metadata.find({"actorStateStore"}).value_or(""))) return {};
  if (actor_store_ && *actor_store_ != metadata.name) {
    return fail(Code::failed_precondition,
                "detected duplicate actor state store: " + *actor_store_ + " and " + metadata.name);
  }
  actor_store_ = metadata.name;
  log.info("Using '", metadata.name, "' as actor state store");
  return {};
}

Task<Result<std::vector<std::string>>> Loader::open(resources::Component spec,
                                                    components::Metadata metadata) {
  const auto* kind = components::find_kind(settings_.kinds, metadata.type, metadata.version);
  OUT_ASSERT(kind != nullptr);
  // What can be wrong without the store's help comes first, so that nothing is opened in vain.
  OpenStore::Settings settings;
  settings.name = metadata.name;
  settings.properties = metadata.properties;
  OUT_CO_TRY(settings.encryption, encryption_of(spec, settings_.mode));
  OUT_CO_TRY(settings.prefix, KeyPrefix::from(metadata, settings_.owner));
  OUT_CO_CHECK(note_actor_store(metadata));
  auto opened = co_await processor::open_on_loops<stores::Store>(
      loops_, *kind, metadata, settings_.owner.app_id, settings_.app_namespace);
  if (!opened) {
    if (actor_store_ == metadata.name) actor_store_.reset();
    co_return std::unexpected(std::move(opened).error());
  }
  auto names = capabilities(*opened->front());
  co_await hand_out(std::move(settings), *std::move(opened));
  if (settings_.on_opened) settings_.on_opened(spec);
  co_return names;
}

Task<void> Loader::hand_out(OpenStore::Settings settings,
                            std::vector<std::unique_ptr<stores::Store>> instances) {
  for (unsigned i = 0; i < loops_.size(); ++i) {
    std::move_only_function<Task<Result<>>()> add = [&, i] {
      return add_here(services_[i], settings, std::move(instances[i]));
    };
    // A call that cannot fail, and must be made on every loop even if this task is cancelled.
    [[maybe_unused]] auto added = co_await call_on<void>(loops_[i], std::move(add));
  }
}

Task<void> Loader::close(std::string name) {
  if (settings_.on_closing) settings_.on_closing(name);
  co_await take_back(name);
  if (actor_store_ == name) actor_store_.reset();
}

Task<void> Loader::take_back(std::string name) {
  for (unsigned i = 0; i < loops_.size(); ++i) {
    std::move_only_function<Task<Result<>>()> remove = [&, i] {
      return remove_here(services_[i], name);
    };
    [[maybe_unused]] auto removed = co_await call_on<void>(loops_[i], std::move(remove));
  }
}

}  // namespace outrigger::runtime::state
