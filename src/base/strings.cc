#include "base/strings.h"

#include <cstdint>
#include <cstdlib>

namespace outrigger {
namespace {

constexpr bool is_space(char c) noexcept { return c == ' ' || (c >= '\t' && c <= '\r'); }

constexpr char kHex[] = "0123456789abcdef";

// Go prints a rune as it is when its category is a letter, mark, number, punctuation or symbol.
// The ranges are the others (controls, formats, separators, private use) that turn up in text.
bool is_printable(char32_t rune) noexcept {
  if (rune < 0x20 || rune == 0x7F) return false;
  if (rune < 0x7F) return true;
  constexpr struct {
    char32_t first, last;
  } kHidden[] = {{0x80, 0xA0},       {0xAD, 0xAD},       {0x600, 0x605},   {0x61C, 0x61C},
                 {0x6DD, 0x6DD},     {0x70F, 0x70F},     {0x1680, 0x1680}, {0x180E, 0x180E},
                 {0x2000, 0x200F},   {0x2028, 0x202F},   {0x205F, 0x206F}, {0x3000, 0x3000},
                 {0xD800, 0xF8FF},   {0xFEFF, 0xFEFF},   {0xFFF0, 0xFFFB}, {0xFFFE, 0xFFFF},
                 {0xE0000, 0xE00FF}, {0xE01F0, 0x10FFFF}};
  for (const auto& range : kHidden) {
    if (rune >= range.first && rune <= range.last) return false;
  }
  return true;
}

void append_hidden_rune(std::string& out, char32_t rune) {
  switch (rune) {
    case '\a': out += "\\a"; return;
    case '\b': out += "\\b"; return;
    case '\f': out += "\\f"; return;
    case '\n': out += "\\n"; return;
    case '\r': out += "\\r"; return;
    case '\t': out += "\\t"; return;
    case '\v': out += "\\v"; return;
    default: break;
  }
  int digits = 8;
  if (rune < 0x80) {
    out += "\\x";
    digits = 2;
  } else if (rune < 0x10000) {
    out += "\\u";
    digits = 4;
  } else {
    out += "\\U";
  }
  for (int shift = (digits - 1) * 4; shift >= 0; shift -= 4) out += kHex[(rune >> shift) & 0xF];
}

}  // namespace

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const auto at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

std::vector<std::string_view> split_list(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (auto part : split(text, separator)) {
    part = trim(part);
    if (!part.empty()) parts.push_back(part);
  }
  return parts;
}

std::optional<std::pair<std::string_view, std::string_view>> cut(
    std::string_view text, std::string_view separator) noexcept {
  const auto at = text.find(separator);
  if (at == std::string_view::npos) return std::nullopt;
  return std::pair{text.substr(0, at), text.substr(at + separator.size())};
}

std::string_view trim(std::string_view text) noexcept {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
  std::string out;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) out += separator;
    out += parts[i];
  }
  return out;
}

std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  if (from.empty()) return std::string(text);
  out.reserve(text.size());
  while (true) {
    const auto at = text.find(from);
    out += text.substr(0, at);
    if (at == std::string_view::npos) return out;
    out += to;
    text.remove_prefix(at + from.size());
  }
}

std::string to_lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = to_lower(c);
  return out;
}

std::string to_upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = to_upper(c);
  return out;
}

bool equals_fold(std::string_view a, std::string_view b) noexcept {
  return a.size() == b.size() && starts_with_fold(a, b);
}

bool starts_with_fold(std::string_view text, std::string_view prefix) noexcept {
  if (text.size() < prefix.size()) return false;
  for (std::size_t i = 0; i < prefix.size(); ++i) {
    if (to_lower(text[i]) != to_lower(prefix[i])) return false;
  }
  return true;
}

std::optional<bool> parse_bool(std::string_view text) noexcept {
  if (text == "1" || text == "t" || text == "T" || text == "TRUE" || text == "true" ||
      text == "True") {
    return true;
  }
  if (text == "0" || text == "f" || text == "F" || text == "FALSE" || text == "false" ||
      text == "False") {
    return false;
  }
  return std::nullopt;
}

bool is_truthy(std::string_view text) noexcept {
  text = trim(text);
  for (const std::string_view word : {"y", "yes", "true", "t", "on", "1"}) {
    if (equals_fold(text, word)) return true;
  }
  return false;
}

std::optional<double> parse_double(std::string_view text) noexcept {
  if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

void append_int(std::string& out, std::int64_t value) {
  char buffer[24];
  const auto end = std::to_chars(buffer, buffer + sizeof(buffer), value).ptr;
  out.append(buffer, end);
}

void append_uint(std::string& out, std::uint64_t value) {
  char buffer[24];
  const auto end = std::to_chars(buffer, buffer + sizeof(buffer), value).ptr;
  out.append(buffer, end);
}

void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    const Rune rune = decode_rune(text);
    const auto bytes = text.substr(0, rune.bytes);
    text.remove_prefix(rune.bytes);
    if (!rune.valid()) {
      const auto byte = static_cast<unsigned char>(bytes[0]);
      out += "\\x";
      out += kHex[byte >> 4];
      out += kHex[byte & 0xF];
    } else if (rune.value == '"' || rune.value == '\\') {
      out += '\\';
      out += bytes;
    } else if (is_printable(rune.value)) {
      out += bytes;
    } else {
      append_hidden_rune(out, rune.value);
    }
  }
  out += '"';
}

std::string quoted(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 2);
  append_quoted(out, text);
  return out;
}

Rune decode_rune(std::string_view text) noexcept {
  constexpr Rune kBad{0xFFFD, 1};
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto follows = [&](std::size_t i) { return i < text.size() && (at(i) & 0xC0) == 0x80; };
  const char32_t lead = at(0);
  if (lead < 0x80) return {lead, 1};
  if (lead < 0xC2 || lead > 0xF4 || !follows(1)) return kBad;
  if (lead < 0xE0) return {((lead & 0x1F) << 6) | (at(1) & 0x3FU), 2};
  if (!follows(2)) return kBad;
  if (lead < 0xF0) {
    const char32_t rune = ((lead & 0xF) << 12) | ((at(1) & 0x3FU) << 6) | (at(2) & 0x3FU);
    return rune < 0x800 || (rune >= 0xD800 && rune < 0xE000) ? kBad : Rune{rune, 3};
  }
  if (!follows(3)) return kBad;
  const char32_t rune =
      ((lead & 7) << 18) | ((at(1) & 0x3FU) << 12) | ((at(2) & 0x3FU) << 6) | (at(3) & 0x3FU);
  return rune < 0x10000 || rune > 0x10FFFF ? kBad : Rune{rune, 4};
}

void append_rune(std::string& out, char32_t rune) {
  const auto tail = [&](int shift) { return static_cast<char>(0x80 | ((rune >> shift) & 0x3F)); };
  if (rune > 0x10FFFF || (rune >= 0xD800 && rune < 0xE000)) rune = 0xFFFD;
  if (rune < 0x80) {
    out += static_cast<char>(rune);
  } else if (rune < 0x800) {
    out += static_cast<char>(0xC0 | (rune >> 6));
    out += tail(0);
  } else if (rune < 0x10000) {
    out += static_cast<char>(0xE0 | (rune >> 12));
    out += tail(6);
    out += tail(0);
  } else {
    out += static_cast<char>(0xF0 | (rune >> 18));
    out += tail(12);
    out += tail(6);
    out += tail(0);
  }
}

bool is_utf8(std::string_view text) noexcept {
  while (!text.empty()) {
    const Rune rune = decode_rune(text);
    if (!rune.valid()) return false;
    text.remove_prefix(rune.bytes);
  }
  return true;
}

std::string to_utf8(std::string_view text) {
  std::string mended;
  while (!text.empty()) {
    const Rune rune = decode_rune(text);
    append_rune(mended, rune.value);
    text.remove_prefix(rune.bytes);
  }
  return mended;
}

}  // namespace outrigger
