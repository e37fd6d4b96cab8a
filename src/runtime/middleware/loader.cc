#include "runtime/middleware/loader.h"

#include "base/log.h"

namespace outrigger::runtime::middleware {
namespace {

using components::middleware::Middleware;

const Logger log("dapr.middleware.http");

Task<Result<>> add_here(Store* store, components::Metadata metadata,
                        std::unique_ptr<Middleware> made) {
  store->add(metadata.name, metadata.type, metadata.version, std::move(made));
  co_return Result<>();
}

Task<Result<>> remove_here(Store* store, std::string name) {
  // Closed when nothing calls it any more: the servers have stopped by then.
  if (const auto handler = store->remove(name)) co_await handler->close();
  co_return Result<>();
}

}  // namespace

Loader::Loader(Loops& loops, std::vector<Store*> stores, Settings settings)
    : loops_(loops), stores_(std::move(stores)), settings_(std::move(settings)) {
  OUT_ASSERT(stores_.size() == loops_.size());
}

bool Loader::knows(std::string_view type, std::string_view version) const {
  return components::find_kind(settings_.kinds, type, version) != nullptr;
}

Task<Result<std::vector<std::string>>> Loader::open(resources::Component,
                                                    components::Metadata metadata) {
  const auto* kind = components::find_kind(settings_.kinds, metadata.type, metadata.version);
  OUT_ASSERT(kind != nullptr);
  OUT_CO_TRY(auto instances,
             co_await processor::open_on_loops<Middleware>(
                 loops_, *kind, metadata, settings_.app_id, settings_.app_namespace));
  log.info("Adding ", metadata.type, "/", metadata.version, " ", metadata.name, " middleware");
  for (unsigned i = 0; i < loops_.size(); ++i) {
    std::move_only_function<Task<Result<>>()> add = [&, i] {
      return add_here(stores_[i], metadata, std::move(instances[i]));
    };
    [[maybe_unused]] auto added = co_await call_on<void>(loops_[i], std::move(add));
  }
  co_return std::vector<std::string>();
}

Task<void> Loader::close(std::string name) {
  for (unsigned i = 0; i < loops_.size(); ++i) {
    std::move_only_function<Task<Result<>>()> remove = [&, i] {
      return remove_here(stores_[i], name);
    };
    [[maybe_unused]] auto removed = co_await call_on<void>(loops_[i], std::move(remove));
  }
}

}  // namespace outrigger::runtime::middleware
