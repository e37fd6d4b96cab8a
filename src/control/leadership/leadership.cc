#include "control/leadership/leadership.h"

#include "base/log.h"
#include "base/scope.h"
#include "control/leadership/tenure.h"

namespace outrigger::control {
namespace {

const Logger log("dapr.control.leadership");

class SoleLeadership final : public Leadership {
 public:
  void start(std::function<void(bool)> changed) override {
    changed_ = std::move(changed);
    timer_.start(Duration::zero());
  }
  bool leads() const override { return leads_; }
  Task<void> close() override {
    timer_.stop();
    leads_ = false;
    co_return;
  }

 private:
  bool leads_ = false;
  std::function<void(bool)> changed_;
  Timer timer_{[this] {
    leads_ = true;
    changed_(true);
  }};
};

class LeasedLeadership final : public Leadership {
 public:
  LeasedLeadership(std::unique_ptr<LeaseStore> store, LeaseTimes times,
                   std::function<TimePoint()> now)
      : store_(std::move(store)),
        times_(times),
        now_(std::move(now)),
        tenure_(times.time_to_live) {}

  void start(std::function<void(bool)> changed) override {
    changed_ = std::move(changed);
    scope_.spawn(stand());
  }

  // Asks the clock itself: a loop that was held up must not lead by what it knew before.
  bool leads() const override { return leads_ && tenure_.runs(now_()); }

  Task<void> close() override {
    scope_.cancel();
    co_await scope_.join();
    expiry_.stop();
    const bool led = leads_;
    leads_ = false;
    if (led) {
      auto released = co_await with_timeout(store_->release(), times_.interval);
      if (!released) log.warn("The leadership could not be given up: ", released.error());
    }
    co_await store_->close();
  }

 private:
  Task<void> stand() {
    for (;;) {
      const TimePoint asked = now_();
      auto ours = co_await with_timeout(store_->acquire(times_.time_to_live), times_.interval);
      if (scope_.cancellation().requested()) co_return;
      if (!ours) say_trouble(ours.error());
      if (ours) settle(*ours, asked);
      auto slept = co_await sleep_for(times_.interval);
      if (!slept) co_return;
    }
  }

  void settle(bool ours, TimePoint asked) {
    if (in_trouble_) log.info("The store of the leader's lease answers again");
    in_trouble_ = false;
    if (!ours) return stand_down("another replica has the lease");
    tenure_.renewed(asked);
    expiry_.start_at(tenure_.until());
    if (leads_) return;
    leads_ = true;
    log.info("This replica leads now");
    changed_(true);
  }

  void stand_down(std::string_view why) {
    expiry_.stop();
    if (!leads_) return;
    leads_ = false;
    log.warn("This replica leads no longer: ", why);
    changed_(false);
  }

  void say_trouble(const Error& error) {
    if (!in_trouble_) log.error("The leader's lease can be neither taken nor renewed: ", error);
    in_trouble_ = true;
  }

  std::unique_ptr<LeaseStore> store_;
  LeaseTimes times_;
  std::function<TimePoint()> now_;
  Tenure tenure_;
  std::function<void(bool)> changed_;
  bool leads_ = false;
  bool in_trouble_ = false;
  Timer expiry_{[this] { stand_down("its lease ran out before it could be renewed"); }};
  Scope scope_;
};

}  // namespace

std::unique_ptr<Leadership> make_sole_leadership() { return std::make_unique<SoleLeadership>(); }

std::unique_ptr<Leadership> make_leased_leadership(std::unique_ptr<LeaseStore> store,
                                                   LeaseTimes times,
                                                   std::function<TimePoint()> now) {
  return std::make_unique<LeasedLeadership>(std::move(store), times, std::move(now));
}

}  // namespace outrigger::control
