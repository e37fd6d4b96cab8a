#pragma once

#include "base/loop.h"
#include "base/time_format.h"

namespace outrigger::control::scheduler {

/// The wall clock, and one alarm on it.
class Clock {
 public:
  class Handler {
   public:
    /// The alarm's time has come.
    virtual void on_time() = 0;
    /// The clock was set, forward or back. The alarm is off.
    virtual void on_jump() = 0;

   protected:
    ~Handler() = default;
  };
  virtual ~Clock() = default;
  [[nodiscard]] virtual WallTime now() const = 0;
  /// Calls the handler on the current loop from now on.
  virtual Result<> start(Handler& handler) = 0;
  /// Sets the alarm, instead of any other.
  virtual void arm(WallTime when) = 0;
  virtual void stop() = 0;
};

/// The machine's. An alarm is a timer of the kernel on the wall clock itself, which goes off when
/// the clock shows the time, however it came to show it.
class SystemClock final : public Clock, private FdWatch::Handler {
 public:
  SystemClock() = default;
  ~SystemClock() override { stop(); }
  [[nodiscard]] WallTime now() const override { return wall_now(); }
  Result<> start(Clock::Handler& handler) override;
  void arm(WallTime when) override;
  void stop() override;

 private:
  void on_ready(bool readable, bool writable) override;
  Clock::Handler* handler_ = nullptr;
  FdWatch watch_;
  int fd_ = -1;
  Timer jump_{[this] { handler_->on_jump(); }};
};

}  // namespace outrigger::control::scheduler
