#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

/// For json.cc and json_write.cc only: eight bytes of text at a time.
namespace outrigger::json::detail {

inline constexpr std::uint64_t kOnes = 0x0101010101010101;
inline constexpr std::uint64_t kHighs = 0x8080808080808080;

/// The high bit of each byte that is zero (and perhaps of bytes above one that is).
constexpr std::uint64_t zero_bytes(std::uint64_t word) noexcept {
  return (word - kOnes) & ~word & kHighs;
}

/// The high bit of each of eight bytes that is a quote, a backslash or a control character. The
/// lowest bit set is exact (of a little-endian word: the first such byte).
constexpr std::uint64_t specials(std::uint64_t word) noexcept {
  return zero_bytes(word ^ (kOnes * '"')) | zero_bytes(word ^ (kOnes * '\\')) |
         ((word - kOnes * 0x20) & ~word & kHighs);
}

/// Whether one of eight bytes is < > or &. Never misses one.
constexpr bool has_markup(std::uint64_t word) noexcept {
  return (zero_bytes(word ^ (kOnes * '<')) | zero_bytes(word ^ (kOnes * '>')) |
          zero_bytes(word ^ (kOnes * '&'))) != 0;
}

inline std::uint64_t load(const char* p) noexcept {
  std::uint64_t word;
  std::memcpy(&word, p, sizeof(word));
  return word;
}

/// Appends a string token of valid JSON with < > & U+2028 and U+2029 escaped.
void append_html_escaped(std::string& out, std::string_view token);

}  // namespace outrigger::json::detail
