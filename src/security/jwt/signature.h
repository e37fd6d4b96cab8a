#pragma once

#include <string>
#include <string_view>

#include "security/jwt/jwk.h"

namespace outrigger::security::jwt {

/// A signature in the form of RFC 7518: for ECDSA r and s, one after the other. `algorithm` must
/// fit the key.
Result<std::string> make_signature(std::string_view bytes, const x509::PrivateKey& key,
                                   Algorithm algorithm);
[[nodiscard]] bool is_signature(std::string_view bytes, std::string_view signature,
                                const x509::PublicKey& key, Algorithm algorithm);

}  // namespace outrigger::security::jwt
