#pragma once

#include <string>
#include <string_view>

/// What Go's encoding/json does to the strings of a JSON text when it decodes them, done on text.
namespace outrigger::cel {

/// Whether valid JSON has strings with ill-formed UTF-8 or with half of a surrogate pair.
[[nodiscard]] bool needs_repair(std::string_view json) noexcept;

/// Valid JSON with U+FFFD in place of each ill-formed byte and each lone surrogate.
[[nodiscard]] std::string repaired(std::string_view json);

}  // namespace outrigger::cel
