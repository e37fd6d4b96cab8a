#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace outrigger::runtime::state {

/// What of a text must be JSON: all of it (Go's json.Unmarshal), or its beginning (json.Decoder,
/// which reads one value and looks at nothing behind it).
enum class JsonExtent : std::uint8_t { whole, first_value };

/// What is wrong with the text in the words of Go's decoder, which clients of upstream may compare:
/// "invalid character 'x' looking for beginning of value". nullopt if nothing is.
[[nodiscard]] std::optional<std::string> json_syntax_error(std::string_view text,
                                                           JsonExtent extent);

}  // namespace outrigger::runtime::state
