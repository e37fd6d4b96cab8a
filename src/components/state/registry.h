#pragma once

#include <span>

#include "components/component.h"
#include "components/state/store.h"

namespace outrigger::components::state {

/// Every state store that this program can open, sorted by type and version.
std::span<const Kind<Store>> kinds() noexcept;

}  // namespace outrigger::components::state
