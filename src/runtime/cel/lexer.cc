#include "runtime/cel/lexer.h"

#include "base/strings.h"

namespace outrigger::cel {
namespace {

constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
constexpr bool is_letter(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
constexpr int hex_digit(char c) noexcept {
  if (is_digit(c)) return c - '0';
  const char lower = to_lower(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

std::unexpected<Error> bad(std::string what, std::size_t offset) {
  return fail(Code::invalid_argument, what + " at offset " + std::to_string(offset));
}

// Digits in a base at the front of `text`; dropped from it. -1 if there are too few.
std::int64_t take_digits(std::string_view& text, std::size_t count, int base) noexcept {
  if (text.size() < count) return -1;
  std::int64_t value = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const int digit = hex_digit(text[i]);
    if (digit < 0 || digit >= base) return -1;
    value = value * base + digit;
  }
  text.remove_prefix(count);
  return value;
}

// One escape, `text` begins after the backslash. False if there is no such escape.
bool append_escape(std::string& out, std::string_view& text, bool bytes) {
  if (text.empty()) return false;
  constexpr std::string_view kFrom = "abfnrtv\\'\"`?";
  constexpr std::string_view kTo = "\a\b\f\n\r\t\v\\'\"`?";
  const char c = text.front();
  if (const auto known = kFrom.find(c); known != std::string_view::npos) {
    out.push_back(kTo[known]);
    text.remove_prefix(1);
    return true;
  }
  std::int64_t value = -1;
  if (c >= '0' && c <= '3') {
    value = take_digits(text, 3, 8);
  } else if (c == 'x' || c == 'X') {
    text.remove_prefix(1);
    value = take_digits(text, 2, 16);
  } else if ((c == 'u' || c == 'U') && !bytes) {
    text.remove_prefix(1);
    value = take_digits(text, c == 'u' ? 4 : 8, 16);
  }
  if (value < 0 || value > 0x10FFFF) return false;
  if (bytes) {
    out.push_back(static_cast<char>(value));
  } else {
    const bool surrogate = value >= 0xD800 && value < 0xE000;
    append_rune(out, surrogate ? 0xFFFD : static_cast<char32_t>(value));
  }
  return true;
}

// Line ends become \n, escapes (unless raw) what they mean.
bool decode(std::string& out, std::string_view body, bool raw, bool bytes) {
  while (!body.empty()) {
    const char c = body.front();
    body.remove_prefix(1);
    if (c == '\\' && !raw) {
      if (!append_escape(out, body, bytes)) return false;
    } else if (c == '\r') {
      if (body.starts_with('\n')) body.remove_prefix(1);
      out.push_back('\n');
    } else {
      out.push_back(c);
    }
  }
  return true;
}

}  // namespace

void Lexer::skip_blanks() noexcept {
  for (;;) {
    const char c = peek();
    if (at_ < source_.size() && (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f')) {
      ++at_;
    } else if (c == '/' && peek(1) == '/') {
      while (at_ < source_.size() && source_[at_] != '\n') ++at_;
    } else {
      return;
    }
  }
}

Token Lexer::token(TokenKind kind, std::size_t size) {
  Token result;
  result.kind = kind;
  result.source = source_.substr(at_, size);
  result.offset = at_;
  at_ += size;
  return result;
}

Result<Token> Lexer::next() {
  skip_blanks();
  if (at_ >= source_.size()) return token(TokenKind::end, 0);
  const char c = peek();
  if (is_digit(c) || (c == '.' && is_digit(peek(1)))) return number();
  if (c == '"' || c == '\'') return quoted(0, false, false);
  if (is_letter(c)) {
    const bool bytes = c == 'b' || c == 'B';
    const char after = bytes ? peek(1) : c;
    const bool raw = after == 'r' || after == 'R';
    const std::size_t prefix = (bytes ? 1 : 0) + (raw ? 1 : 0);
    const char quote = prefix == 0 ? '\0' : peek(prefix);
    if (quote == '"' || quote == '\'') return quoted(prefix, raw, bytes);
    std::size_t size = 1;
    while (is_letter(peek(size)) || is_digit(peek(size))) ++size;
    const std::string_view word = source_.substr(at_, size);
    const bool reserved = word == "in" || word == "true" || word == "false" || word == "null";
    return token(reserved ? TokenKind::punctuation : TokenKind::identifier, size);
  }
  constexpr std::string_view kPairs[] = {"==", "!=", "<=", ">=", "&&", "||"};
  for (const std::string_view pair : kPairs) {
    if (source_.substr(at_).starts_with(pair)) return token(TokenKind::punctuation, 2);
  }
  constexpr std::string_view kSingles = "<>[]{}().,-!?:+*/%";
  if (kSingles.contains(c)) return token(TokenKind::punctuation, 1);
  return bad("token recognition error", at_);
}

Token Lexer::number() {
  std::size_t size = 0;
  const auto digits = [&] {
    while (is_digit(peek(size))) ++size;
  };
  if (peek() == '0' && peek(1) == 'x' && hex_digit(peek(2)) >= 0) {
    size = 2;
    while (hex_digit(peek(size)) >= 0) ++size;
  } else {
    digits();
    bool real = false;
    if (peek(size) == '.' && is_digit(peek(size + 1))) {
      ++size;
      digits();
      real = true;
    }
    if (to_lower(peek(size)) == 'e') {
      const std::size_t sign = peek(size + 1) == '+' || peek(size + 1) == '-' ? 1 : 0;
      if (is_digit(peek(size + 1 + sign))) {
        size += 1 + sign;
        digits();
        real = true;
      }
    }
    if (real) return token(TokenKind::real, size);
  }
  if (to_lower(peek(size)) == 'u') return token(TokenKind::unsigned_integer, size + 1);
  return token(TokenKind::integer, size);
}

Result<Token> Lexer::quoted(std::size_t prefix, bool raw, bool bytes) {
  const std::string_view rest = source_.substr(at_ + prefix);
  const std::string triple(3, rest.front());
  const bool long_form = rest.starts_with(triple);
  const std::string_view end = long_form ? std::string_view(triple) : rest.substr(0, 1);
  std::size_t i = end.size();
  for (; i < rest.size() && !rest.substr(i).starts_with(end); ++i) {
    if (rest[i] == '\\' && !raw) {
      ++i;
    } else if (!long_form && (rest[i] == '\n' || rest[i] == '\r')) {
      return bad("a string ends before its quote", at_);
    }
  }
  if (i >= rest.size()) return bad("a string has no closing quote", at_);
  const std::string_view body = rest.substr(end.size(), i - end.size());
  Token result = token(bytes ? TokenKind::bytes : TokenKind::text, prefix + i + end.size());
  if (!decode(result.content, body, raw, bytes)) {
    return bad("a string has an unknown escape", result.offset);
  }
  return result;
}

}  // namespace outrigger::cel
