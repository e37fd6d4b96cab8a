#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "security/x509/key.h"

/// JSON Web Keys, signatures and tokens (RFC 7515 to 7519, 8037). Immutable; for any thread.
namespace outrigger::security::jwt {

enum class Algorithm : std::uint8_t {
  rs256,
  rs384,
  rs512,
  ps256,
  ps384,
  ps512,
  es256,
  es384,
  es512,
  eddsa
};
/// "RS256", ...; nullopt for any other name, "none" and those with shared secrets among them.
[[nodiscard]] std::optional<Algorithm> parse_algorithm(std::string_view name) noexcept;
[[nodiscard]] std::string_view to_string(Algorithm algorithm) noexcept;
/// Whether a key of that type signs with it: each curve has one, RSA keys have six.
[[nodiscard]] bool fits(Algorithm algorithm, x509::KeyType type) noexcept;

/// A public key and what its owner says of it. What is not said is empty.
struct Jwk {
  x509::PublicKey key;
  std::string key_id;
  /// "sig" or "enc".
  std::string use;
  /// Set: the only algorithm that it verifies.
  std::optional<Algorithm> algorithm;
};

/// Code::invalid_argument if it is not a key of a kind that is used here. Private parts are
/// ignored.
Result<Jwk> parse_jwk(std::string_view json);
/// One JSON object.
[[nodiscard]] std::string to_json(const Jwk& key);
/// RFC 7638: SHA-256 over the required members; 32 bytes.
[[nodiscard]] std::string thumbprint(const x509::PublicKey& key);

using KeySet = std::vector<Jwk>;

/// {"keys": [...]}, or one key. Keys of other kinds are left out, as RFC 7517 wants it.
/// Code::invalid_argument if the text is neither.
Result<KeySet> parse_key_set(std::string_view json);
[[nodiscard]] std::string to_json(std::span<const Jwk> keys);

}  // namespace outrigger::security::jwt
