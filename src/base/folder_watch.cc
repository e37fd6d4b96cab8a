#include "base/folder_watch.h"

#include <algorithm>
#include <array>
#include <map>

#include <dirent.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

namespace outrigger {
namespace {

using namespace std::chrono_literals;

const Logger log("dapr.files");

constexpr Duration kLookEvery = 2s;
constexpr Duration kRest = 250ms;
// What does not come to rest is told of all the same.
constexpr int kPostponedMax = 20;
constexpr std::uint32_t kEvents = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE |
                                  IN_DELETE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF;

void append_stat(std::string& out, const std::string& path) {
  struct stat about{};
  if (::stat(path.c_str(), &about) != 0) return;
  for (const long number : {static_cast<long>(about.st_ino), static_cast<long>(about.st_size),
                            about.st_mtim.tv_sec, about.st_mtim.tv_nsec}) {
    out += std::to_string(number);
    out += ' ';
  }
}

/// What is in a folder, in a form that changes with it.
std::string picture_of(const std::string& folder) {
  std::vector<std::string> entries;
  if (DIR* const open = ::opendir(folder.c_str())) {
    while (const dirent* const entry = ::readdir(open)) {
      const std::string name(entry->d_name);
      if (name == "..") continue;
      std::string one = name + ' ';
      if (name != ".") {
        std::string path = folder;
        append_stat(one, path.append("/").append(name));
      }
      entries.push_back(std::move(one));
    }
    ::closedir(open);
  }
  std::ranges::sort(entries);
  std::string picture;
  for (const std::string& entry : entries) picture.append(entry).append("\n");
  return picture;
}

}  // namespace

struct FolderWatch::Impl final : FdWatch::Handler {
  Impl(std::vector<std::string> given, Duration quiet_time, std::move_only_function<void()> call)
      : folders(std::move(given)), quiet(quiet_time), changed(std::move(call)) {
    std::ranges::sort(folders);
    const auto twice = std::ranges::unique(folders);
    folders.erase(twice.begin(), twice.end());
    fd = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (fd < 0 || !watch.open(fd, *this, true, false)) {
      log.info("the kernel does not tell of changed files; they are looked at every ", kLookEvery);
    }
    picture = look();
    looking.start(kLookEvery);
  }
  ~Impl() {
    watch.close();
    if (fd >= 0) ::close(fd);
  }

  /// Also (again) asks the kernel to tell of folders that have come.
  std::string look() {
    std::string all;
    for (const std::string& folder : folders) {
      const int id = fd >= 0 ? ::inotify_add_watch(fd, folder.c_str(), kEvents) : -1;
      if (id >= 0) by_id[id] = folder;
      all += picture_of(folder);
    }
    return all;
  }
  void on_ready(bool, bool) override {
    alignas(inotify_event) std::array<char, 4096> bytes;
    bool over = false;
    for (ssize_t got = 0; (got = ::read(fd, bytes.data(), bytes.size())) > 0;) {
      for (const char* at = bytes.data(); at < bytes.data() + got;) {
        const auto& event = *reinterpret_cast<const inotify_event*>(at);
        over = over || !is_being_written(event);
        at += sizeof(inotify_event) + event.len;
      }
    }
    if (over) postpone();
  }
  /// A file that was only just made: that it is written the kernel will tell.
  bool is_being_written(const inotify_event& event) const {
    if (event.mask != IN_CREATE || event.len == 0) return false;
    const auto folder = by_id.find(event.wd);
    if (folder == by_id.end()) return false;
    struct stat about{};
    const std::string path = folder->second + "/" + event.name;
    return ::lstat(path.c_str(), &about) == 0 && S_ISREG(about.st_mode) && about.st_nlink == 1;
  }
  void postpone() {
    if (settling.running() && postponed >= kPostponedMax) return;
    ++postponed;
    settling.start(quiet);
  }
  void settle() {
    postponed = 0;
    picture = look();
    changed();
  }
  void look_again() {
    looking.start(kLookEvery);
    if (settling.running() || resting.running()) return;
    seen = look();
    if (seen != picture) resting.start(kRest);
  }
  /// What is still being written looks otherwise a moment later, and is looked at again.
  void check_rest() {
    if (!settling.running() && look() == seen) postpone();
  }

  std::vector<std::string> folders;
  const Duration quiet;
  std::move_only_function<void()> changed;
  int fd = -1;
  int postponed = 0;
  /// As it was told, and as it was when it was last looked at.
  std::string picture, seen;
  std::map<int, std::string> by_id;
  FdWatch watch;
  Timer settling{[this] { settle(); }};
  Timer looking{[this] { look_again(); }};
  Timer resting{[this] { check_rest(); }};
};

FolderWatch::FolderWatch(std::vector<std::string> folders, Duration quiet,
                         std::move_only_function<void()> changed)
    : impl_(std::make_unique<Impl>(std::move(folders), quiet, std::move(changed))) {}
FolderWatch::~FolderWatch() = default;

}  // namespace outrigger
