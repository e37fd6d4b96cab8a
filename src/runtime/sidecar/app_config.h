#pragma once

#include "runtime/actors/host.h"
#include "runtime/sidecar/settings.h"

namespace outrigger::runtime {

/// Asks the application what it hosts (GET /dapr/config). An application that says nothing, or
/// nothing that can be read, hosts no actors; why is in the log. Applications that speak gRPC are
/// not asked.
[[nodiscard]] Task<actors::AppConfig> ask_app_config(app::Channel& app, const Settings& settings);

}  // namespace outrigger::runtime
