#include "base/loop.h"

#include <atomic>
#include <cmath>
#include <cstdio>
#include <fstream>

#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <sched.h>

namespace outrigger {
namespace {

thread_local Loop* t_loop = nullptr;

// Handlers run in one turn before the flush: enough to gather what arrived together, few enough
// to keep the first answer from waiting for the last.
constexpr int kHandlersPerTurn = 16;

}  // namespace

struct Loop::Impl {
  explicit Impl(unsigned index) : index(index), context(1), alarm(context) {}

  unsigned index;
  asio::io_context context;
  asio::steady_timer alarm;
  TimePoint armed_for = TimePoint::max();
  TimePoint now = std::chrono::steady_clock::now();
  std::vector<std::coroutine_handle<>> ready;
  std::vector<TurnEnd*> turn_ends;
  std::vector<Timer*> timers;  // A binary heap, earliest first; each timer knows its slot.
  bool in_turn = false;
  bool wake_posted = false;
  std::atomic<bool> stopping = false;

  void place(std::size_t slot, Timer* timer) {
    timers[slot] = timer;
    timer->slot_ = slot;
  }
  void sift_up(std::size_t slot) {
    Timer* moving = timers[slot];
    while (slot > 0) {
      const std::size_t parent = (slot - 1) / 2;
      if (timers[parent]->when_ <= moving->when_) break;
      place(slot, timers[parent]);
      slot = parent;
    }
    place(slot, moving);
  }
  void sift_down(std::size_t slot) {
    Timer* moving = timers[slot];
    for (;;) {
      std::size_t child = 2 * slot + 1;
      if (child >= timers.size()) break;
      if (child + 1 < timers.size() && timers[child + 1]->when_ < timers[child]->when_) ++child;
      if (moving->when_ <= timers[child]->when_) break;
      place(slot, timers[child]);
      slot = child;
    }
    place(slot, moving);
  }
  void insert(Timer* timer) {
    timers.push_back(timer);
    sift_up(timers.size() - 1);
  }
  void remove(Timer* timer) {
    const std::size_t slot = timer->slot_;
    Timer* last = timers.back();
    timers.pop_back();
    timer->slot_ = Timer::kIdle;
    if (last == timer) return;
    place(slot, last);
    sift_up(slot);
    sift_down(last->slot_);
  }
  void fire_due_timers() {
    while (!timers.empty() && timers.front()->when_ <= now) {
      Timer* timer = timers.front();
      remove(timer);
      timer->on_time_();
    }
  }
  // An alarm that rings too early is harmless, so one is set only for an earlier time.
  void arm() {
    if (timers.empty() || timers.front()->when_ >= armed_for) return;
    armed_for = timers.front()->when_;
    alarm.expires_at(armed_for);
    alarm.async_wait([this](const std::error_code& error) {
      if (error) return;
      armed_for = TimePoint::max();
      now = std::chrono::steady_clock::now();
      fire_due_timers();
    });
  }
  void resume_ready() {
    for (std::size_t i = 0; i < ready.size(); ++i) ready[i].resume();
    ready.clear();
  }
  void run_turn_ends() {
    // A flush may wake coroutines and ask for further hooks: go round until all is quiet.
    while (!turn_ends.empty() || !ready.empty()) {
      for (std::size_t i = 0; i < turn_ends.size(); ++i) {
        TurnEnd* hook = turn_ends[i];
        if (hook == nullptr) continue;
        turn_ends[i] = nullptr;
        hook->requested_ = false;
        hook->on_turn_end();
      }
      turn_ends.clear();
      resume_ready();
    }
  }
  void turn() {
    arm();
    if (context.run_one() == 0) return;
    in_turn = true;
    now = std::chrono::steady_clock::now();
    resume_ready();
    for (int i = 1; i < kHandlersPerTurn && context.poll_one() != 0; ++i) resume_ready();
    fire_due_timers();
    run_turn_ends();
    in_turn = false;
  }
};

Loop::Loop(unsigned index) : impl_(std::make_unique<Impl>(index)) {}
Loop::~Loop() = default;

Loop& Loop::current() noexcept {
  OUT_ASSERT(t_loop != nullptr);
  return *t_loop;
}

bool Loop::on_a_loop() noexcept { return t_loop != nullptr; }
unsigned Loop::index() const noexcept { return impl_->index; }
TimePoint Loop::now() const noexcept { return impl_->now; }
asio::io_context& Loop::context() noexcept { return impl_->context; }

void Loop::post(std::move_only_function<void()> work) {
  asio::post(impl_->context, [work = std::move(work)]() mutable { work(); });
}

void Loop::schedule(std::coroutine_handle<> coroutine) {
  impl_->ready.push_back(coroutine);
  if (impl_->in_turn || impl_->wake_posted) return;
  impl_->wake_posted = true;
  asio::post(impl_->context, [this] { impl_->wake_posted = false; });
}

void Loop::at_turn_end(TurnEnd& hook) {
  if (hook.requested_) return;
  hook.requested_ = true;
  impl_->turn_ends.push_back(&hook);
  if (impl_->in_turn || impl_->wake_posted) return;
  impl_->wake_posted = true;
  asio::post(impl_->context, [this] { impl_->wake_posted = false; });
}

void Loop::withdraw(TurnEnd& hook) noexcept {
  if (!hook.requested_) return;
  hook.requested_ = false;
  for (TurnEnd*& entry : impl_->turn_ends) {
    if (entry == &hook) entry = nullptr;
  }
}

void Loop::run() {
  run_until([] { return false; });
}

void Loop::run_until(const std::function<bool()>& done) {
  Loop* const outer = std::exchange(t_loop, this);
  auto guard = asio::make_work_guard(impl_->context);
  impl_->context.restart();
  impl_->now = std::chrono::steady_clock::now();
  while (!impl_->stopping && !done()) impl_->turn();
  t_loop = outer;
}

void Loop::stop() {
  impl_->stopping = true;
  post([] {});
}

void Timer::start(Duration delay) {
  // Not now(): it is the start of the turn, and a long turn would shorten the delay.
  start_at(std::chrono::steady_clock::now() + delay);
}

void Timer::start_at(TimePoint when) {
  stop();
  loop_ = &Loop::current();
  when_ = when;
  loop_->impl_->insert(this);
}

void Timer::stop() noexcept {
  if (slot_ == kIdle) return;
  loop_->impl_->remove(this);
}

Loops::Loops(unsigned count) {
  if (count == 0) count = available_cpus();
  for (unsigned i = 0; i < count; ++i) loops_.push_back(std::make_unique<Loop>(i));
}

Loops::~Loops() { stop_and_join(); }

void Loops::start() {
  for (auto& loop : loops_) threads_.emplace_back([&loop = *loop] { loop.run(); });
}

void Loops::stop_and_join() {
  for (auto& loop : loops_) loop->stop();
  for (auto& thread : threads_) thread.join();
  threads_.clear();
}

unsigned available_cpus() {
  cpu_set_t set;
  unsigned cpus = std::max(1U, std::thread::hardware_concurrency());
  if (sched_getaffinity(0, sizeof set, &set) == 0) {
    cpus = std::max(1U, static_cast<unsigned>(CPU_COUNT(&set)));
  }
  // cgroup v2: "<quota> <period>" or "max <period>".
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  double quota = 0;
  double period = 0;
  if (file >> quota >> period && quota > 0 && period > 0) {
    cpus = std::min(cpus, std::max(1U, static_cast<unsigned>(std::ceil(quota / period))));
  }
  return cpus;
}

}  // namespace outrigger
