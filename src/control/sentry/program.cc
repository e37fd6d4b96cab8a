#include "control/sentry/program.h"

#include "control/sentry/commands.h"
#include "control/sentry/options.h"
#include "control/sentry/service.h"

namespace outrigger::control::sentry {

int serve(std::span<const std::string> arguments) {
  if (!arguments.empty()) {
    if (arguments.front() == "rotate") return rotate(arguments.subspan(1));
    if (arguments.front() == "status") return status(arguments.subspan(1));
  }
  int exit_code = 0;
  auto options = parse_options(arguments, process_environment(), exit_code);
  if (!options) return exit_code;
  Program program;
  program.title = "Dapr Sentry certificate authority";
  program.options = options->common;
  // A signature is a tenth of a millisecond; sidecars ask a few times a day.
  program.loops = 1;
  program.has_own_identity = true;
  program.make = [&options](Host host) {
    return std::make_unique<SentryService>(*options, std::move(host));
  };
  return run(std::move(program));
}

}  // namespace outrigger::control::sentry
