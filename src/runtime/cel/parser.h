#pragma once

#include <string_view>

#include "base/result.h"
#include "runtime/cel/ast.h"

namespace outrigger::cel {

/// Limits of an expression; the first two are cel-go's.
inline constexpr std::size_t kSourceCodePointsMax = 100'000;
inline constexpr int kDepthMax = 250;

/// The tree of an expression, macros expanded to comprehensions, nothing checked.
/// Code::invalid_argument with the place of the fault.
Result<NodePtr> parse(std::string_view source);

}  // namespace outrigger::cel
