#pragma once

#include <string>
#include <string_view>

#include "security/x509/key.h"

namespace outrigger::security::x509 {

/// A request for a certificate (PKCS #10), of which only the key counts here: whose it is to be is
/// said, and proved, by other means.
struct SigningRequest {
  PublicKey key;
  /// Whether the holder of the key has signed it.
  bool signature_valid = false;
};

/// Code::invalid_argument if the bytes are anything but one request.
Result<SigningRequest> parse_request(std::string_view der);

/// A request with an empty subject, in DER.
Result<std::string> make_request(const PrivateKey& key);

}  // namespace outrigger::security::x509
