#pragma once

#include <cstddef>
#include <string>

#include "base/result.h"

namespace outrigger {

/// The text of a file; Code::out_of_range above the limit. Blocks.
Result<std::string> read_text_file(const std::string& path, std::size_t bytes_max);

}  // namespace outrigger
