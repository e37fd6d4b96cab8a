#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace outrigger::resources {

/// The text of a regular file of at most 16 MiB. Blocks on the disk, but not on a pipe.
[[nodiscard]] Result<std::string> read_text_file(const std::string& path);

/// Names of what is no directory in a directory, sorted by bytes. A link to a directory counts as
/// a file (and then cannot be read), as upstream has it.
[[nodiscard]] Result<std::vector<std::string>> list_files(const std::string& directory);

[[nodiscard]] std::string join_path(const std::string& directory, const std::string& name);

}  // namespace outrigger::resources
