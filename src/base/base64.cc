#include "base/base64.h"

#include <array>
#include <cstddef>

namespace outrigger {
namespace {

constexpr std::string_view kStandard =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kUrl =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

using Table = std::array<std::uint8_t, 256>;
constexpr std::uint8_t kNone = 0xFF;

constexpr Table table_of(std::string_view alphabet, std::string_view second = {}) {
  Table table{};
  table.fill(kNone);
  for (std::size_t i = 0; i < alphabet.size(); ++i) {
    table[static_cast<unsigned char>(alphabet[i])] = static_cast<std::uint8_t>(i);
  }
  for (std::size_t i = 0; i < second.size(); ++i) {
    table[static_cast<unsigned char>(second[i])] = static_cast<std::uint8_t>(i);
  }
  return table;
}

constexpr Table kStandardTable = table_of(kStandard);
constexpr Table kUrlTable = table_of(kUrl);
constexpr Table kAnyTable = table_of(kStandard, kUrl);

enum class Tail : std::uint8_t { padded, raw, either };

std::optional<std::string> decode(std::string_view text, const Table& table, Tail tail) {
  std::string out;
  out.reserve(text.size() / 4 * 3 + 3);
  std::uint32_t group = 0;
  unsigned symbols = 0;  // In the current group of four.
  unsigned pads = 0;
  for (const char c : text) {
    if (c == '\n' || c == '\r') continue;
    if (c == '=') {
      ++pads;
      if (symbols < 2 || symbols + pads > 4) return std::nullopt;
      continue;
    }
    const std::uint8_t value = table[static_cast<unsigned char>(c)];
    if (value == kNone || pads > 0) return std::nullopt;
    group = (group << 6) | value;
    if (++symbols < 4) continue;
    out += static_cast<char>(group >> 16);
    out += static_cast<char>(group >> 8);
    out += static_cast<char>(group);
    symbols = 0;
    group = 0;
  }
  if (symbols == 1) return std::nullopt;
  if (pads > 0 && (tail == Tail::raw || symbols + pads != 4)) return std::nullopt;
  if (symbols > 0 && pads == 0 && tail == Tail::padded) return std::nullopt;
  if (symbols >= 2) out += static_cast<char>(group >> (symbols == 2 ? 4 : 10));
  if (symbols == 3) out += static_cast<char>(group >> 2);
  return out;
}

}  // namespace

void append_base64(std::string& out, std::string_view bytes, Base64Alphabet alphabet,
                   Base64Padding padding) {
  const std::string_view symbols = alphabet == Base64Alphabet::standard ? kStandard : kUrl;
  const auto byte = [&](std::size_t i) -> std::uint32_t {
    return static_cast<unsigned char>(bytes[i]);
  };
  const std::size_t start = out.size();
  out.resize(start + (bytes.size() + 2) / 3 * 4);
  char* to = out.data() + start;
  std::size_t i = 0;
  for (; i + 3 <= bytes.size(); i += 3) {
    const std::uint32_t group = (byte(i) << 16) | (byte(i + 1) << 8) | byte(i + 2);
    *to++ = symbols[group >> 18];
    *to++ = symbols[(group >> 12) & 63];
    *to++ = symbols[(group >> 6) & 63];
    *to++ = symbols[group & 63];
  }
  const std::size_t left = bytes.size() - i;
  if (left > 0) {
    const std::uint32_t group = (byte(i) << 16) | (left == 2 ? byte(i + 1) << 8 : 0);
    *to++ = symbols[group >> 18];
    *to++ = symbols[(group >> 12) & 63];
    if (left == 2) *to++ = symbols[(group >> 6) & 63];
    if (padding == Base64Padding::padded) {
      for (std::size_t pad = left; pad < 3; ++pad) *to++ = '=';
    }
  }
  out.resize(static_cast<std::size_t>(to - out.data()));
}

std::string base64_encode(std::string_view bytes, Base64Alphabet alphabet, Base64Padding padding) {
  std::string out;
  append_base64(out, bytes, alphabet, padding);
  return out;
}

std::optional<std::string> base64_decode(std::string_view text, Base64Alphabet alphabet,
                                         Base64Padding padding) {
  return decode(text, alphabet == Base64Alphabet::standard ? kStandardTable : kUrlTable,
                padding == Base64Padding::padded ? Tail::padded : Tail::raw);
}

std::optional<std::string> base64_decode_any(std::string_view text) {
  return decode(text, kAnyTable, Tail::either);
}

}  // namespace outrigger
