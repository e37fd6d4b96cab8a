#pragma once

#include <span>
#include <string>

namespace outrigger::runtime {

/// The sidecar as a program: reads its arguments (without the program's name) and the environment,
/// runs until a signal or the shutdown API ends it, and returns the exit code of facts/flags.tsv.
int daprd(std::span<const std::string> arguments);

}  // namespace outrigger::runtime
