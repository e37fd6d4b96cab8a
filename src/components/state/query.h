#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

/// The query of the state query API (alpha), read from its JSON.
namespace outrigger::components::state {

/// A JSON value that a field is compared with: null, a bool, a number, a text, or any other value
/// as compact JSON.
struct JsonText {
  std::string text;
  bool operator==(const JsonText&) const = default;
};
using Literal = std::variant<std::monostate, bool, double, std::string, JsonText>;

struct Filter {
  enum class Kind : std::uint8_t { eq, neq, gt, gte, lt, lte, in, all_of, any_of };
  Kind kind = Kind::eq;
  /// Path of the field, "person.org"; not for all_of and any_of.
  std::string key;
  /// One value; for `in` any number.
  std::vector<Literal> values;
  /// For all_of ("AND") and any_of ("OR"): two or more.
  std::vector<Filter> children;
};

struct Query {
  struct Sorting {
    std::string key;
    std::string order;  ///< As written: "ASC", "DESC" or empty.
  };
  /// Nothing or one filter.
  std::vector<Filter> filter;
  std::vector<Sorting> sort;
  std::int64_t limit = 0;  ///< 0: none.
  std::string token;
};

/// Filters deeper than this are refused: they would only serve to exhaust a stack.
inline constexpr int kFilterDepthMax = 64;

/// Code::invalid_argument says what is wrong with the JSON or the filter.
[[nodiscard]] Result<Query> parse_query(std::string_view text);

}  // namespace outrigger::components::state
