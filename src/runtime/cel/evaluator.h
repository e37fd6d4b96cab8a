#pragma once

#include <span>
#include <string_view>

#include "runtime/cel/ast.h"
#include "runtime/cel/budget.h"
#include "runtime/cel/value.h"

namespace outrigger::cel {

/// What an expression may name. Views outlive the evaluation.
struct Binding {
  std::string_view name;
  Value value;
};

/// Evaluates a checked tree that has `slots` comprehension variables. The value may be an error.
[[nodiscard]] Value evaluate(const Node& root, int slots, std::span<const Binding> bindings,
                             Budget& budget);

}  // namespace outrigger::cel
