#include "base/loop.h"

#include <atomic>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <mutex>
#include <system_error>

#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace outrigger {
namespace {

thread_local Loop* t_loop = nullptr;

// Descriptors handled in one turn before the flush.
constexpr int kEventsPerTurn = 128;

}  // namespace

/// What other threads reach of a loop; outlives it with whoever keeps a Remote.
struct Loop::Remote::Mail {
  Mail() { OUT_ASSERT(wake >= 0); }
  ~Mail() { ::close(wake); }

  /// False if the loop is no more.
  bool post(std::move_only_function<void()> work) {
    bool first = false;
    {
      const std::lock_guard lock(mutex);
      if (!open) return false;
      first = posted.empty();
      posted.push_back(std::move(work));
    }
    if (!first) return true;  // Whoever came first has rung.
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto bytes = ::write(wake, &one, sizeof one);
    return true;
  }
  std::vector<std::move_only_function<void()>> take() {
    std::uint64_t count = 0;
    [[maybe_unused]] const auto bytes = ::read(wake, &count, sizeof count);
    const std::lock_guard lock(mutex);
    return std::exchange(posted, {});
  }
  /// What is left is dropped by the caller, without the lock.
  std::vector<std::move_only_function<void()>> close() {
    const std::lock_guard lock(mutex);
    open = false;
    return std::exchange(posted, {});
  }

  const int wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  std::mutex mutex;
  bool open = true;
  std::vector<std::move_only_function<void()>> posted;
};

struct Loop::Impl {
  explicit Impl(unsigned index) : index(index) {
    OUT_ASSERT(epoll >= 0);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = nullptr;  // The wake-up descriptor has no watch.
    OUT_ASSERT(epoll_ctl(epoll, EPOLL_CTL_ADD, mail->wake, &event) == 0);
  }
  ~Impl() {
    const auto left = mail->close();
    ::close(epoll);
  }

  unsigned index;
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  const std::shared_ptr<Remote::Mail> mail = std::make_shared<Remote::Mail>();
  TimePoint now = std::chrono::steady_clock::now();
  std::vector<std::coroutine_handle<>> ready;
  std::vector<TurnEnd*> turn_ends;
  std::vector<Timer*> timers;  // A binary heap, earliest first; each timer knows its slot.
  std::array<epoll_event, kEventsPerTurn> events;
  int events_count = 0;
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
  int wait_milliseconds() const {
    if (!ready.empty() || !turn_ends.empty()) return 0;
    if (timers.empty()) return -1;
    const auto left = timers.front()->when_ - std::chrono::steady_clock::now();
    if (left <= Duration::zero()) return 0;
    // Rounded up: waking before the time would spin.
    const auto whole = std::chrono::ceil<std::chrono::milliseconds>(left).count();
    return static_cast<int>(std::min<std::int64_t>(whole, 3'600'000));
  }
  void handle_events() {
    for (int i = 0; i < events_count; ++i) {
      auto* watch = static_cast<FdWatch*>(events[i].data.ptr);
      if (watch == nullptr) continue;  // The wake-up descriptor, or closed in this turn.
      const std::uint32_t bits = events[i].events;
      const bool broken = (bits & (EPOLLERR | EPOLLHUP)) != 0;
      watch->handler_->on_ready(broken || (bits & (EPOLLIN | EPOLLRDHUP)) != 0,
                                broken || (bits & EPOLLOUT) != 0);
    }
    events_count = 0;
  }
  void forget(FdWatch* watch) {
    for (int i = 0; i < events_count; ++i) {
      if (events[i].data.ptr == watch) events[i].data.ptr = nullptr;
    }
  }
  void run_posted() {
    auto work = mail->take();
    for (auto& item : work) item();
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
    events_count = epoll_wait(epoll, events.data(), kEventsPerTurn, wait_milliseconds());
    if (events_count < 0) {
      OUT_ASSERT(errno == EINTR);
      events_count = 0;
    }
    now = std::chrono::steady_clock::now();
    bool woken = false;
    for (int i = 0; i < events_count; ++i) woken = woken || events[i].data.ptr == nullptr;
    handle_events();
    if (woken) run_posted();
    fire_due_timers();
    resume_ready();
    run_turn_ends();
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

void Loop::post(std::move_only_function<void()> work) { impl_->mail->post(std::move(work)); }

bool Loop::Remote::post(std::move_only_function<void()> work) const {
  return mail_->post(std::move(work));
}

Loop::Remote Loop::remote() const noexcept { return Remote(impl_->mail); }

void Loop::schedule(std::coroutine_handle<> coroutine) { impl_->ready.push_back(coroutine); }

void Loop::at_turn_end(TurnEnd& hook) {
  if (hook.requested_) return;
  hook.requested_ = true;
  impl_->turn_ends.push_back(&hook);
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
  impl_->now = std::chrono::steady_clock::now();
  while (!impl_->stopping && !done()) impl_->turn();
  t_loop = outer;
}

void Loop::stop() {
  impl_->stopping = true;
  post([] {});
}

Result<> FdWatch::open(int fd, Handler& handler, bool readable, bool writable) {
  OUT_ASSERT(loop_ == nullptr);
  Loop& loop = Loop::current();
  epoll_event event{};
  event.events = (readable ? EPOLLIN : 0U) | (writable ? EPOLLOUT : 0U);
  event.data.ptr = this;
  if (epoll_ctl(loop.impl_->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
    return fail(Code::internal,
                "cannot watch a file descriptor: " + std::system_category().message(errno));
  }
  loop_ = &loop;
  handler_ = &handler;
  fd_ = fd;
  readable_ = readable;
  writable_ = writable;
  return {};
}

void FdWatch::want(bool readable, bool writable) noexcept {
  if (loop_ == nullptr || (readable == readable_ && writable == writable_)) return;
  readable_ = readable;
  writable_ = writable;
  epoll_event event{};
  event.events = (readable ? EPOLLIN : 0U) | (writable ? EPOLLOUT : 0U);
  event.data.ptr = this;
  OUT_ASSERT(epoll_ctl(loop_->impl_->epoll, EPOLL_CTL_MOD, fd_, &event) == 0);
}

void FdWatch::close() noexcept {
  if (loop_ == nullptr) return;
  epoll_ctl(loop_->impl_->epoll, EPOLL_CTL_DEL, fd_, nullptr);
  loop_->impl_->forget(this);
  loop_ = nullptr;
}

void Timer::start(Duration delay) {
  // Not now(): it is the start of the turn, and a long turn would shorten the delay.
  const TimePoint now = std::chrono::steady_clock::now();
  start_at(delay > TimePoint::max() - now ? TimePoint::max() : now + delay);
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
