#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace outrigger::runtime::invoke {

/// A method as access lists and applications see it: the lexically shortest path, without a
/// leading "../"; "." is empty. Caller and callee each do this once (facts/wire_notes.md, 3).
/// Code::invalid_argument, in upstream's words, for '#', '?', NUL and control characters.
[[nodiscard]] Result<std::string> normalise_method(std::string_view method);

}  // namespace outrigger::runtime::invoke
