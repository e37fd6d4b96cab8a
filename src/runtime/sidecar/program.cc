#include "runtime/sidecar/program.h"

#include <cstdio>
#include <cstdlib>

#include "base/build_info.h"
#include "base/env.h"
#include "base/lifetime.h"
#include "base/log.h"
#include "runtime/options/options.h"
#include "runtime/sidecar/ports.h"
#include "runtime/sidecar/sidecar.h"
#include "runtime/sidecar/wait.h"

namespace outrigger::runtime {
namespace {

const Logger log("dapr.runtime");

[[noreturn]] void die(const Error& error) { log.fatal("Fatal error from runtime: ", error); }

int run_sidecar(const options::Options& options) {
  const Signals signals(Signals::Reload::yes);
  log.info("Starting Dapr Runtime -- version ", build_version(), " -- commit ", build_commit());
  log.info("Log level set to: ", to_string(options.log.level));
  Ports ports;
  // A life that has ended its work does not hear what is asked of it any more.
  bool end = false;
  while (!end) {
    ports.begin_life();
    Sidecar sidecar(options, ports, [](int code) { std::_Exit(code); });
    Lifetime life(signals);
    auto started = sidecar.start([&](std::optional<Error> error) { life.ended(std::move(error)); });
    if (!started) die(started.error());
    life.wait([&](Lifetime::Wish wish) {
      end = end || wish == Lifetime::Wish::end;
      sidecar.stop(wish);
    });
    sidecar.join();
    if (const auto error = life.error()) die(*error);
    end = end || !sidecar.begins_anew();
  }
  log.info("Daprd shutdown gracefully");
  return 0;
}

}  // namespace

int daprd(std::span<const std::string> arguments) {
  auto line = options::parse_command_line(arguments, process_environment());
  if (!line) {
    std::fprintf(stderr, "%s\n", line.error().message().c_str());
    return line.error().tag() == options::kUsageError ? 2 : 1;
  }
  for (const std::string& notice : line->notices) std::fprintf(stderr, "%s\n", notice.c_str());
  switch (line->action) {
    case options::Action::version:
      std::printf("%s\n", std::string(build_version()).c_str());
      return 0;
    case options::Action::build_info:
      std::printf("%s", options::build_info_text().c_str());
      return 0;
    case options::Action::help: std::fprintf(stderr, "%s", line->usage.c_str()); return 0;
    case options::Action::wait: wait_for_outbound(line->http_port); return 0;
    case options::Action::run: break;
  }
  if (auto configured = configure_logging(line->log); !configured) {
    std::fprintf(stderr, "%s\n", configured.error().message().c_str());
    return 1;
  }
  if (!line->options) log.fatal(line->options.error());
  return run_sidecar(*line->options);
}

}  // namespace outrigger::runtime
