#pragma once

#include <span>

#include "components/component.h"
#include "components/secretstores/secret_store.h"

namespace outrigger::components::secretstores {

/// Every secret store that this program can open, sorted by type and version.
std::span<const Kind<SecretStore>> kinds() noexcept;

}  // namespace outrigger::components::secretstores
