#include "security/x509/key.h"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "security/x509/pem.h"

namespace outrigger::security::x509 {
namespace {

using KeyInfoPtr = std::unique_ptr<PKCS8_PRIV_KEY_INFO, Freer<PKCS8_PRIV_KEY_INFO_free>>;

std::shared_ptr<evp_pkey_st> own(EVP_PKEY* key) { return {key, Freer<EVP_PKEY_free>()}; }

Result<KeyType> curve_of(EVP_PKEY* key) {
  // A curve that is spelt out may have been made to be weak.
  int spelt_out = 0;
  if (EVP_PKEY_get_int_param(key, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS, &spelt_out) !=
          1 ||
      spelt_out != 0) {
    return library_failure("the curve of the key is not named");
  }
  char name[64] = {};
  std::size_t length = 0;
  if (EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, name, sizeof name, &length) !=
      1) {
    return library_failure("the curve of the key has no name");
  }
  const std::string_view curve(name, length);
  if (curve == "prime256v1" || curve == "P-256") return KeyType::p256;
  if (curve == "secp384r1" || curve == "P-384") return KeyType::p384;
  if (curve == "secp521r1" || curve == "P-521") return KeyType::p521;
  return fail(Code::invalid_argument, "keys on the curve " + std::string(curve) + " are not used");
}

Result<KeyType> type_of(EVP_PKEY* key) {
  switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_ED25519: return KeyType::ed25519;
    case EVP_PKEY_EC: return curve_of(key);
    case EVP_PKEY_RSA: break;
    default: return fail(Code::invalid_argument, "the key is neither Ed25519, ECDSA nor RSA");
  }
  const int bits = EVP_PKEY_get_bits(key);
  if (bits >= kRsaBitsMin && bits <= kRsaBitsMax) return KeyType::rsa;
  return fail(Code::invalid_argument, "an RSA key has " + std::to_string(kRsaBitsMin) + " to " +
                                          std::to_string(kRsaBitsMax) + " bits, this one " +
                                          std::to_string(bits));
}

/// PKCS #8, or the older forms of RSA and EC keys.
EVP_PKEY* decode_private(const PemBlock& block) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(block.der.data());
  const long size = static_cast<long>(block.der.size());
  if (block.type == "EC PRIVATE KEY") return d2i_PrivateKey(EVP_PKEY_EC, nullptr, &bytes, size);
  if (block.type == "RSA PRIVATE KEY") return d2i_PrivateKey(EVP_PKEY_RSA, nullptr, &bytes, size);
  const KeyInfoPtr info(d2i_PKCS8_PRIV_KEY_INFO(nullptr, &bytes, size));
  return info ? EVP_PKCS82PKEY(info.get()) : nullptr;
}

}  // namespace

std::string_view to_string(KeyType type) noexcept {
  switch (type) {
    case KeyType::ed25519: return "Ed25519";
    case KeyType::p256: return "P-256";
    case KeyType::p384: return "P-384";
    case KeyType::p521: return "P-521";
    case KeyType::rsa: break;
  }
  return "RSA";
}

Result<PublicKey> PublicKey::adopt(std::shared_ptr<evp_pkey_st> key) {
  if (key == nullptr) return library_failure("no key");
  OUT_TRY(const KeyType type, type_of(key.get()));
  return PublicKey(std::move(key), type);
}

std::string PublicKey::der() const {
  unsigned char* bytes = nullptr;
  const int size = i2d_PUBKEY(key_.get(), &bytes);
  OUT_ASSERT(size > 0);
  std::string text(reinterpret_cast<char*>(bytes), static_cast<std::size_t>(size));
  OPENSSL_free(bytes);
  return text;
}

bool PublicKey::operator==(const PublicKey& other) const noexcept {
  const bool equal = EVP_PKEY_eq(key_.get(), other.key_.get()) == 1;
  forget_library_errors();
  return equal;
}

Result<PrivateKey> PrivateKey::generate(KeyType type) {
  EVP_PKEY* made = nullptr;
  switch (type) {
    case KeyType::ed25519: made = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"); break;
    case KeyType::p256: made = EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"); break;
    case KeyType::p384: made = EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-384"); break;
    case KeyType::p521: made = EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-521"); break;
    case KeyType::rsa:
      made = EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", static_cast<std::size_t>(kRsaBitsMin));
      break;
  }
  if (made == nullptr) return library_failure("could not make a key");
  OUT_TRY(auto both, PublicKey::adopt(own(made)));
  return PrivateKey(std::move(both));
}

Result<PrivateKey> PrivateKey::parse(std::string_view pem) {
  for (const PemBlock& block : parse_pem(pem)) {
    const bool is_key = block.type == "PRIVATE KEY" || block.type == "EC PRIVATE KEY" ||
                        block.type == "RSA PRIVATE KEY";
    if (!is_key) continue;
    EVP_PKEY* const key = decode_private(block);
    if (key == nullptr) return library_failure("the private key cannot be read");
    OUT_TRY(auto both, PublicKey::adopt(own(key)));
    return PrivateKey(std::move(both));
  }
  return fail(Code::invalid_argument, "no private key in PEM");
}

std::string PrivateKey::pem() const {
  const KeyInfoPtr info(EVP_PKEY2PKCS8(handle()));
  OUT_ASSERT(info != nullptr);
  unsigned char* bytes = nullptr;
  const int size = i2d_PKCS8_PRIV_KEY_INFO(info.get(), &bytes);
  OUT_ASSERT(size > 0);
  std::string text = to_pem("PRIVATE KEY", {reinterpret_cast<char*>(bytes), std::size_t(size)});
  OPENSSL_clear_free(bytes, static_cast<std::size_t>(size));
  return text;
}

}  // namespace outrigger::security::x509
