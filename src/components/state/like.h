#pragma once

#include <string_view>

namespace outrigger::components::state {

/// SQL LIKE over UTF-8: % is any text, _ one character, a backslash makes the next character
/// plain; case counts. Takes no more than text times pattern steps and no memory.
[[nodiscard]] bool like(std::string_view text, std::string_view pattern) noexcept;

}  // namespace outrigger::components::state
