#include "control/scheduler/trouble.h"

#include "base/log.h"

namespace outrigger::control::scheduler {
namespace {

using namespace std::chrono_literals;

const Logger log("dapr.scheduler.server.store");

constexpr Duration kPauseMin = 50ms;
constexpr Duration kPauseMax = 5s;
constexpr Duration kTellEvery = 30s;
constexpr Duration kUnhealthyAfter = 10s;

}  // namespace

Duration Trouble::failed(const Error& error) {
  const TimePoint now = std::chrono::steady_clock::now();
  if (!since_) {
    since_ = now;
    pause_ = kPauseMin;
    told_ = now;
    log.error("The store of jobs fails ", doing_, ", will try until it works: ", error);
  } else {
    pause_ = std::min(pause_ * 2, kPauseMax);
    if (now - told_ >= kTellEvery) {
      told_ = now;
      log.error("The store of jobs has failed ", doing_, " for ",
                std::chrono::duration_cast<std::chrono::seconds>(now - *since_).count(),
                " s: ", error);
    }
  }
  if (!reported_ && now - *since_ >= kUnhealthyAfter) {
    reported_ = true;
    healthy_(false);
  }
  return pause_;
}

void Trouble::worked() {
  if (!since_) return;
  const auto lasted = std::chrono::steady_clock::now() - *since_;
  log.info("The store of jobs works again ", doing_, ", after ",
           std::chrono::duration_cast<std::chrono::milliseconds>(lasted).count(), " ms");
  since_.reset();
  if (reported_) healthy_(true);
  reported_ = false;
}

}  // namespace outrigger::control::scheduler
