#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

/// Character classes of RFC 9110 and 9112, and the scans of the hot path. Private to this room.
namespace outrigger::net::http1 {

/// tchar of RFC 9110, section 5.6.2: what methods and field names are made of.
inline constexpr std::array<bool, 256> kTokenChars = [] {
  std::array<bool, 256> table{};
  for (const char c : std::string_view("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
                                       "ABCDEFGHIJKLMNOPQRSTUVWXYZ")) {
    table[static_cast<unsigned char>(c)] = true;
  }
  return table;
}();

inline bool is_token_char(char c) noexcept { return kTokenChars[static_cast<unsigned char>(c)]; }

inline bool is_token(std::string_view text) noexcept {
  for (const char c : text) {
    if (!is_token_char(c)) return false;
  }
  return !text.empty();
}

inline bool is_blank(char c) noexcept { return c == ' ' || c == '\t'; }

inline std::string_view trim_blanks(std::string_view text) noexcept {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

/// The first byte in [at, end) that is below `low` or DEL, or `end`. Eight bytes a step: a borrow
/// in the subtraction can only flag a byte above one that is flagged rightly, so no word with such
/// a byte is ever skipped and the second loop finds the first one.
inline const char* find_control(const char* at, const char* end, unsigned char low) noexcept {
  constexpr std::uint64_t kOnes = 0x0101010101010101;
  constexpr std::uint64_t kHigh = 0x8080808080808080;
  while (end - at >= 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, at, sizeof(word));
    const std::uint64_t below = (word - kOnes * low) & ~word;
    const std::uint64_t not_del = word ^ (kOnes * 0x7f);
    const std::uint64_t del = (not_del - kOnes) & ~not_del;
    if (((below | del) & kHigh) != 0) break;
    at += 8;
  }
  while (at != end) {
    const auto byte = static_cast<unsigned char>(*at);
    if (byte < low || byte == 0x7f) return at;
    ++at;
  }
  return end;
}

/// The first byte that may not stand in a field value or a reason phrase: a control character other
/// than HTAB.
inline const char* find_non_text(const char* at, const char* end) noexcept {
  at = find_control(at, end, 0x20);
  while (at != end && *at == '\t') at = find_control(at + 1, end, 0x20);
  return at;
}

inline bool is_text(std::string_view text) noexcept {
  const char* end = text.data() + text.size();
  return find_non_text(text.data(), end) == end;
}

}  // namespace outrigger::net::http1
