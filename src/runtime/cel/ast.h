#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "runtime/cel/functions.h"
#include "runtime/cel/regex.h"
#include "runtime/cel/value.h"

namespace outrigger::cel {

enum class Macro : std::uint8_t { all, exists, exists_one, map, filter };

/// A node of an expression. The parser builds it; the checker fills in what is marked so.
struct Node {
  enum class Kind : std::uint8_t {
    literal,
    identifier,
    select,
    /// has(operand.field).
    has,
    call,
    list,
    /// Arguments are key, value, key, value, ...
    map,
    /// Arguments are the range and one or two expressions over the variable `name`.
    comprehension,
  };

  Kind kind = Kind::literal;
  Macro macro = Macro::all;
  /// A call of the form target.name(...): the target is the first argument.
  bool member = false;
  /// An operator: `function` is set by the parser, `name` is that of its overloads.
  bool op = false;
  /// An identifier written with a leading dot: never a comprehension's variable.
  bool absolute = false;
  /// Of the longest way down to a leaf.
  int depth = 1;
  /// Of a comprehension and of an identifier that names its variable: which one, outermost 0.
  /// -1 for a variable of the activation. Set by the checker.
  int slot = -1;
  /// Of a call; set by the checker unless `op`.
  Function function = Function::equals;
  std::size_t offset = 0;
  std::string name;
  Value literal;
  std::vector<std::unique_ptr<Node>> arguments;
  /// The pattern of matches() if it is a literal.
  std::unique_ptr<Regex> regex;
};

using NodePtr = std::unique_ptr<Node>;

}  // namespace outrigger::cel
