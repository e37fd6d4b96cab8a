#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/time_format.h"
#include "security/jwt/jwk.h"

namespace outrigger::security::jwt {

/// Longest token that is looked at.
inline constexpr std::size_t kTokenBytesMax = 64 * 1024;

/// Signs a payload as a compact JWS: header {alg, kid, typ: JWT}. `algorithm` must fit the key
/// (Code::invalid_argument); an empty key id is left out.
Result<std::string> sign(std::string_view payload, const x509::PrivateKey& key, Algorithm algorithm,
                         std::string_view key_id);

/// What a token says of itself, once its signature has been verified.
struct Claims {
  std::string issuer, subject;
  std::vector<std::string> audience;
  std::optional<WallTime> expires, not_before, issued;
  /// The whole payload: a JSON object.
  std::string json;
};

/// What a token must be.
struct Expected {
  /// One of the token's audiences must be this; empty: not looked at.
  std::string audience;
  std::string subject;
  std::string issuer;
  /// How far the clocks may differ.
  std::chrono::nanoseconds skew{0};
  WallTime now;
};

/// The claims of a compact token that a key of the set has signed. A token names its key (`kid`)
/// and an algorithm that is the key's own: a key never verifies with an algorithm that the token
/// alone chooses, and keys for encryption do not count. Code::unauthenticated says why not.
Result<Claims> verify(std::string_view token, std::span<const Jwk> keys, const Expected& expected);

/// The id of the key that a token names; nullopt if it names none or is not a token. Of a stranger
/// until it is verified.
[[nodiscard]] std::optional<std::string> key_id_of(std::string_view token);

}  // namespace outrigger::security::jwt
