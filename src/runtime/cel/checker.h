#pragma once

#include "base/result.h"
#include "runtime/cel/ast.h"

namespace outrigger::cel {

/// Finds the meaning of every name and call and the types that are known before evaluation, and
/// refuses what can never work (1 + "a"), by the rules of cel-go's checker. A name that is not
/// declared is a variable of unknown type, as upstream's rules have it. Fills in the marked
/// fields of the nodes. The answer is how many comprehension variables are in scope at once.
Result<int> check(Node& root);

}  // namespace outrigger::cel
