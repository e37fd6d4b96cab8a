#pragma once

#include <span>
#include <string>

namespace outrigger::control::sentry {

/// `rotate`: asks for a new root, of the sentry that uses the folder. Returns the exit code.
int rotate(std::span<const std::string> arguments);
/// `status`: prints the trust anchors, the issuer and the rotation that runs.
int status(std::span<const std::string> arguments);

}  // namespace outrigger::control::sentry
