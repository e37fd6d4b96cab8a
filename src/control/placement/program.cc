#include "control/placement/program.h"

#include "control/placement/options.h"
#include "control/placement/service.h"

namespace outrigger::control::placement {

int serve(std::span<const std::string> arguments) {
  int exit_code = 0;
  auto options = parse_options(arguments, process_environment(), exit_code);
  if (!options) return exit_code;
  Program program;
  program.title = "Dapr Placement Service";
  program.id = "dapr-placement";
  program.options = options->common;
  // A round is one thing; what it costs is bytes, and one loop sends enough of them.
  program.loops = 1;
  program.make = [&options](Host host) {
    return std::make_unique<PlacementService>(*options, std::move(host));
  };
  return run(std::move(program));
}

}  // namespace outrigger::control::placement
