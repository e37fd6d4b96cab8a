#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdlib>

#include "base/json.h"
#include "base/json_words.h"
#include "base/strings.h"

namespace outrigger::json {
namespace {

constexpr char kDigits[] = "0123456789abcdef";

std::string_view between(const char* p, const char* end) noexcept {
  return {p, static_cast<std::size_t>(end - p)};
}

void append_unicode_escape(std::string& out, unsigned rune) {
  out += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) out += kDigits[(rune >> shift) & 0xF];
}

void append_escaped_byte(std::string& out, char c) {
  switch (c) {
    case '"': out += "\\\""; return;
    case '\\': out += "\\\\"; return;
    case '\b': out += "\\b"; return;
    case '\f': out += "\\f"; return;
    case '\n': out += "\\n"; return;
    case '\r': out += "\\r"; return;
    case '\t': out += "\\t"; return;
    default: append_unicode_escape(out, static_cast<unsigned char>(c)); return;
  }
}

}  // namespace

void detail::append_html_escaped(std::string& out, std::string_view token) {
  for (std::size_t i = 0; i < token.size(); ++i) {
    const char c = token[i];
    if (c == '<' || c == '>' || c == '&') {
      append_unicode_escape(out, static_cast<unsigned char>(c));
    } else if (token.substr(i, 3) == "\xE2\x80\xA8" || token.substr(i, 3) == "\xE2\x80\xA9") {
      append_unicode_escape(out, 0x2000U | (static_cast<unsigned char>(token[i + 2]) & 0x3FU));
      i += 2;
    } else {
      out += c;
    }
  }
}

void append_string(std::string& out, std::string_view text, Html html) {
  out += '"';
  const char* p = text.data();
  const char* const end = p + text.size();
  const char* run = p;
  while (p != end) {
    while (end - p >= 8) {
      const std::uint64_t word = detail::load(p);
      const bool plain = detail::specials(word) == 0 && (word & detail::kHighs) == 0;
      if (!plain || (html == Html::escape && detail::has_markup(word))) break;
      p += 8;
    }
    if (p == end) break;
    const auto c = static_cast<unsigned char>(*p);
    const bool markup = html == Html::escape && (c == '<' || c == '>' || c == '&');
    if (c >= 0x20 && c < 0x80 && c != '"' && c != '\\' && !markup) {
      ++p;
      continue;
    }
    if (c < 0x80) {
      out.append(run, p);
      append_escaped_byte(out, *p++);
      run = p;
      continue;
    }
    const Rune rune = decode_rune(between(p, end));
    if (rune.valid() && rune.value != 0x2028 && rune.value != 0x2029) {
      p += rune.bytes;
      continue;
    }
    out.append(run, p);
    append_unicode_escape(out, static_cast<unsigned>(rune.value));
    p += rune.bytes;
    run = p;
  }
  out.append(run, end);
  out += '"';
}

std::string quote(std::string_view text, Html html) {
  std::string out;
  out.reserve(text.size() + 2);
  append_string(out, text, html);
  return out;
}

void append_double(std::string& out, double value) {
  if (!std::isfinite(value)) {
    out += "null";
    return;
  }
  char buffer[64];
  const double size = std::fabs(value);
  // Beyond 2^53 to_chars prints digits that fixed notation does not need; those are zeros here.
  if (size < 9007199254740992.0 && (size >= 1e-6 || size == 0)) {
    const auto fixed = std::chars_format::fixed;
    out.append(buffer, std::to_chars(buffer, buffer + sizeof(buffer), value, fixed).ptr);
    return;
  }
  const auto scientific = std::chars_format::scientific;
  const char* const end = std::to_chars(buffer, buffer + sizeof(buffer), value, scientific).ptr;
  const auto [mantissa, exponent] = *cut(between(buffer, end), "e");
  const int power = *parse_int<int>(exponent);
  if (size < 1e21 && size >= 1) {
    const std::size_t start = out.size();
    for (const char c : mantissa) {
      if (c != '.') out += c;
    }
    const auto written = out.size() - start - (value < 0 ? 1 : 0);
    out.append(static_cast<std::size_t>(power) + 1 - written, '0');
    return;
  }
  out += mantissa;
  out += power < 0 ? "e-" : "e+";
  append_int(out, std::abs(power));
}

void Writer::separate() {
  if (comma_) out_ += ',';
  comma_ = true;
}

Writer& Writer::open(char bracket) {
  separate();
  out_ += bracket;
  comma_ = false;
  return *this;
}

Writer& Writer::close(char bracket) {
  out_ += bracket;
  comma_ = true;
  return *this;
}

Writer& Writer::key(std::string_view name) {
  separate();
  append_string(out_, name, html_);
  out_ += ':';
  comma_ = false;
  return *this;
}

Writer& Writer::value(std::string_view text) {
  separate();
  append_string(out_, text, html_);
  return *this;
}

Writer& Writer::value(double number) {
  separate();
  append_double(out_, number);
  return *this;
}

Writer& Writer::value(std::int64_t number) {
  separate();
  append_int(out_, number);
  return *this;
}

Writer& Writer::value(std::uint64_t number) {
  separate();
  append_uint(out_, number);
  return *this;
}

Writer& Writer::raw(std::string_view json) {
  separate();
  out_ += json;
  return *this;
}

}  // namespace outrigger::json
