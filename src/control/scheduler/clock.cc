#include "control/scheduler/clock.h"

#include <cerrno>
#include <cstring>

#include <sys/timerfd.h>
#include <unistd.h>

namespace outrigger::control::scheduler {

Result<> SystemClock::start(Clock::Handler& handler) {
  handler_ = &handler;
  fd_ = ::timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
  if (fd_ < 0) return fail(Code::internal, std::string("no timer: ") + std::strerror(errno));
  return watch_.open(fd_, *this, true, false);
}

void SystemClock::arm(WallTime when) {
  if (fd_ < 0) return;
  // Zero would switch it off; what is past goes off at once.
  const auto nanos = std::max<std::int64_t>(when.time_since_epoch().count(), 1);
  itimerspec spec{};
  spec.it_value.tv_sec = nanos / 1'000'000'000;
  spec.it_value.tv_nsec = nanos % 1'000'000'000;
  constexpr int kFlags = TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET;
  // The clock was set before this, and the descriptor will not tell of it any more: see
  // timerfd_create(2). Not from within: whoever arms is not ready to hear of it.
  if (::timerfd_settime(fd_, kFlags, &spec, nullptr) != 0 && errno == ECANCELED) {
    jump_.start(Duration::zero());
  }
}

void SystemClock::stop() {
  jump_.stop();
  watch_.close();
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

void SystemClock::on_ready(bool, bool) {
  std::uint64_t expirations = 0;
  if (::read(fd_, &expirations, sizeof expirations) == sizeof expirations) {
    handler_->on_time();
  } else if (errno == ECANCELED) {
    handler_->on_jump();
  }
}

}  // namespace outrigger::control::scheduler
