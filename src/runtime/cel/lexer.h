#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace outrigger::cel {

enum class TokenKind : std::uint8_t {
  end,
  identifier,
  integer,
  unsigned_integer,
  real,
  text,
  bytes,
  punctuation,  ///< An operator, a bracket, or one of the words in, true, false, null.
};

struct Token {
  TokenKind kind = TokenKind::end;
  std::string_view source;  ///< As written.
  std::string content;      ///< Of text and bytes: without quotes, escapes decoded.
  std::size_t offset = 0;   ///< In bytes from the start of the expression.
};

/// Splits an expression into tokens. `source` must outlive the lexer and be valid UTF-8.
class Lexer {
 public:
  explicit Lexer(std::string_view source) noexcept : source_(source) {}
  /// The next token; kind `end` after the last. Code::invalid_argument for what is no token.
  Result<Token> next();

 private:
  [[nodiscard]] char peek(std::size_t ahead = 0) const noexcept {
    return at_ + ahead < source_.size() ? source_[at_ + ahead] : '\0';
  }
  void skip_blanks() noexcept;
  Token token(TokenKind kind, std::size_t size);
  Token number();
  Result<Token> quoted(std::size_t prefix, bool raw, bool bytes);

  std::string_view source_;
  std::size_t at_ = 0;
};

}  // namespace outrigger::cel
