#include "runtime/cel/json_text.h"

#include "base/hex.h"
#include "base/strings.h"

namespace outrigger::cel {
namespace {

// The code unit of "\uXXXX" at the front, or -1.
int escaped_unit(std::string_view text) noexcept {
  if (text.size() < 6 || text[0] != '\\' || text[1] != 'u') return -1;
  int unit = 0;
  for (const char c : text.substr(2, 4)) unit = unit * 16 + hex_value(c);
  return unit;
}

struct Escape {
  std::size_t size;
  bool lone_surrogate;
};

// The escape at the front of `text`, both halves of a surrogate pair taken together.
Escape read_escape(std::string_view text) noexcept {
  const int unit = escaped_unit(text);
  if (unit < 0) return {.size = std::min<std::size_t>(2, text.size()), .lone_surrogate = false};
  if (unit < 0xD800 || unit >= 0xE000) return {.size = 6, .lone_surrogate = false};
  const int low = unit < 0xDC00 ? escaped_unit(text.substr(6)) : -1;
  if (low >= 0xDC00 && low < 0xE000) return {.size = 12, .lone_surrogate = false};
  return {.size = 6, .lone_surrogate = true};
}

bool has_high_bytes(std::string_view text) noexcept {
  unsigned char seen = 0;
  for (const char c : text) seen |= static_cast<unsigned char>(c);
  return seen >= 0x80;
}

}  // namespace

bool needs_repair(std::string_view json) noexcept {
  if (has_high_bytes(json) && !is_utf8(json)) return true;
  for (auto at = json.find('\\'); at != std::string_view::npos; at = json.find('\\', at)) {
    const Escape escape = read_escape(json.substr(at));
    if (escape.lone_surrogate) return true;
    at += escape.size;
  }
  return false;
}

std::string repaired(std::string_view json) {
  std::string out;
  out.reserve(json.size() + 16);
  while (!json.empty()) {
    const auto byte = static_cast<unsigned char>(json.front());
    std::size_t size = 1;
    if (byte == '\\') {
      const Escape escape = read_escape(json);
      out += escape.lone_surrogate ? std::string_view("\\ufffd") : json.substr(0, escape.size);
      size = escape.size;
    } else if (byte < 0x80) {
      out += json.front();
    } else {
      const Rune rune = decode_rune(json);
      append_rune(out, rune.value);
      size = rune.bytes;
    }
    json.remove_prefix(size);
  }
  return out;
}

}  // namespace outrigger::cel
