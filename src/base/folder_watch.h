#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/loop.h"

namespace outrigger {

/// Tells when something in one of several folders may have changed: a file that is written,
/// replaced or removed, or the folder itself, which need not exist yet. Folders within are not
/// looked into. A file that is made and written counts once it is closed. Belongs to one loop.
///
/// The kernel tells (inotify), and what it cannot tell (no watches left, a network's file system, a
/// folder that was not there) is found by looking every few seconds.
class FolderWatch {
 public:
  /// `changed` is called on the current loop, once for all that happened until `quiet` had passed
  /// without more, so that files that are written one after the other are seen together.
  FolderWatch(std::vector<std::string> folders, Duration quiet,
              std::move_only_function<void()> changed);
  ~FolderWatch();
  FolderWatch(const FolderWatch&) = delete;
  FolderWatch& operator=(const FolderWatch&) = delete;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace outrigger
