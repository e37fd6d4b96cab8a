#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace outrigger::security::x509 {

/// -----BEGIN type----- ... -----END type-----, decoded.
struct PemBlock {
  std::string type;
  std::string der;
};

/// The blocks of a text in their order. What stands between them is skipped, and so are blocks
/// that are not whole or not base64, and encrypted ones (they have headers).
[[nodiscard]] std::vector<PemBlock> parse_pem(std::string_view text);

/// The block as text, 64 characters a line.
[[nodiscard]] std::string to_pem(std::string_view type, std::string_view der);

}  // namespace outrigger::security::x509
