#include "runtime/sidecar/name_resolution.h"

#include "base/log.h"
#include "components/nameresolution/registry.h"

namespace outrigger::runtime {
namespace {

namespace nr = components::nameresolution;
using Resolvers = std::vector<std::unique_ptr<nr::Resolver>>;

const Logger log("dapr.runtime");

Task<Result<>> open_one(const components::Kind<nr::Resolver>& kind, components::Metadata metadata,
                        components::ComponentContext context, nr::Instance instance,
                        std::unique_ptr<nr::Resolver>& opened) {
  // In its place first: it is closed whatever becomes of it.
  OUT_CO_TRY(opened, kind.make(metadata, context));
  auto ready = co_await opened->init(std::move(instance));
  co_return ready;
}

Task<Result<>> close_one(std::unique_ptr<nr::Resolver>& resolver) {
  if (resolver) co_await resolver->close();
  resolver.reset();
  co_return Result<>();
}

}  // namespace

Task<Result<Resolvers>> open_resolvers(Loops& loops, const Settings& settings) {
  const Identity& identity = settings.identity;
  const auto& configured = settings.configuration.name_resolution;
  std::string name = identity.kubernetes ? "kubernetes" : "mdns";
  components::Metadata metadata;
  if (configured) {
    if (!configured->component.empty()) name = configured->component;
    metadata.version = configured->version;
    metadata.properties.insert(configured->settings.begin(), configured->settings.end());
  }
  metadata.name = name;
  metadata.type = "nameresolution." + name;
  OUT_CO_TRY(const auto* kind, nr::find_resolver(name, metadata.version));
  nr::Instance instance;
  instance.app_id = identity.app_id;
  instance.app_namespace = identity.app_namespace;
  instance.address = announced_address(settings);
  instance.http_port = identity.http_port;
  instance.internal_port = identity.internal_port;
  instance.app_port = identity.app_port;
  Resolvers resolvers(loops.size());
  auto slot = std::make_shared<components::Shared>();
  for (unsigned i = 0; i < loops.size(); ++i) {
    components::ComponentContext context{loops[i], identity.app_id, identity.app_namespace, slot};
    std::move_only_function<Task<Result<>>()> make = [&, context, i] {
      return open_one(*kind, metadata, context, instance, resolvers[i]);
    };
    auto opened = co_await call_on<void>(loops[i], std::move(make));
    if (opened) continue;
    Cancellation never;
    auto closing = close_resolvers(loops, resolvers);
    co_await std::move(closing).under(never);
    co_return std::unexpected(std::move(opened).error());
  }
  log.info("Initialized name resolution to ", name);
  co_return std::move(resolvers);
}

Task<void> close_resolvers(Loops& loops, Resolvers& resolvers) {
  for (unsigned i = 0; i < resolvers.size(); ++i) {
    std::move_only_function<Task<Result<>>()> make = [&resolvers, i] {
      return close_one(resolvers[i]);
    };
    [[maybe_unused]] auto closed = co_await call_on<void>(loops[i], std::move(make));
  }
}

}  // namespace outrigger::runtime
