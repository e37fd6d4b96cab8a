#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/sentry/storage.h"

namespace outrigger::control::sentry {
namespace {

// Credentials are a few kilobytes; what is longer is something else.
constexpr std::size_t kFileBytesMax = std::size_t{4} << 20;

std::unexpected<Error> failed(std::string_view what, const std::string& path) {
  return fail(Code::unavailable, std::string(what) + " " + path + ": " + std::strerror(errno));
}

class File {
 public:
  explicit File(int descriptor) noexcept : descriptor_(descriptor) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  [[nodiscard]] int get() const noexcept { return descriptor_; }

 private:
  int descriptor_;
};

Result<std::optional<std::string>> read_file(const std::string& path) {
  const File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) {
    if (errno == ENOENT) return std::optional<std::string>();
    return failed("failed to read", path);
  }
  std::string text;
  char part[16 * 1024];
  while (true) {
    const ssize_t count = ::read(file.get(), part, sizeof part);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return failed("failed to read", path);
    if (count == 0) return std::optional(std::move(text));
    text.append(part, static_cast<std::size_t>(count));
    if (text.size() > kFileBytesMax) return fail(Code::out_of_range, path + " is too long");
  }
}

Result<> write_whole(int descriptor, std::string_view text, const std::string& path) {
  while (!text.empty()) {
    const ssize_t count = ::write(descriptor, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return failed("failed to write file", path);
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  if (::fsync(descriptor) != 0) return failed("failed to write file", path);
  return {};
}

/// So that the new name is there after a crash of the machine.
Result<> sync_folder_of(const std::string& path) {
  const std::string folder = path.substr(0, path.find_last_of('/') + 1);
  const File file(
      ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (file.get() < 0 || ::fsync(file.get()) != 0) return failed("failed to write folder", folder);
  return {};
}

/// What a link leads to: the link is to stay one.
std::string target_of(const std::string& path) {
  char* const real = ::realpath(path.c_str(), nullptr);
  std::string target = real == nullptr ? path : std::string(real);
  std::free(real);
  return target;
}

/// Of a folder: its end lets others have it.
class FolderLock final : public Storage::Lock {
 public:
  explicit FolderLock(const std::string& folder)
      : folder_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {}
  Result<> wait(const std::string& folder) {
    if (folder_.get() < 0) return failed("failed to open", folder);
    while (::flock(folder_.get(), LOCK_EX) != 0) {
      if (errno == EINTR) continue;
      // A file system without locks has one user, as long as nobody has thought of another.
      if (errno == ENOLCK || errno == EOPNOTSUPP) return {};
      return failed("failed to lock", folder);
    }
    return {};
  }

 private:
  const File folder_;
};

class FileStorage final : public Storage {
 public:
  explicit FileStorage(Paths paths) : paths_(std::move(paths)) {}

  Result<std::unique_ptr<Lock>> lock() override {
    auto lock = std::make_unique<FolderLock>(paths_.folder);
    OUT_CHECK(lock->wait(paths_.folder));
    return lock;
  }

  Result<std::optional<CaTexts>> load_ca() override {
    OUT_TRY(auto anchors, read_file(paths_.root));
    OUT_TRY(auto chain, read_file(paths_.issuer_certificate));
    OUT_TRY(auto key, read_file(paths_.issuer_key));
    if (!anchors || !chain || !key) return std::optional<CaTexts>();
    return std::optional(CaTexts{.anchors = *std::move(anchors),
                                 .issuer_chain = *std::move(chain),
                                 .issuer_key = *std::move(key)});
  }
  Result<std::optional<JwtTexts>> load_jwt() override {
    OUT_TRY(auto key, read_file(paths_.jwt_key));
    OUT_TRY(auto jwks, read_file(paths_.jwks));
    if (!key || !jwks) return std::optional<JwtTexts>();
    return std::optional(JwtTexts{.key = *std::move(key), .jwks = *std::move(jwks)});
  }
  Result<std::optional<std::string>> load_rotation() override { return read_file(paths_.rotation); }

  Result<> store_ca(const CaTexts& texts) override {
    OUT_CHECK(write_file(paths_.root, texts.anchors));
    OUT_CHECK(write_file(paths_.issuer_key, texts.issuer_key));
    return write_file(paths_.issuer_certificate, texts.issuer_chain);
  }
  Result<> store_anchors(const std::string& anchors) override {
    return write_file(paths_.root, anchors);
  }
  Result<> store_jwt(const JwtTexts& texts) override {
    OUT_CHECK(write_file(paths_.jwt_key, texts.key));
    return write_file(paths_.jwks, texts.jwks);
  }
  Result<> store_rotation(const std::optional<std::string>& text) override {
    if (text) return write_file(paths_.rotation, *text);
    if (::unlink(paths_.rotation.c_str()) != 0 && errno != ENOENT) {
      return failed("failed to remove", paths_.rotation);
    }
    return sync_folder_of(paths_.rotation);
  }

 private:
  const Paths paths_;
};

}  // namespace

Result<> write_file(const std::string& name, const std::string& text) {
  const std::string path = target_of(name);
  // The process id: two that write at once do not write into one file.
  const std::string beside = path + ".new." + std::to_string(::getpid());
  ::unlink(beside.c_str());
  // Who has let others read the trust anchors wants that to stay so.
  struct stat before{};
  const mode_t mode = ::stat(path.c_str(), &before) == 0 ? before.st_mode & 0777U : 0600U;
  Result<> written;
  {
    const File file(::open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (file.get() < 0) return failed("failed to write file", path);
    written = write_whole(file.get(), text, path);
    if (written && ::fchmod(file.get(), mode) != 0) written = failed("failed to write file", path);
  }
  if (written && ::rename(beside.c_str(), path.c_str()) != 0) {
    written = failed("failed to write file", path);
  }
  if (!written) {
    ::unlink(beside.c_str());
    return written;
  }
  return sync_folder_of(path);
}

std::unique_ptr<Storage> make_file_storage(Paths paths) {
  return std::make_unique<FileStorage>(std::move(paths));
}

}  // namespace outrigger::control::sentry
