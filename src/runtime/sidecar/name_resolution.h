#pragma once

#include <memory>
#include <vector>

#include "components/nameresolution/resolver.h"
#include "runtime/sidecar/settings.h"

namespace outrigger::runtime {

/// The configured name resolver (mDNS by default, Kubernetes in that mode), one object per loop,
/// each on its loop; this sidecar is then known to others. The error is not fatal, as upstream has
/// it: without a resolver only invocations of other apps fail. On loop 0.
Task<Result<std::vector<std::unique_ptr<components::nameresolution::Resolver>>>> open_resolvers(
    Loops& loops, const Settings& settings);
Task<void> close_resolvers(
    Loops& loops, std::vector<std::unique_ptr<components::nameresolution::Resolver>>& resolvers);

}  // namespace outrigger::runtime
