#pragma once

#include <span>
#include <string>

namespace outrigger::control::sentry {

/// The certificate authority; and, with `rotate` or `status` as the first word, the commands beside
/// it. Returns the exit code.
int serve(std::span<const std::string> arguments);

}  // namespace outrigger::control::sentry
