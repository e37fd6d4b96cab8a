#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace outrigger {

/// A Kubernetes resource quantity that is a whole number, such as a size in bytes: "4Mi", "4Ki",
/// "1.5G", "1e6", "-1". Suffixes n u m k M G T P E, Ki Mi Gi Ti Pi Ei, e<exponent>. A value that is
/// not whole ("100m") or does not fit in 64 bits is an error.
[[nodiscard]] Result<std::int64_t> parse_quantity(std::string_view text);

}  // namespace outrigger
