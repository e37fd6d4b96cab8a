#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace outrigger {

/// Lower-case hexadecimal, two digits a byte.
[[nodiscard]] std::string hex_encode(std::string_view bytes);
void append_hex(std::string& out, std::string_view bytes);
/// Either case; nullopt if the length is odd or a character is no digit.
[[nodiscard]] std::optional<std::string> hex_decode(std::string_view text);
/// The value of one digit, or -1.
[[nodiscard]] constexpr int hex_value(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace outrigger
