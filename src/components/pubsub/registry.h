#pragma once

#include <span>

#include "components/pubsub/broker.h"

namespace outrigger::components::pubsub {

/// Every broker that this program can open, sorted by type and version.
std::span<const Kind<Broker>> kinds() noexcept;

}  // namespace outrigger::components::pubsub
