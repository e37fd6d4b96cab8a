#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <google/protobuf/stubs/logging.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/build_info.h"
#include "base/env.h"
#include "base/log.h"
#include "runtime/options/options.h"
#include "runtime/sidecar/sidecar.h"
#include "runtime/sidecar/wait.h"

namespace outrigger {
namespace {

const Logger log("dapr.runtime");

enum class Outcome : std::uint8_t { ended, restart };

/// The signals that steer the sidecar, as a descriptor. They must be blocked before any thread is
/// started.
int watch_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&set, signal);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  return ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/// Waits for the end of one life of the sidecar, passing signals on.
class Steering {
 public:
  explicit Steering(int signals) : signals_(signals), done_(::eventfd(0, EFD_CLOEXEC)) {}
  ~Steering() { ::close(done_); }

  void ended(std::optional<Error> error) {
    {
      const std::lock_guard lock(mutex_);
      error_ = std::move(error);
    }
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto bytes = ::write(done_, &one, sizeof one);
  }

  /// Until ended() was called.
  Outcome wait(runtime::Sidecar& sidecar) {
    Outcome outcome = Outcome::ended;
    bool stopping = false;
    for (;;) {
      pollfd watched[2] = {{signals_, POLLIN, 0}, {done_, POLLIN, 0}};
      if (::poll(watched, 2, -1) < 0) continue;
      if ((watched[1].revents & POLLIN) != 0) return outcome;
      signalfd_siginfo info{};
      if (::read(signals_, &info, sizeof info) != sizeof info) continue;
      const bool reload = info.ssi_signo == SIGHUP;
      if (!reload && stopping) {
        log.info("Received second signal: exiting now");
        std::_Exit(1);
      }
      log.info(reload ? "Received SIGHUP: restarting the runtime"
                      : "Received signal: shutting down");
      if (!reload) {
        stopping = true;
        outcome = Outcome::ended;
      } else if (!stopping) {
        outcome = Outcome::restart;
      }
      sidecar.stop();
    }
  }

  [[nodiscard]] std::optional<Error> error() const {
    const std::lock_guard lock(mutex_);
    return error_;
  }

 private:
  int signals_;
  int done_;
  mutable std::mutex mutex_;
  std::optional<Error> error_;
};

[[noreturn]] void die(const Error& error) { log.fatal("Fatal error from runtime: ", error); }

int run_sidecar(const options::Options& options) {
  const int signals = watch_signals();
  ::signal(SIGPIPE, SIG_IGN);
  // Hostile messages would fill standard error; what is wrong with them is in our own errors.
  google::protobuf::SetLogHandler(nullptr);
  log.info("Starting Dapr Runtime -- version ", build_version(), " -- commit ", build_commit());
  log.info("Log level set to: ", to_string(options.log.level));
  for (;;) {
    runtime::Sidecar sidecar(options, [](int code) { std::_Exit(code); });
    Steering steering(signals);
    auto started =
        sidecar.start([&](std::optional<Error> error) { steering.ended(std::move(error)); });
    if (!started) die(started.error());
    const Outcome outcome = steering.wait(sidecar);
    sidecar.join();
    if (const auto error = steering.error()) die(*error);
    if (outcome == Outcome::ended) break;
  }
  log.info("Daprd shutdown gracefully");
  return 0;
}

int daprd(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
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
    case options::Action::wait: runtime::wait_for_outbound(line->http_port); return 0;
    case options::Action::run: break;
  }
  if (auto configured = configure_logging(line->log); !configured) {
    std::fprintf(stderr, "%s\n", configured.error().message().c_str());
    return 1;
  }
  if (!line->options) log.fatal(line->options.error());
  return run_sidecar(*line->options);
}

}  // namespace
}  // namespace outrigger

int main(int argc, char** argv) {
  // One program of many names; until the others come, every name is daprd.
  return outrigger::daprd(argc, argv);
}
