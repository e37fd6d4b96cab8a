#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace outrigger::components::redis {

/// The SHA-1 of a text in lower-case hexadecimal: the name by which Redis remembers a script.
constexpr std::array<char, 40> sha1_hex(std::string_view text) noexcept {
  std::array<std::uint32_t, 5> state = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
  const auto rotate = [](std::uint32_t x, int by) { return (x << by) | (x >> (32 - by)); };
  const std::size_t blocks = (text.size() + 8) / 64 + 1;
  const auto byte_at = [&](std::size_t i) -> std::uint32_t {
    if (i < text.size()) return static_cast<std::uint8_t>(text[i]);
    if (i == text.size()) return 0x80;
    const std::size_t from_end = blocks * 64 - 1 - i;
    return from_end < 8 ? (std::uint64_t{text.size()} * 8 >> (8 * from_end)) & 0xFF : 0;
  };
  for (std::size_t block = 0; block < blocks; ++block) {
    std::array<std::uint32_t, 80> w{};
    for (std::size_t i = 0; i < 64; ++i) w[i / 4] = w[i / 4] << 8 | byte_at(block * 64 + i);
    for (std::size_t i = 16; i < 80; ++i) {
      w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    }
    auto [a, b, c, d, e] = state;
    for (std::size_t i = 0; i < 80; ++i) {
      std::uint32_t f = b ^ c ^ d;
      std::uint32_t k = i < 40 ? 0x6ED9EBA1 : 0xCA62C1D6;
      if (i < 20) {
        f = (b & c) | (~b & d);
        k = 0x5A827999;
      } else if (i >= 40 && i < 60) {
        f = (b & c) | (b & d) | (c & d);
        k = 0x8F1BBCDC;
      }
      const std::uint32_t next = rotate(a, 5) + f + e + k + w[i];
      e = d, d = c, c = rotate(b, 30), b = a, a = next;
    }
    const std::array<std::uint32_t, 5> add = {a, b, c, d, e};
    for (std::size_t i = 0; i < 5; ++i) state[i] += add[i];
  }
  std::array<char, 40> hex{};
  for (std::size_t i = 0; i < 40; ++i) {
    hex[i] = "0123456789abcdef"[state[i / 8] >> (28 - 4 * (i % 8)) & 0xF];
  }
  return hex;
}

/// A Lua script. The text must live for ever: make it a constant.
struct Script {
  std::string_view text;
  std::array<char, 40> sha;
  consteval explicit Script(std::string_view text) noexcept : text(text), sha(sha1_hex(text)) {}
  [[nodiscard]] constexpr std::string_view name() const noexcept {
    return {sha.data(), sha.size()};
  }
};

}  // namespace outrigger::components::redis
