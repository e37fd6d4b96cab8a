#include "security/jwt/signature.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

namespace outrigger::security::jwt {
namespace {

using x509::Freer;
using ContextPtr = std::unique_ptr<EVP_MD_CTX, Freer<EVP_MD_CTX_free>>;
using EcdsaPtr = std::unique_ptr<ECDSA_SIG, Freer<ECDSA_SIG_free>>;

const EVP_MD* hash_of(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::rs256:
    case Algorithm::ps256:
    case Algorithm::es256: return EVP_sha256();
    case Algorithm::rs384:
    case Algorithm::ps384:
    case Algorithm::es384: return EVP_sha384();
    case Algorithm::rs512:
    case Algorithm::ps512:
    case Algorithm::es512: return EVP_sha512();
    case Algorithm::eddsa: break;
  }
  return nullptr;
}

bool is_pss(Algorithm algorithm) {
  return algorithm == Algorithm::ps256 || algorithm == Algorithm::ps384 ||
         algorithm == Algorithm::ps512;
}

/// Bytes of r and of s; 0 for what is not ECDSA.
std::size_t half_of(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::es256: return 32;
    case Algorithm::es384: return 48;
    case Algorithm::es512: return 66;
    default: return 0;
  }
}

bool pad(EVP_PKEY_CTX* context, Algorithm algorithm) {
  if (!is_pss(algorithm)) return true;
  return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) > 0 &&
         EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) > 0;
}

const unsigned char* data(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

Result<std::string> to_halves(std::string_view der, std::size_t half) {
  const unsigned char* bytes = data(der);
  const EcdsaPtr signature(d2i_ECDSA_SIG(nullptr, &bytes, static_cast<long>(der.size())));
  std::string halves(2 * half, '\0');
  auto* const out = reinterpret_cast<unsigned char*>(halves.data());
  const int size = static_cast<int>(half);
  const bool done = signature &&
                    BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), out, size) == size &&
                    BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), out + half, size) == size;
  if (!done) return x509::library_failure("could not encode the signature");
  return halves;
}

std::optional<std::string> to_der(std::string_view halves, std::size_t half) {
  if (halves.size() != 2 * half) return std::nullopt;
  const EcdsaPtr signature(ECDSA_SIG_new());
  BIGNUM* const r = BN_bin2bn(data(halves), static_cast<int>(half), nullptr);
  BIGNUM* const s = BN_bin2bn(data(halves) + half, static_cast<int>(half), nullptr);
  ECDSA_SIG_set0(signature.get(), r, s);
  unsigned char* bytes = nullptr;
  const int size = i2d_ECDSA_SIG(signature.get(), &bytes);
  if (size <= 0) return std::nullopt;
  std::string der(reinterpret_cast<char*>(bytes), static_cast<std::size_t>(size));
  OPENSSL_free(bytes);
  return der;
}

}  // namespace

Result<std::string> make_signature(std::string_view bytes, const x509::PrivateKey& key,
                                   Algorithm algorithm) {
  if (!fits(algorithm, key.type())) {
    return fail(Code::invalid_argument, "a key of type " + std::string(to_string(key.type())) +
                                            " does not sign with " +
                                            std::string(to_string(algorithm)));
  }
  const ContextPtr context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* settings = nullptr;
  std::size_t size = 0;
  const bool sized = context &&
                     EVP_DigestSignInit(context.get(), &settings, hash_of(algorithm), nullptr,
                                        key.handle()) == 1 &&
                     pad(settings, algorithm) &&
                     EVP_DigestSign(context.get(), nullptr, &size, data(bytes), bytes.size()) == 1;
  std::string signature(size, '\0');
  const bool made =
      sized && EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()),
                              &size, data(bytes), bytes.size()) == 1;
  if (!made) return x509::library_failure("could not sign");
  signature.resize(size);
  if (const std::size_t half = half_of(algorithm); half != 0) return to_halves(signature, half);
  return signature;
}

bool is_signature(std::string_view bytes, std::string_view signature, const x509::PublicKey& key,
                  Algorithm algorithm) {
  if (!fits(algorithm, key.type())) return false;
  std::string der;
  if (const std::size_t half = half_of(algorithm); half != 0) {
    auto encoded = to_der(signature, half);
    if (!encoded) return false;
    der = *std::move(encoded);
    signature = der;
  }
  const ContextPtr context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* settings = nullptr;
  const bool valid = context &&
                     EVP_DigestVerifyInit(context.get(), &settings, hash_of(algorithm), nullptr,
                                          key.handle()) == 1 &&
                     pad(settings, algorithm) &&
                     EVP_DigestVerify(context.get(), data(signature), signature.size(), data(bytes),
                                      bytes.size()) == 1;
  x509::forget_library_errors();
  return valid;
}

}  // namespace outrigger::security::jwt
