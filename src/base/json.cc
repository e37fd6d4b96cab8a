#include "base/json.h"

#include <array>
#include <bit>
#include <cstddef>
#include <cstring>

#include "base/hex.h"
#include "base/json_words.h"
#include "base/strings.h"

namespace outrigger::json {
namespace {

using detail::load;
using detail::specials;

constexpr bool is_space(char c) noexcept { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }
constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

const char* skip_space(const char* p, const char* end) noexcept {
  while (p != end && is_space(*p)) ++p;
  return p;
}

std::string_view trimmed_left(std::string_view text) noexcept {
  const char* const start = text.data();
  text.remove_prefix(static_cast<std::size_t>(skip_space(start, start + text.size()) - start));
  return text;
}

/// Behind the closing quote of the string whose opening quote is at p; nullptr if it is malformed.
const char* skip_string(const char* p, const char* end) noexcept {
  ++p;
  while (true) {
    while (end - p >= 8) {
      const std::uint64_t found = specials(load(p));
      if (found != 0) {
        p += std::countr_zero(found) / 8;
        break;
      }
      p += 8;
    }
    if (p == end) return nullptr;
    const auto c = static_cast<unsigned char>(*p++);
    if (c == '"') return p;
    if (c < 0x20) return nullptr;
    if (c != '\\') continue;
    if (p == end) return nullptr;
    const char escape = *p++;
    if (escape == 'u') {
      if (end - p < 4) return nullptr;
      for (int i = 0; i < 4; ++i) {
        if (hex_value(*p++) < 0) return nullptr;
      }
    } else if (std::strchr("\"\\/bfnrt", escape) == nullptr || escape == '\0') {
      return nullptr;
    }
  }
}

const char* skip_number(const char* p, const char* end) noexcept {
  const auto digits = [&] {
    const char* start = p;
    while (p != end && is_digit(*p)) ++p;
    return p != start;
  };
  if (*p == '-') ++p;
  if (p != end && *p == '0') {
    ++p;
  } else if (!digits()) {
    return nullptr;
  }
  if (p != end && *p == '.') {
    ++p;
    if (!digits()) return nullptr;
  }
  if (p != end && (*p == 'e' || *p == 'E')) {
    ++p;
    if (p != end && (*p == '+' || *p == '-')) ++p;
    if (!digits()) return nullptr;
  }
  return p;
}

const char* skip_word(const char* p, const char* end, std::string_view word) noexcept {
  if (static_cast<std::size_t>(end - p) < word.size()) return nullptr;
  return std::memcmp(p, word.data(), word.size()) == 0 ? p + word.size() : nullptr;
}

const char* skip_scalar(const char* p, const char* end) noexcept {
  switch (*p) {
    case '"': return skip_string(p, end);
    case 't': return skip_word(p, end, "true");
    case 'f': return skip_word(p, end, "false");
    case 'n': return skip_word(p, end, "null");
    default: break;
  }
  return *p == '-' || is_digit(*p) ? skip_number(p, end) : nullptr;
}

/// Which brackets are open, a bit each: objects 1, arrays 0. Left uninitialised for speed.
class Nesting {
 public:
  [[nodiscard]] bool empty() const noexcept { return depth_ == 0; }
  [[nodiscard]] bool push(bool object) noexcept {
    if (depth_ == kDepthMax) return false;
    const std::uint64_t bit = 1ULL << (depth_ % 64);
    auto& word = bits_[static_cast<std::size_t>(depth_) / 64];
    word = object ? word | bit : word & ~bit;
    ++depth_;
    return true;
  }
  void pop() noexcept { --depth_; }
  [[nodiscard]] bool in_object() const noexcept {
    const int top = depth_ - 1;
    return (bits_[static_cast<std::size_t>(top) / 64] >> (top % 64) & 1) != 0;
  }

 private:
  std::array<std::uint64_t, kDepthMax / 64 + 1> bits_;
  int depth_ = 0;
};

/// From the opening quote of a key to behind its colon.
const char* skip_key(const char* p, const char* end) noexcept {
  if (p == end || *p != '"') return nullptr;
  p = skip_string(p, end);
  if (p == nullptr) return nullptr;
  p = skip_space(p, end);
  return p != end && *p == ':' ? skip_space(p + 1, end) : nullptr;
}

/// After a value: over closing brackets to the start of the next value, or, when the outermost
/// value has ended, to the byte behind it (`nesting` is then empty). nullptr if malformed.
const char* skip_to_next(const char* p, const char* end, Nesting& nesting) noexcept {
  while (!nesting.empty()) {
    p = skip_space(p, end);
    if (p == end) return nullptr;
    const bool object = nesting.in_object();
    if (*p == ',') {
      p = skip_space(p + 1, end);
      return object ? skip_key(p, end) : p;
    }
    if (*p != (object ? '}' : ']')) return nullptr;
    nesting.pop();
    ++p;
  }
  return p;
}

/// Behind the value that starts at p (which is no white space); nullptr if it is malformed.
const char* skip_value(const char* p, const char* end) noexcept {
  if (p == end) return nullptr;
  if (*p != '{' && *p != '[') return skip_scalar(p, end);
  Nesting nesting;
  do {
    if (p == end) return nullptr;
    if (*p == '{' || *p == '[') {
      const bool object = *p == '{';
      if (!nesting.push(object)) return nullptr;
      p = skip_space(p + 1, end);
      if (p == end) return nullptr;
      if (*p != (object ? '}' : ']')) {
        if (object) p = skip_key(p, end);
        if (p == nullptr) return nullptr;
        continue;
      }
    } else {
      p = skip_scalar(p, end);
      if (p == nullptr) return nullptr;
    }
    // At a closing bracket or behind a scalar.
    p = skip_to_next(p, end, nesting);
    if (p == nullptr) return nullptr;
  } while (!nesting.empty());
  return p;
}

/// The value of "\uXXXX" at p, the digits already checked.
char32_t unicode_escape(const char* p) noexcept {
  char32_t value = 0;
  for (int i = 2; i < 6; ++i) value = value * 16 + static_cast<char32_t>(hex_value(p[i]));
  return value;
}

/// Appends what the escape at p means; gives the byte behind it. The string is well-formed.
const char* append_unescaped(std::string& out, const char* p, const char* end) {
  switch (p[1]) {
    case 'b': out += '\b'; return p + 2;
    case 'f': out += '\f'; return p + 2;
    case 'n': out += '\n'; return p + 2;
    case 'r': out += '\r'; return p + 2;
    case 't': out += '\t'; return p + 2;
    case 'u': break;
    default: out += p[1]; return p + 2;
  }
  const char32_t high = unicode_escape(p);
  p += 6;
  if (high >= 0xD800 && high < 0xDC00 && end - p >= 6 && p[0] == '\\' && p[1] == 'u') {
    const char32_t low = unicode_escape(p);
    if (low >= 0xDC00 && low < 0xE000) {
      append_rune(out, 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00));
      return p + 6;
    }
  }
  append_rune(out, high);  // A lone surrogate turns into U+FFFD.
  return p;
}

/// The inside of a well-formed string without its escapes, and as UTF-8.
void unescape(std::string& out, std::string_view inside) {
  const char* p = inside.data();
  const char* const end = p + inside.size();
  while (p != end) {
    const char* run = p;
    while (p != end && *p != '\\' && static_cast<unsigned char>(*p) < 0x80) ++p;
    out.append(run, p);
    if (p == end) return;
    if (*p == '\\') {
      p = append_unescaped(out, p, end);
      continue;
    }
    const Rune rune = decode_rune({p, static_cast<std::size_t>(end - p)});
    append_rune(out, rune.value);
    p += rune.bytes;
  }
}

bool is_plain(std::string_view inside) noexcept {
  for (const char c : inside) {
    if (c == '\\' || static_cast<unsigned char>(c) >= 0x80) return false;
  }
  return true;
}

std::string_view between(const char* p, const char* end) noexcept {
  return {p, static_cast<std::size_t>(end - p)};
}

}  // namespace

bool is_valid(std::string_view text) noexcept {
  const char* const start = text.data();
  const char* const end = start + text.size();
  const char* p = skip_value(skip_space(start, end), end);
  return p != nullptr && skip_space(p, end) == end;
}

std::optional<std::string_view> first_value(std::string_view text) noexcept {
  const char* const from = text.data();
  const char* const end = from + text.size();
  const char* const start = skip_space(from, end);
  const char* const behind = skip_value(start, end);
  if (behind == nullptr) return std::nullopt;
  return between(start, behind);
}

bool append_compact(std::string& out, std::string_view text, Html html) {
  if (!is_valid(text)) return false;
  out.reserve(out.size() + text.size());
  const char* p = text.data();
  const char* const end = p + text.size();
  while (p != end) {
    const char* run = p;
    if (*p == '"') {
      p = skip_string(p, end);
      if (html == Html::escape) {
        detail::append_html_escaped(out, between(run, p));
      } else {
        out.append(run, p);
      }
      continue;
    }
    while (p != end && !is_space(*p) && *p != '"') ++p;
    out.append(run, p);
    p = skip_space(p, end);
  }
  return true;
}

Type type_of(std::string_view raw) noexcept {
  raw = trimmed_left(raw);
  if (raw.empty()) return Type::invalid;
  switch (raw[0]) {
    case '{': return Type::object;
    case '[': return Type::array;
    case '"': return Type::string;
    case 't':
    case 'f': return Type::boolean;
    case 'n': return Type::null;
    default: return raw[0] == '-' || is_digit(raw[0]) ? Type::number : Type::invalid;
  }
}

std::optional<std::string> string_value(std::string_view raw) {
  std::string out;
  const auto view = string_view_value(raw, out);
  if (!view) return std::nullopt;
  if (view->data() != out.data()) out.assign(*view);
  return out;
}

std::optional<std::string_view> string_view_value(std::string_view raw, std::string& scratch) {
  if (raw.empty() || raw[0] != '"') return std::nullopt;
  const char* const start = raw.data();
  const char* const end = start + raw.size();
  if (skip_string(start, end) != end) return std::nullopt;
  const std::string_view inside = raw.substr(1, raw.size() - 2);
  if (is_plain(inside)) return inside;
  scratch.clear();
  unescape(scratch, inside);
  return scratch;
}

std::optional<bool> bool_value(std::string_view raw) noexcept {
  if (raw == "true") return true;
  if (raw == "false") return false;
  return std::nullopt;
}

std::optional<std::int64_t> int_value(std::string_view raw) noexcept {
  return type_of(raw) == Type::number ? parse_int<std::int64_t>(raw) : std::nullopt;
}

std::optional<double> double_value(std::string_view raw) noexcept {
  return type_of(raw) == Type::number ? parse_double(raw) : std::nullopt;
}

ObjectReader::ObjectReader(std::string_view text) noexcept : rest_(trimmed_left(text)) {}

bool ObjectReader::fail() noexcept {
  state_ = State::failed;
  return false;
}

bool ObjectReader::key_is(std::string_view name) const noexcept { return equals_fold(key_, name); }

bool ObjectReader::next() {
  if (state_ == State::done || state_ == State::failed) return false;
  const char* p = rest_.data();
  const char* const end = p + rest_.size();
  const bool first = state_ == State::first;
  if (!first) p = skip_space(p, end);
  if (p == end) return fail();
  const bool closed = !first && *p == '}';
  if (!closed && *p != (first ? '{' : ',')) return fail();
  p = skip_space(p + 1, end);
  if (closed || (first && p != end && *p == '}')) {
    if (!closed) p = skip_space(p + 1, end);
    if (p != end) return fail();
    state_ = State::done;
    return false;
  }
  const char* const key = p;
  const char* const value = skip_key(p, end);
  if (value == nullptr) return fail();
  const char* const behind = skip_value(value, end);
  if (behind == nullptr) return fail();
  const auto name = string_view_value(between(key, skip_string(key, end)), scratch_);
  key_ = *name;
  value_ = between(value, behind);
  rest_ = between(behind, end);
  state_ = State::more;
  return true;
}

ArrayReader::ArrayReader(std::string_view text) noexcept : rest_(trimmed_left(text)) {}

bool ArrayReader::fail() noexcept {
  state_ = ObjectReader::State::failed;
  return false;
}

bool ArrayReader::next() {
  using State = ObjectReader::State;
  if (state_ == State::done || state_ == State::failed) return false;
  const char* p = rest_.data();
  const char* const end = p + rest_.size();
  const bool first = state_ == State::first;
  if (!first) p = skip_space(p, end);
  if (p == end) return fail();
  const bool closed = !first && *p == ']';
  if (!closed && *p != (first ? '[' : ',')) return fail();
  p = skip_space(p + 1, end);
  if (closed || (first && p != end && *p == ']')) {
    if (!closed) p = skip_space(p + 1, end);
    if (p != end) return fail();
    state_ = State::done;
    return false;
  }
  const char* const behind = skip_value(p, end);
  if (behind == nullptr) return fail();
  value_ = between(p, behind);
  rest_ = between(behind, end);
  state_ = State::more;
  return true;
}

std::optional<std::string_view> member(std::string_view object, std::string_view key) {
  std::optional<std::string_view> found;
  ObjectReader members(object);
  while (members.next()) {
    if (members.key() == key) found = members.value();
  }
  return members.ok() ? found : std::nullopt;
}

}  // namespace outrigger::json
