#include "base/secret.h"

#include <openssl/crypto.h>

namespace outrigger {

bool equals_secret(std::string_view given, std::string_view expected) noexcept {
  return given.size() == expected.size() &&
         CRYPTO_memcmp(given.data(), expected.data(), expected.size()) == 0;
}

}  // namespace outrigger
