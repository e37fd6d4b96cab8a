#pragma once

#include <string>
#include <string_view>

namespace outrigger {

/// A random UUID (version 4), 36 lower-case characters, unpredictable.
[[nodiscard]] std::string uuid_v4();
/// Whether the text is a UUID in the form 8-4-4-4-12 of hexadecimal digits.
[[nodiscard]] bool is_uuid(std::string_view text) noexcept;

}  // namespace outrigger
