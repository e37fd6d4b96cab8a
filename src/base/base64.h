#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace outrigger {

/// The alphabets of RFC 4648: `standard` has + and /, `url` has - and _.
enum class Base64Alphabet : std::uint8_t { standard, url };
enum class Base64Padding : std::uint8_t { padded, raw };

[[nodiscard]] std::string base64_encode(std::string_view bytes,
                                        Base64Alphabet alphabet = Base64Alphabet::standard,
                                        Base64Padding padding = Base64Padding::padded);
void append_base64(std::string& out, std::string_view bytes,
                   Base64Alphabet alphabet = Base64Alphabet::standard,
                   Base64Padding padding = Base64Padding::padded);

/// The bytes, or nullopt if the text is not exactly of that form. As Go's decoders do, line ends
/// are skipped and unused low bits of the last character may be anything.
[[nodiscard]] std::optional<std::string> base64_decode(
    std::string_view text, Base64Alphabet alphabet = Base64Alphabet::standard,
    Base64Padding padding = Base64Padding::padded);

/// Either alphabet, with or without padding: for what clients and brokers send (protobuf JSON,
/// gRPC "-bin" metadata).
[[nodiscard]] std::optional<std::string> base64_decode_any(std::string_view text);

}  // namespace outrigger
