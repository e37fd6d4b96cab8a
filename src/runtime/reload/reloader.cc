#include "runtime/reload/reloader.h"

#include <map>
#include <ranges>
#include <set>

#include <sys/stat.h>

#include "base/blocking_pool.h"
#include "base/folder_watch.h"
#include "base/log.h"
#include "base/strings.h"

namespace outrigger::runtime::reload {
namespace {

const Logger log("dapr.runtime.hotreload");

std::string folder_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::vector<std::string> folders_of(const std::vector<std::string>& files) {
  std::vector<std::string> folders;
  for (const std::string& file : files) folders.push_back(folder_of(file));
  return folders;
}

/// Changes with the file.
std::string mark_of(const std::string& path) {
  struct stat about{};
  if (::stat(path.c_str(), &about) != 0) return {};
  std::string mark;
  for (const auto number : {static_cast<long>(about.st_ino), static_cast<long>(about.st_size),
                            about.st_mtim.tv_sec, about.st_mtim.tv_nsec}) {
    mark += std::to_string(number) + " ";
  }
  return mark;
}

/// Tells when one of some files has changed, whatever else happens in their folders.
class FileWatch {
 public:
  FileWatch(Duration quiet, std::move_only_function<void()> changed)
      : quiet_(quiet), changed_(std::move(changed)) {}

  /// These from now on; what is known of those that were watched before stays.
  void set(const std::vector<std::string>& paths) {
    std::map<std::string, std::string> marks;
    for (const std::string& path : paths) {
      const auto known = marks_.find(path);
      marks[path] = known == marks_.end() ? mark_of(path) : known->second;
    }
    const bool same = std::ranges::equal(std::views::keys(marks), std::views::keys(marks_));
    marks_ = std::move(marks);
    if (same) return;
    watch_.reset();
    if (paths.empty()) return;
    watch_ = std::make_unique<FolderWatch>(folders_of(paths), quiet_, [this] { look(); });
  }
  void stop() {
    watch_.reset();
    marks_.clear();
  }

 private:
  void look() {
    bool moved = false;
    for (auto& [path, mark] : marks_) {
      if (std::exchange(mark, mark_of(path)) != mark) moved = true;
    }
    if (moved) changed_();
  }

  const Duration quiet_;
  std::move_only_function<void()> changed_;
  std::map<std::string, std::string> marks_;
  std::unique_ptr<FolderWatch> watch_;
};

// Longer intervals are this one: a clock of nanoseconds holds no more than some centuries.
constexpr Duration kIntervalMax = std::chrono::hours(24 * 365);

}  // namespace

struct Reloader::Impl {
  Impl(Options given, Target& made) : options(std::move(given)), target(made) {
    current = std::make_shared<const Snapshot>(std::move(options.first));
    for (const auto& notice : current->resources.notices) said.insert(notice.message);
  }

  Options options;
  Target& target;
  std::shared_ptr<const Snapshot> current;
  std::optional<TimePoint> duplicate_since;
  /// What was said the last time: a file that stays wrong is not told of again and again.
  std::set<std::string> said;
  /// Why files are to be read again.
  std::optional<Target::Cause> files;
  Signal asked;
  /// What is to be applied next: `current`, for this reason; secrets.
  std::optional<Target::Cause> unapplied;
  bool secret_files = false;
  bool polling = false;
  Signal work_there;
  bool stopped = false;
  /// Why it ended, if it did.
  std::optional<Result<>> outcome;
  Signal over;
  std::unique_ptr<FolderWatch> folder_watch;
  FileWatch configurations{options.quiet, [this] { ask(Target::Cause::change); }};
  FileWatch secrets{options.quiet, [this] {
                      secret_files = true;
                      work_there.notify_all();
                    }};
  Timer interval{[this] { tick(); }};
  Timer settling{[this] { ask(Target::Cause::change); }};
  Timer secrets_interval{[this] { poll(); }};

  void ask(Target::Cause cause) {
    add(files, cause);
    asked.notify_all();
  }
  // A change counts for more than a look without one.
  static void add(std::optional<Target::Cause>& before, Target::Cause cause) {
    if (!before || cause == Target::Cause::change) before = cause;
  }
  void tick() {
    start_interval();
    ask(Target::Cause::again);
  }
  void start_interval() { interval.start(std::min(options.interval, kIntervalMax)); }
  void poll() {
    polling = true;
    start_polling();
    work_there.notify_all();
  }
  void start_polling() {
    if (options.secrets_interval > Duration(0)) {
      secrets_interval.start(std::min(options.secrets_interval, kIntervalMax));
    } else {
      secrets_interval.stop();
    }
  }
  void watch() {
    log.info("Watching directories: [", join(options.sources.folders, ", "), "]");
    folder_watch = std::make_unique<FolderWatch>(options.sources.folders, options.quiet,
                                                 [this] { ask(Target::Cause::change); });
    configurations.set(options.sources.configurations);
    start_interval();
    start_polling();
  }
  Result<> check_duplicate(const std::optional<Error>& duplicate);
  void say(const std::vector<resources::Notice>& notices);
  Task<Result<>> read_files(Target::Cause cause);
  Task<Result<>> follow();
  Task<Result<>> work();
  Task<void> until_over(Task<Result<>> lane);
};

void Reloader::Impl::say(const std::vector<resources::Notice>& notices) {
  using Level = resources::Notice::Level;
  std::set<std::string> now;
  for (const resources::Notice& notice : notices) {
    now.insert(notice.message);
    if (said.contains(notice.message)) continue;
    switch (notice.level) {
      case Level::debug: log.debug(notice.message); break;
      case Level::warning: log.warn(notice.message); break;
      case Level::error: log.error(notice.message); break;
    }
  }
  said = std::move(now);
}

Result<> Reloader::Impl::check_duplicate(const std::optional<Error>& duplicate) {
  if (!duplicate) {
    duplicate_since.reset();
    return {};
  }
  const TimePoint now = Loop::current().now();
  if (!duplicate_since) duplicate_since = now;
  const Duration waited = now - *duplicate_since;
  if (waited < options.duplicates_grace) {
    settling.start(options.duplicates_grace - waited);
    return {};
  }
  return fail(duplicate->code(), "failed to load resources from disk: " + duplicate->message());
}

Task<Result<>> Reloader::Impl::read_files(Target::Cause cause) {
  // To its end, for the environment that it reads may be set again after that.
  Cancellation never;
  std::move_only_function<Result<Snapshot>()> work = [sources = options.sources, before = current] {
    return Result<Snapshot>(read(sources, *before));
  };
  auto reading = BlockingPool::shared().run<Snapshot>(std::move(work));
  auto read = co_await std::move(reading).under(never);
  if (!read) {
    log.error("The resources could not be read again: ", read.error());
    co_return Result<>();
  }
  say(read->resources.notices);
  OUT_CO_CHECK(check_duplicate(read->duplicate));
  if (read->duplicate) co_return Result<>();
  if (read->unsettled) settling.start(kSettling);
  current = std::make_shared<const Snapshot>(*std::move(read));
  co_await target.apply_at_once(current);
  add(unapplied, cause);
  work_there.notify_all();
  co_return Result<>();
}

// Reads what has changed, while the other lane may be busy with what was read before.
Task<Result<>> Reloader::Impl::follow() {
  for (;;) {
    while (!files) {
      auto woken = co_await asked.wait();
      if (!woken) co_return Result<>();
    }
    // What comes while it is read is for the next time.
    const auto cause = *std::exchange(files, std::nullopt);
    OUT_CO_CHECK(co_await read_files(cause));
  }
}

Task<Result<>> Reloader::Impl::work() {
  for (;;) {
    while (!stopped && !unapplied && !secret_files && !polling) {
      auto woken = co_await work_there.wait();
      if (!woken) co_return Result<>();
    }
    if (stopped) co_return Result<>();
    const auto cause = std::exchange(unapplied, std::nullopt);
    if (cause) {
      OUT_CO_CHECK(co_await target.apply(current, *cause));
    }
    if (std::exchange(secret_files, false)) {
      OUT_CO_CHECK(co_await target.secret_files_changed());
    }
    if (std::exchange(polling, false)) {
      OUT_CO_CHECK(co_await target.poll_secrets());
    }
  }
}

Task<void> Reloader::Impl::until_over(Task<Result<>> lane) {
  auto ended = co_await std::move(lane);
  // The first end is the end of both.
  if (!outcome) outcome.emplace(std::move(ended));
  over.notify_all();
}

Reloader::Reloader(Options options, Target& target)
    : impl_(std::make_unique<Impl>(std::move(options), target)) {}
Reloader::~Reloader() = default;

Task<Result<>> Reloader::run() {
  impl_->watch();
  // What changed between the start and now, which no watch has seen.
  impl_->ask(Target::Cause::start);
  Scope lanes;
  lanes.spawn(impl_->until_over(impl_->follow()));
  lanes.spawn(impl_->until_over(impl_->work()));
  while (!impl_->outcome) {
    auto woken = co_await impl_->over.wait();
    if (!woken) break;
  }
  lanes.cancel();
  co_await lanes.join();
  impl_->folder_watch.reset();
  impl_->configurations.stop();
  impl_->secrets.stop();
  impl_->interval.stop();
  impl_->settling.stop();
  impl_->secrets_interval.stop();
  co_return *std::move(impl_->outcome);
}

void Reloader::set_secret_files(std::vector<std::string> paths) { impl_->secrets.set(paths); }

void Reloader::stop() {
  impl_->stopped = true;
  impl_->work_there.notify_all();
}

void Reloader::set_secrets_interval(Duration interval) {
  impl_->options.secrets_interval = interval;
  impl_->start_polling();
}

}  // namespace outrigger::runtime::reload
