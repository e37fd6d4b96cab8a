#include "components/pluggable/session.h"

#include <sys/stat.h>

namespace outrigger::components::pluggable {

std::uint64_t socket_identity(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return 0;
  // The number of a file is soon used again, but not with the same time of its making. (Its times
  // but the last change of its content also change with its permissions.)
  std::uint64_t mixed = 0xcbf29ce484222325;
  for (const auto part :
       {static_cast<std::uint64_t>(info.st_dev), static_cast<std::uint64_t>(info.st_ino),
        static_cast<std::uint64_t>(info.st_mtim.tv_sec),
        static_cast<std::uint64_t>(info.st_mtim.tv_nsec)}) {
    mixed = (mixed ^ part) * 0x100000001b3;
    mixed ^= mixed >> 32;
  }
  return mixed == 0 ? 1 : mixed;
}

Session::Turn Session::begin(std::uint64_t identity) {
  const std::lock_guard lock(mutex_);
  if (busy_) return Turn::others;
  if (ready_ && identity_ == identity) return Turn::nobodys;
  busy_ = true;
  return Turn::mine;
}

void Session::end(std::uint64_t identity, const std::vector<std::string>* features) {
  const std::lock_guard lock(mutex_);
  busy_ = false;
  ready_ = features != nullptr;
  identity_ = identity;
  if (ready_) features_ = *features;
}

std::vector<std::string> Session::features() const {
  const std::lock_guard lock(mutex_);
  return features_;
}

}  // namespace outrigger::components::pluggable
