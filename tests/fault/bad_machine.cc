// A machine that misbehaves, for one process: loaded in front of the C library (LD_PRELOAD), it
// makes writes under a folder fail or wait, and sets the wall clock, timers of the kernel
// included. What it does is said in a file that the test maps as well, see bad_machine.py.

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <unistd.h>

namespace {

struct Control {
  std::atomic<std::uint32_t> error;  // Of every write, an errno; 0: none.
  std::atomic<std::uint32_t> stall;  // Writes and flushes wait as long as it is not 0.
  std::atomic<std::int64_t> shift;   // Nanoseconds that the wall clock is ahead.
  std::atomic<std::uint32_t> set;    // How often the clock was set.
  std::atomic<std::uint32_t> waiting;
  std::atomic<std::uint32_t> refused;
};

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr int kPauseMilliseconds = 5;
constexpr int kTimersMax = 16;

Control* g_control = nullptr;
char g_folder[PATH_MAX];

/// What the C library would do. Not by way of the library: sanitizers ask for the time when nothing
/// can be looked up yet.
template <class... Arguments>
int call(long number, Arguments... arguments) {
  return static_cast<int>(::syscall(number, arguments...));
}

void pause_a_moment() { ::poll(nullptr, 0, kPauseMilliseconds); }
std::int64_t shift() { return g_control == nullptr ? 0 : g_control->shift.load(); }

timespec to_spec(std::int64_t nanos) { return {nanos / kSecond, nanos % kSecond}; }
std::int64_t to_nanos(const timespec& spec) { return spec.tv_sec * kSecond + spec.tv_nsec; }

bool is_ours(int fd) {
  char link[64];
  char path[PATH_MAX];
  std::snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const auto length = ::readlink(link, path, sizeof path - 1);
  if (length <= 0) return false;
  path[length] = '\0';
  return std::strncmp(path, g_folder, std::strlen(g_folder)) == 0;
}

/// Waits as the disk does; false with errno set if it refuses.
bool disk_works(int fd) {
  if (g_control == nullptr || (g_control->stall == 0 && g_control->error == 0)) return true;
  const int saved = errno;
  const bool ours = is_ours(fd);
  if (ours && g_control->stall != 0) {
    ++g_control->waiting;
    while (g_control->stall != 0) pause_a_moment();
    --g_control->waiting;
  }
  const auto error = g_control->error.load();
  errno = saved;
  if (!ours || error == 0) return true;
  ++g_control->refused;
  errno = static_cast<int>(error);
  return false;
}

/// A disk that is full takes the first half of a large piece, and says so.
std::size_t taken_by_full_disk(int fd, std::size_t size) {
  constexpr std::size_t kLarge = 512;
  if (g_control == nullptr || g_control->error == 0 || size < kLarge || !is_ours(fd)) return 0;
  return size / 2;
}

/// A timer on the wall clock as the program set it.
struct Timer {
  int fd = -1;
  bool absolute = false;
  itimerspec spec{};
  std::uint32_t seen = 0;  // Of Control::set.
};
std::mutex g_mutex;
Timer g_timers[kTimersMax];

Timer* find_timer(int fd) {
  for (auto& timer : g_timers) {
    if (timer.fd == fd) return &timer;
  }
  return nullptr;
}

int arm(const Timer& timer, int flags, const itimerspec& spec, itimerspec* old) {
  itimerspec shifted = spec;
  const auto nanos = to_nanos(spec.it_value);
  if (timer.absolute && nanos != 0) {
    shifted.it_value = to_spec(std::max<std::int64_t>(nanos - shift(), 1));
  }
  return call(SYS_timerfd_settime, timer.fd, flags, &shifted, old);
}

/// As the kernel does when the clock is set: what waits for the timer wakes up.
void wake_timers() {
  for (;;) {
    {
      const std::lock_guard lock(g_mutex);
      const auto set = g_control->set.load();
      for (auto& timer : g_timers) {
        if (timer.fd < 0 || !timer.absolute || timer.seen == set) continue;
        itimerspec now{};
        now.it_value.tv_nsec = 1;
        arm(timer, TFD_TIMER_ABSTIME, now, nullptr);
      }
    }
    pause_a_moment();
  }
}

__attribute__((constructor)) void begin() {
  const char* const file = std::getenv("BAD_MACHINE_CONTROL");
  const char* const folder = std::getenv("BAD_MACHINE_FOLDER");
  if (file == nullptr || folder == nullptr) return;
  std::strncpy(g_folder, folder, sizeof g_folder - 1);
  const int fd = ::open(file, O_RDWR | O_CLOEXEC);
  if (fd < 0) std::abort();
  void* const page = ::mmap(nullptr, sizeof(Control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (page == MAP_FAILED) std::abort();
  g_control = static_cast<Control*>(page);
}

}  // namespace

extern "C" {

ssize_t write(int fd, const void* data, size_t size) {
  if (const auto half = taken_by_full_disk(fd, size); half > 0)
    return ::syscall(SYS_write, fd, data, half);
  return disk_works(fd) ? ::syscall(SYS_write, fd, data, size) : -1;
}

ssize_t pwrite64(int fd, const void* data, size_t size, off64_t at) {
  if (const auto half = taken_by_full_disk(fd, size); half > 0)
    return ::syscall(SYS_pwrite64, fd, data, half, at);
  return disk_works(fd) ? ::syscall(SYS_pwrite64, fd, data, size, at) : -1;
}

int fsync(int fd) { return disk_works(fd) ? call(SYS_fsync, fd) : -1; }

int fdatasync(int fd) { return disk_works(fd) ? call(SYS_fdatasync, fd) : -1; }

int clock_gettime(clockid_t clock, timespec* out) noexcept {
  const int result = call(SYS_clock_gettime, clock, out);
  if (result == 0 && clock == CLOCK_REALTIME) *out = to_spec(to_nanos(*out) + shift());
  return result;
}

int gettimeofday(timeval* __restrict out, void* __restrict) noexcept {
  timespec now{};
  if (clock_gettime(CLOCK_REALTIME, &now) != 0) return -1;
  *out = {now.tv_sec, now.tv_nsec / 1000};
  return 0;
}

time_t time(time_t* out) noexcept {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  if (out != nullptr) *out = now.tv_sec;
  return now.tv_sec;
}

int timerfd_create(clockid_t clock, int flags) noexcept {
  const int fd = call(SYS_timerfd_create, clock, flags);
  if (fd < 0 || clock != CLOCK_REALTIME || g_control == nullptr) return fd;
  const std::lock_guard lock(g_mutex);
  static bool watching = false;
  if (!std::exchange(watching, true)) std::thread(wake_timers).detach();
  Timer* const timer = find_timer(-1);
  if (timer == nullptr) std::abort();
  *timer = Timer{.fd = fd, .seen = g_control->set};
  return fd;
}

int timerfd_settime(int fd, int flags, const itimerspec* spec, itimerspec* old) noexcept {
  const std::lock_guard lock(g_mutex);
  Timer* const timer = fd < 0 ? nullptr : find_timer(fd);
  if (timer == nullptr) return call(SYS_timerfd_settime, fd, flags, spec, old);
  timer->absolute = (flags & TFD_TIMER_ABSTIME) != 0;
  timer->spec = *spec;
  const int result = arm(*timer, flags, *spec, old);
  const auto was_set = g_control->set.load();
  const bool cancelled = std::exchange(timer->seen, was_set) != was_set;
  if (result != 0 || !cancelled || (flags & TFD_TIMER_CANCEL_ON_SET) == 0) return result;
  errno = ECANCELED;
  return -1;
}

ssize_t read(int fd, void* data, size_t size) {
  std::unique_lock lock(g_mutex);
  Timer* const timer = fd < 0 ? nullptr : find_timer(fd);
  if (timer == nullptr) {
    lock.unlock();
    return ::syscall(SYS_read, fd, data, size);
  }
  const auto was_set = g_control->set.load();
  const auto result = ::syscall(SYS_read, fd, data, size);
  if (!timer->absolute || std::exchange(timer->seen, was_set) == was_set) return result;
  arm(*timer, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, timer->spec, nullptr);
  errno = ECANCELED;
  return -1;
}

int close(int fd) {
  {
    const std::lock_guard lock(g_mutex);
    if (Timer* const timer = fd < 0 ? nullptr : find_timer(fd)) *timer = Timer{};
  }
  return call(SYS_close, fd);
}

}  // extern "C"
