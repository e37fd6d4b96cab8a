#pragma once

#include <string>
#include <string_view>

/// Numbers and strings as Go writes them, where upstream turns YAML into text that users see.
namespace outrigger {

/// strconv.FormatFloat(value, 'g', -1, 32): the shortest form of the single-precision value.
[[nodiscard]] std::string go_general(float value);
/// A finite number as encoding/json writes it: 1e+21 and 1e-7 in exponent form, 100000 in full.
[[nodiscard]] std::string go_json_number(double value);
/// A JSON string as encoding/json writes it: < > & U+2028 U+2029 escaped, ill-formed UTF-8
/// replaced.
void append_go_json_string(std::string& out, std::string_view text);

}  // namespace outrigger
