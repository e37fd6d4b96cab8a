#include "runtime/middleware/loader.h"

#include "base/log.h"

namespace outrigger::runtime::middleware {
namespace {

using components::middleware::Middleware;

const Logger log("dapr.middleware.http");

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
  std::function<Store::Handler(unsigned)> add = [&](unsigned i) {
    return stores_[i]->add(std::make_shared<OpenMiddleware>(
        metadata.name, metadata.type, metadata.version, std::move(instances[i])));
  };
  processor::Opened opened;
  opened.replaced = co_await processor::replace_on_loops<OpenMiddleware>(&loops_, std::move(add));
  co_return std::move(opened);
}

Task<processor::Closing> Loader::withdraw(std::string name) {
  std::function<Store::Handler(unsigned)> take_out = [&](unsigned i) {
    return stores_[i]->take_out(name);
  };
  auto closing = co_await processor::replace_on_loops<OpenMiddleware>(&loops_, std::move(take_out));
  co_return closing;
}

}  // namespace outrigger::runtime::middleware
