#include "security/x509/request.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

namespace outrigger::security::x509 {
namespace {

using RequestPtr = std::unique_ptr<X509_REQ, Freer<X509_REQ_free>>;

RequestPtr decode(std::string_view der) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(der.data());
  const auto* const end = bytes + der.size();
  RequestPtr request(d2i_X509_REQ(nullptr, &bytes, static_cast<long>(der.size())));
  if (request != nullptr && bytes != end) request.reset();
  return request;
}

}  // namespace

Result<SigningRequest> parse_request(std::string_view der) {
  const RequestPtr request = decode(der);
  if (!request) return library_failure("the request cannot be read");
  std::shared_ptr<evp_pkey_st> key(X509_REQ_get_pubkey(request.get()), Freer<EVP_PKEY_free>());
  OUT_TRY(auto checked, PublicKey::adopt(std::move(key)));
  const bool valid = X509_REQ_verify(request.get(), checked.handle()) == 1;
  forget_library_errors();
  return SigningRequest{.key = std::move(checked), .signature_valid = valid};
}

Result<std::string> make_request(const PrivateKey& key) {
  const RequestPtr request(X509_REQ_new());
  // Ed25519 has its hash inside.
  const EVP_MD* const hash = key.type() == KeyType::ed25519 ? nullptr : EVP_sha256();
  unsigned char* bytes = nullptr;
  const bool made = request && X509_REQ_set_version(request.get(), X509_REQ_VERSION_1) == 1 &&
                    X509_REQ_set_pubkey(request.get(), key.handle()) == 1 &&
                    X509_REQ_sign(request.get(), key.handle(), hash) > 0;
  const int size = made ? i2d_X509_REQ(request.get(), &bytes) : 0;
  if (size <= 0) return library_failure("could not make the request");
  std::string der(reinterpret_cast<char*>(bytes), static_cast<std::size_t>(size));
  OPENSSL_free(bytes);
  return der;
}

}  // namespace outrigger::security::x509
