#include "resources/files.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/strings.h"

namespace outrigger::resources {
namespace {

constexpr std::size_t kFileBytesMax = std::size_t{16} << 20;

// As Go spells it, for people search their logs for it: "no such file or directory".
std::string reason_of(int error) {
  std::string text = std::strerror(error);
  if (!text.empty()) text[0] = to_lower(text[0]);
  return text;
}

class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (value_ >= 0) close(value_);
  }
  [[nodiscard]] int get() const { return value_; }

 private:
  int value_;
};

}  // namespace

std::string join_path(const std::string& directory, const std::string& name) {
  return directory.ends_with('/') ? directory + name : directory + "/" + name;
}

Result<std::vector<std::string>> list_files(const std::string& directory) {
  DIR* handle = opendir(directory.c_str());
  if (handle == nullptr) {
    const int reason = errno;
    const Code code = reason == ENOENT ? Code::not_found : Code::failed_precondition;
    return fail(code, "open " + directory + ": " + reason_of(reason));
  }
  std::vector<std::string> names;
  while (const dirent* entry = readdir(handle)) {
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    bool is_directory = entry->d_type == DT_DIR;
    if (entry->d_type == DT_UNKNOWN) {
      struct stat status{};
      is_directory =
          lstat(join_path(directory, name).c_str(), &status) == 0 && S_ISDIR(status.st_mode);
    }
    if (!is_directory) names.push_back(name);
  }
  closedir(handle);
  std::ranges::sort(names);
  return names;
}

Result<std::string> read_text_file(const std::string& path) {
  const auto failed = [&](const std::string& why) {
    return fail(Code::failed_precondition, "open " + path + ": " + why);
  };
  // O_NONBLOCK: a pipe with no writer must not stop the program.
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) return failed(reason_of(errno));
  struct stat status{};
  if (fstat(file.get(), &status) != 0) return failed(reason_of(errno));
  if (!S_ISREG(status.st_mode)) return failed("not a regular file");
  std::string text;
  std::array<char, 65536> buffer{};
  while (true) {
    const ssize_t count = read(file.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return failed(reason_of(errno));
    if (count == 0) return text;
    if (text.size() + static_cast<std::size_t>(count) > kFileBytesMax) {
      return failed("larger than 16 MiB");
    }
    text.append(buffer.data(), static_cast<std::size_t>(count));
  }
}

}  // namespace outrigger::resources
