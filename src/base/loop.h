#pragma once

#include <chrono>
#include <coroutine>
#include <cstddef>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "base/task.h"

namespace outrigger {

using Duration = std::chrono::steady_clock::duration;
using TimePoint = std::chrono::steady_clock::time_point;

class FdWatch;
class Timer;

/// One thread's event loop on epoll. It works in turns: the handlers of all descriptors that are
/// ready, posted work and due timers, then every coroutine they woke, then the turn-end hooks
/// (connections flush there, once for the whole turn).
/// All members but post() and stop() belong to the loop's own thread.
class Loop {
 public:
  /// Runs at the end of the turn in which it was requested, once.
  class TurnEnd {
   public:
    virtual void on_turn_end() = 0;

   protected:
    ~TurnEnd() = default;

   private:
    friend class Loop;
    bool requested_ = false;
  };

  explicit Loop(unsigned index = 0);
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  ~Loop();

  /// The loop whose thread this is. It is a mistake to call it elsewhere.
  static Loop& current() noexcept;
  static bool on_a_loop() noexcept;

  [[nodiscard]] unsigned index() const noexcept;
  /// The time at which the present turn began: cheap, monotonic.
  [[nodiscard]] TimePoint now() const noexcept;

  /// Runs `work` on this loop in a later turn. May be called from any thread.
  void post(std::move_only_function<void()> work);
  /// A way to a loop that may be kept longer than the loop. From any thread.
  class Remote {
   public:
    /// post(); false if the loop is no more, and then the work is dropped here.
    bool post(std::move_only_function<void()> work) const;

   private:
    friend class Loop;
    struct Mail;
    explicit Remote(std::shared_ptr<Mail> mail) noexcept : mail_(std::move(mail)) {}
    std::shared_ptr<Mail> mail_;
  };
  [[nodiscard]] Remote remote() const noexcept;
  /// Resumes `coroutine` later in the present turn (or the next, from outside one).
  void schedule(std::coroutine_handle<> coroutine);
  /// Asks for hook.on_turn_end() at the end of this turn. `hook` must live until then or be
  /// withdrawn.
  void at_turn_end(TurnEnd& hook);
  void withdraw(TurnEnd& hook) noexcept;

  /// Runs turns until stop().
  void run();
  /// Runs turns until `done` says so; for tests and the end of a process.
  void run_until(const std::function<bool()>& done);
  /// Makes run() return after the present turn. From any thread.
  void stop();

 private:
  friend class FdWatch;
  friend class Timer;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Calls back while a file descriptor is ready (level-triggered: as long as it stays so, once a
/// turn). The descriptor stays the owner's, who closes it after close() here.
class FdWatch {
 public:
  /// Error and hang-up count as readable and writable: the next call on the descriptor tells.
  class Handler {
   public:
    virtual void on_ready(bool readable, bool writable) = 0;

   protected:
    ~Handler() = default;
  };

  FdWatch() = default;
  FdWatch(const FdWatch&) = delete;
  FdWatch& operator=(const FdWatch&) = delete;
  ~FdWatch() { close(); }

  /// Watches `fd` on the current loop.
  Result<> open(int fd, Handler& handler, bool readable, bool writable);
  /// Changes what is waited for; costs a system call only if it differs.
  void want(bool readable, bool writable) noexcept;
  void close() noexcept;
  [[nodiscard]] bool is_open() const noexcept { return loop_ != nullptr; }

 private:
  friend class Loop;
  Loop* loop_ = nullptr;
  Handler* handler_ = nullptr;
  int fd_ = -1;
  bool readable_ = false;
  bool writable_ = false;
};

/// Calls back once on the loop it was started on, unless stopped or destroyed before. Starting
/// again moves it. Costs O(log timers); no system call unless it is the loop's next one.
class Timer {
 public:
  explicit Timer(std::move_only_function<void()> on_time) : on_time_(std::move(on_time)) {}
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  ~Timer() { stop(); }

  void start(Duration delay);
  void start_at(TimePoint when);
  void stop() noexcept;
  [[nodiscard]] bool running() const noexcept { return slot_ != kIdle; }

 private:
  friend class Loop;
  static constexpr std::size_t kIdle = static_cast<std::size_t>(-1);
  std::move_only_function<void()> on_time_;
  TimePoint when_;
  Loop* loop_ = nullptr;
  std::size_t slot_ = kIdle;
};

/// The process's loops, a thread each. Index 0 also carries what there is one of (listeners,
/// subscriptions without a better home).
class Loops {
 public:
  /// 0 = the CPUs this process may use (affinity and cgroup quota, rounded up).
  explicit Loops(unsigned count);
  ~Loops();
  [[nodiscard]] unsigned size() const noexcept { return static_cast<unsigned>(loops_.size()); }
  Loop& operator[](unsigned index) noexcept { return *loops_[index]; }
  void start();
  /// Stops every loop and joins its thread. Idempotent.
  void stop_and_join();

 private:
  std::vector<std::unique_ptr<Loop>> loops_;
  std::vector<std::thread> threads_;
};

/// The CPUs this process may use: affinity mask, cut by the cgroup's quota; at least 1.
unsigned available_cpus();

}  // namespace outrigger
