#pragma once

#include <span>
#include <string_view>

#include "components/component.h"
#include "components/nameresolution/resolver.h"

namespace outrigger::components::nameresolution {

/// Every name resolver that this program can open, sorted by type and version.
std::span<const Kind<Resolver>> kinds() noexcept;

/// The resolver that a Configuration names in spec.nameResolution: `component` without its prefix
/// ("mdns"), `version` may be empty. Code::not_found if there is none.
Result<const Kind<Resolver>*> find_resolver(std::string_view component, std::string_view version);

}  // namespace outrigger::components::nameresolution
