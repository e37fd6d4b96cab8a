#pragma once

#include <span>
#include <string>

namespace outrigger::control::placement {

/// The placement service: tells the sidecars of each namespace where actors live. Returns the exit
/// code.
int serve(std::span<const std::string> arguments);

}  // namespace outrigger::control::placement
