#pragma once

#include <string_view>

namespace outrigger {

/// Whether what a peer has `given` is the secret `expected`. The time it takes tells nothing of
/// where they differ, at most whether their lengths do.
[[nodiscard]] bool equals_secret(std::string_view given, std::string_view expected) noexcept;

}  // namespace outrigger
