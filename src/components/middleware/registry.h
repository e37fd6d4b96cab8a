#pragma once

#include <span>

#include "components/component.h"
#include "components/middleware/middleware.h"

namespace outrigger::components::middleware {

/// Every HTTP middleware that this program can open, sorted by type and version.
std::span<const Kind<Middleware>> kinds() noexcept;

}  // namespace outrigger::components::middleware
