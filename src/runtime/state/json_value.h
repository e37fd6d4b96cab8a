#pragma once

#include <string>
#include <string_view>

namespace outrigger::runtime::state {

/// Appends a JSON value as upstream stores what it was sent: decoded and encoded again by Go. So
/// there is no white space, members are sorted by key and of equal keys the last one stays, strings
/// have the escapes that Go writes (< > & among them), and 1.50 is 1.5. Unlike upstream, numbers of
/// more than 15 digits keep all of them.
/// `raw` must be valid JSON without white space around. False, with `out` as it was, if a number
/// with fraction or exponent is too large for a double: upstream refuses it; `number` is it then.
[[nodiscard]] bool append_value(std::string& out, std::string_view raw, std::string_view& number);

}  // namespace outrigger::runtime::state
