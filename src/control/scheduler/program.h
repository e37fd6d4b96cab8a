#pragma once

#include <span>
#include <string>

namespace outrigger::control::scheduler {

/// The scheduler service: keeps the jobs and reminders of sidecars and triggers them when they are
/// due. Returns the exit code.
int serve(std::span<const std::string> arguments);

}  // namespace outrigger::control::scheduler
