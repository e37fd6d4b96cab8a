#include "runtime/middleware/loader.h"

#include "base/log.h"

namespace outrigger::runtime::middleware {
namespace {

using components::middleware::Middleware;

const Logger log("dapr.middleware.http");

using OpenMiddlewares = std::vector<std::shared_ptr<OpenMiddleware>>;

Task<void> add_here(Store* store, const components::Metadata* metadata,
                    std::unique_ptr<Middleware>* made, std::shared_ptr<OpenMiddleware>* replaced) {
  *replaced = store->add(std::make_shared<OpenMiddleware>(metadata->name, metadata->type,
                                                          metadata->version, std::move(*made)));
  co_return;
}

Task<void> take_out_here(Store* store, const std::string* name,
                         std::shared_ptr<OpenMiddleware>* taken) {
  *taken = store->take_out(*name);
  co_return;
}

processor::Closing closing_of(Loops& loops, OpenMiddlewares middlewares) {
  if (!middlewares.front()) return std::nullopt;
  return processor::close_on_loops(&loops, std::move(middlewares));
}

}  // namespace

Loader::Loader(Loops& loops, std::vector<Store*> stores, Settings settings)
    : loops_(loops), stores_(std::move(stores)), settings_(std::move(settings)) {
  OUT_ASSERT(stores_.size() == loops_.size());
}

bool Loader::knows(std::string_view type, std::string_view version) const {
  return components::find_kind(settings_.kinds, type, version) != nullptr;
}

Task<Result<processor::Opened>> Loader::open(resources::Component, components::Metadata metadata) {
  const auto* kind = components::find_kind(settings_.kinds, metadata.type, metadata.version);
  OUT_ASSERT(kind != nullptr);
  OUT_CO_TRY(auto instances,
             co_await processor::open_on_loops<Middleware>(
                 loops_, *kind, metadata, settings_.app_id, settings_.app_namespace));
  log.info("Adding ", metadata.type, "/", metadata.version, " ", metadata.name, " middleware");
  OpenMiddlewares replaced(loops_.size());
  std::function<Task<void>(unsigned)> add = [&](unsigned i) {
    return add_here(stores_[i], &metadata, &instances[i], &replaced[i]);
  };
  Cancellation never;
  co_await run_on_all(loops_, std::move(add)).under(never);
  processor::Opened opened;
  opened.replaced = closing_of(loops_, std::move(replaced));
  co_return std::move(opened);
}

Task<processor::Closing> Loader::withdraw(std::string name) {
  OpenMiddlewares taken(loops_.size());
  std::function<Task<void>(unsigned)> take_out = [&](unsigned i) {
    return take_out_here(stores_[i], &name, &taken[i]);
  };
  Cancellation never;
  co_await run_on_all(loops_, std::move(take_out)).under(never);
  co_return closing_of(loops_, std::move(taken));
}

}  // namespace outrigger::runtime::middleware
