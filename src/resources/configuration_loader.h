#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/env.h"
#include "base/result.h"
#include "resources/configuration.h"

namespace outrigger::resources {

/// What load_configuration() makes of a file that is no document of kind Configuration with a spec:
/// one without settings, as upstream, or an Error, for a file in use that is being written.
enum class Blank { allowed, refused };

/// Reads the files of --config in order, each on top of those before: a field that is given wins,
/// lists are replaced whole, null resets. $NAME and ${NAME} in the text are replaced first. Without
/// files: the default configuration. Any file that is missing or wrong is an Error. Blocks on the
/// disk. `warnings` gets what deserves a look.
[[nodiscard]] Result<Configuration> load_configuration(const std::vector<std::string>& paths,
                                                       const Environment& environment,
                                                       std::vector<std::string>& warnings,
                                                       Blank blank = Blank::allowed);

/// A Configuration in the form the operator sends it (JSON of the custom resource).
[[nodiscard]] Result<Configuration> parse_configuration_json(std::string_view json);

/// Takes over OTEL_EXPORTER_OTLP_* variables, as upstream does after loading: nothing happens if an
/// endpoint is configured already.
[[nodiscard]] Result<> apply_tracing_environment(Configuration& configuration,
                                                 const Environment& environment);

}  // namespace outrigger::resources
