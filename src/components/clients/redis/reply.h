#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace outrigger::components::redis {

/// One value of the Redis serialization protocol, version 2 or 3.
struct Reply {
  enum class Type : std::uint8_t {
    null,
    text,     ///< Simple, bulk and verbatim strings; big numbers.
    error,    ///< `text` is the whole of it: "ERR ...".
    integer,  ///< Also booleans, as 0 and 1.
    real,
    array,  ///< Also sets.
    map,    ///< `items` are keys and values in turn.
    push,   ///< Out of band: the answer to no command.
  };

  Type type = Type::null;
  std::int64_t integer = 0;
  double real = 0;
  std::string text;
  std::vector<Reply> items;

  [[nodiscard]] bool is_null() const noexcept { return type == Type::null; }
  [[nodiscard]] bool is_text() const noexcept { return type == Type::text; }
  [[nodiscard]] bool is_error() const noexcept { return type == Type::error; }
  /// An array, a set or a map (as its keys and values in turn).
  [[nodiscard]] bool is_list() const noexcept { return type == Type::array || type == Type::map; }
  /// An error whose first word is `word`.
  [[nodiscard]] bool is_error(std::string_view word) const noexcept {
    return is_error() && text.starts_with(word) &&
           (text.size() == word.size() || text[word.size()] == ' ');
  }
  /// The integer, also if it came as a string of digits; nullopt otherwise.
  [[nodiscard]] std::optional<std::int64_t> as_integer() const noexcept;
  /// The value that follows the key `name` in a map or a flat list; nullptr if there is none.
  [[nodiscard]] const Reply* find(std::string_view name) const noexcept;
};

/// What an error reply means: permission_denied for NOPERM, unauthenticated for NOAUTH and
/// WRONGPASS, unavailable for states that pass, otherwise unknown. The message is Redis's own.
[[nodiscard]] Error error_of(const Reply& reply);

/// The reply, or its error if it is one.
[[nodiscard]] Result<Reply> checked(Result<Reply> reply);

}  // namespace outrigger::components::redis
