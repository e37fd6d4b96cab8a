#include "base/lifetime.h"

#include <cstdlib>

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/log.h"

namespace outrigger {
namespace {

const Logger log("dapr.runtime");

}  // namespace

Signals::Signals(Reload reload) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  if (reload == Reload::yes) sigaddset(&set, SIGHUP);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  descriptor_ = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  OUT_ASSERT(descriptor_ >= 0);
}

Signals::~Signals() { ::close(descriptor_); }

Lifetime::Lifetime(const Signals& signals) : signals_(signals), done_(::eventfd(0, EFD_CLOEXEC)) {}

Lifetime::~Lifetime() { ::close(done_); }

void Lifetime::ended(std::optional<Error> error) {
  {
    const std::lock_guard lock(mutex_);
    error_ = std::move(error);
  }
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto bytes = ::write(done_, &one, sizeof one);
}

void Lifetime::wait(const std::function<void(Wish)>& stop) {
  bool stopping = false;
  for (;;) {
    pollfd watched[2] = {{signals_.descriptor(), POLLIN, 0}, {done_, POLLIN, 0}};
    if (::poll(watched, 2, -1) < 0) continue;
    if ((watched[1].revents & POLLIN) != 0) return;
    signalfd_siginfo info{};
    if (::read(signals_.descriptor(), &info, sizeof info) != sizeof info) continue;
    const bool reload = info.ssi_signo == SIGHUP;
    if (!reload && stopping) {
      log.info("Received second signal: exiting now");
      std::_Exit(1);
    }
    log.info(reload ? "Received SIGHUP: restarting the runtime" : "Received signal: shutting down");
    if (!reload) stopping = true;
    stop(reload ? Wish::restart : Wish::end);
  }
}

std::optional<Error> Lifetime::error() const {
  const std::lock_guard lock(mutex_);
  return error_;
}

}  // namespace outrigger
