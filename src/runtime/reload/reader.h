#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/env.h"
#include "resources/configuration.h"
#include "resources/loader.h"

namespace outrigger::runtime::reload {

/// Where a sidecar's resources come from.
struct Sources {
  /// --resources-path.
  std::vector<std::string> folders;
  /// --config.
  std::vector<std::string> configurations;
  resources::LoadOptions options;
  Environment environment;
};

/// What the files say at one time.
struct Snapshot {
  resources::Resources resources;
  /// nullopt: as before, or it cannot be read.
  std::optional<resources::Configuration> configuration;
  /// A file is empty that was not: it may be about to be written. Look again after kSettling.
  bool unsettled = false;
  /// Two components of one name, in upstream's words: all stays as it was before.
  std::optional<Error> duplicate;
};

/// An editor that first empties a file fills it long before that, unless the machine stands still.
inline constexpr auto kSettling = std::chrono::milliseconds(500);

/// Reads everything. What cannot be read (a broken file, a folder that is not there, a wrong
/// configuration) stays as it was `before`, with a notice. Blocks on the disk.
[[nodiscard]] Snapshot read(const Sources& sources, const Snapshot& before);

}  // namespace outrigger::runtime::reload
