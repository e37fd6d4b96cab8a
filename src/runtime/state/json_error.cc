#include "runtime/state/json_error.h"

#include <array>
#include <vector>

#include "base/json.h"
#include "base/strings.h"

namespace outrigger::runtime::state {
namespace {

constexpr bool is_space(char c) noexcept { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

/// The byte as Go quotes it: a rune of Latin-1 between single quotes.
std::string quoted_byte(char c) {
  if (c == '\'') return R"('\'')";
  if (c == '"') return R"('"')";
  std::string rune;
  append_rune(rune, static_cast<unsigned char>(c));
  std::string text = outrigger::quoted(rune);
  text.front() = '\'';
  text.back() = '\'';
  return text;
}

/// Walks over one value and stops at the first byte that cannot stand where it does.
class Scanner {
 public:
  explicit Scanner(std::string_view text) noexcept : text_(text) {}

  std::optional<std::string> scan(JsonExtent extent) {
    skip_space();
    if (at_end()) return extent == JsonExtent::whole ? kUnmarshalEnd : "EOF";
    if (!scan_value()) return error(extent);
    if (extent == JsonExtent::first_value) return std::nullopt;
    skip_space();
    if (at_end()) return std::nullopt;
    refuse("after top-level value");
    return error(extent);
  }

 private:
  static constexpr const char* kUnmarshalEnd = "unexpected end of JSON input";

  [[nodiscard]] bool at_end() const noexcept { return at_ == text_.size(); }
  [[nodiscard]] char peek() const noexcept { return text_[at_]; }
  void skip_space() noexcept {
    while (!at_end() && is_space(peek())) ++at_;
  }
  bool refuse(std::string_view context) {
    if (at_end()) return false;
    message_ = "invalid character " + quoted_byte(peek()) + " " + std::string(context);
    return false;
  }
  [[nodiscard]] std::string error(JsonExtent extent) const {
    if (!message_.empty()) return message_;
    return extent == JsonExtent::whole ? kUnmarshalEnd : "unexpected EOF";
  }

  /// One value and, without recursion, all that is inside it.
  bool scan_value() {
    bool begins_value = true;
    do {
      if (begins_value && !scan_begin()) return false;
      if (nested_.empty()) return true;
      if (!scan_after(begins_value)) return false;
    } while (!nested_.empty() || begins_value);
    return true;
  }

  /// A scalar, an empty container, or what stands before a container's first value.
  bool scan_begin() {
    for (;;) {
      skip_space();
      if (at_end()) return false;
      const char c = peek();
      if (c != '{' && c != '[') return scan_scalar();
      if (nested_.size() == static_cast<std::size_t>(json::kDepthMax)) {
        message_ = "exceeded max depth";
        return false;
      }
      ++at_;
      nested_.push_back(c == '{');
      skip_space();
      if (at_end()) return false;
      if (peek() == (c == '{' ? '}' : ']')) return true;  // scan_after() closes it.
      if (c == '{' && !scan_key()) return false;
    }
  }

  /// Behind a value: closes containers until another value must come. `again`: it must.
  bool scan_after(bool& again) {
    again = false;
    while (!nested_.empty()) {
      skip_space();
      if (at_end()) return false;
      const bool object = nested_.back();
      if (peek() == (object ? '}' : ']')) {
        ++at_;
        nested_.pop_back();
        continue;
      }
      if (peek() != ',') {
        return refuse(object ? "after object key:value pair" : "after array element");
      }
      ++at_;
      again = true;
      return !object || scan_key();
    }
    return true;
  }

  bool scan_key() {
    skip_space();
    if (at_end() || peek() != '"') return refuse("looking for beginning of object key string");
    if (!scan_string()) return false;
    skip_space();
    if (at_end() || peek() != ':') return refuse("after object key");
    ++at_;
    return true;
  }

  bool scan_scalar() {
    switch (peek()) {
      case '"': return scan_string();
      case 't': return scan_word("true");
      case 'f': return scan_word("false");
      case 'n': return scan_word("null");
      default: break;
    }
    if (peek() == '-' || is_digit(peek())) return scan_number();
    return refuse("looking for beginning of value");
  }

  bool scan_word(std::string_view word) {
    for (const char expected : word) {
      if (at_end() || peek() != expected) {
        return refuse("in literal " + std::string(word) + " (expecting " + quoted_byte(expected) +
                      ")");
      }
      ++at_;
    }
    return true;
  }

  bool scan_digits(std::string_view context) {
    if (at_end() || !is_digit(peek())) return refuse(context);
    while (!at_end() && is_digit(peek())) ++at_;
    return true;
  }

  bool scan_number() {
    if (peek() == '-') ++at_;
    if (!at_end() && peek() == '0') {
      ++at_;
    } else if (!scan_digits("in numeric literal")) {
      return false;
    }
    if (!at_end() && peek() == '.') {
      ++at_;
      if (!scan_digits("after decimal point in numeric literal")) return false;
    }
    if (!at_end() && (peek() == 'e' || peek() == 'E')) {
      ++at_;
      if (!at_end() && (peek() == '+' || peek() == '-')) ++at_;
      if (!scan_digits("in exponent of numeric literal")) return false;
    }
    return true;
  }

  bool scan_escape() {
    if (at_end()) return false;
    constexpr std::string_view kEscapes = "bfnrt\\/\"";
    if (kEscapes.find(peek()) != std::string_view::npos) {
      ++at_;
      return true;
    }
    if (peek() != 'u') return refuse("in string escape code");
    ++at_;
    for (int i = 0; i < 4; ++i, ++at_) {
      const bool hex =
          !at_end() && (is_digit(peek()) || (to_lower(peek()) >= 'a' && to_lower(peek()) <= 'f'));
      if (!hex) return refuse("in \\u hexadecimal character escape");
    }
    return true;
  }

  bool scan_string() {
    ++at_;
    while (!at_end()) {
      const char c = peek();
      if (static_cast<unsigned char>(c) < 0x20) return refuse("in string literal");
      ++at_;
      if (c == '"') return true;
      if (c == '\\' && !scan_escape()) return false;
    }
    return false;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::vector<bool> nested_;
  std::string message_;
};

}  // namespace

std::optional<std::string> json_syntax_error(std::string_view text, JsonExtent extent) {
  // Well-formed text, nearly all there is, costs one quick pass.
  const bool fine =
      extent == JsonExtent::whole ? json::is_valid(text) : json::first_value(text).has_value();
  if (fine) return std::nullopt;
  auto message = Scanner(text).scan(extent);
  // The two disagree on nothing that is known; if they ever do, the text is not trusted.
  return message ? std::move(message) : std::optional<std::string>("invalid JSON");
}

}  // namespace outrigger::runtime::state
