#pragma once

#include <string>

#include "resources/configuration.h"

namespace outrigger::runtime {

/// spec.metrics as one line of JSON, as upstream logs it.
[[nodiscard]] std::string metrics_text(const resources::Metrics& metrics);

/// How new traces are sampled, in OpenTelemetry's words, as upstream logs it.
[[nodiscard]] std::string sampler_text(const resources::Tracing& tracing);

/// Writes both to the log.
void say_telemetry(const resources::Configuration& configuration);

}  // namespace outrigger::runtime
