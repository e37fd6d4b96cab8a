#pragma once

#include <string_view>

namespace outrigger {

/// The version of the Dapr API and runtime this program stands in for, which clients compare:
/// "1.18.3", or what the build sets as OUT_VERSION.
[[nodiscard]] std::string_view build_version() noexcept;
/// The source revision and its description, if the build sets OUT_GIT_COMMIT and OUT_GIT_VERSION.
[[nodiscard]] std::string_view build_commit() noexcept;
[[nodiscard]] std::string_view build_git_version() noexcept;

}  // namespace outrigger
