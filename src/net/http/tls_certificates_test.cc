#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "net/http/tls_testing.h"

namespace outrigger::net {

std::pair<std::string, std::string> self_signed(const char* type) {
  EVP_PKEY* key = std::string_view(type) == "EC"
                      ? EVP_PKEY_Q_keygen(nullptr, nullptr, type, "P-256")
                      : EVP_PKEY_Q_keygen(nullptr, nullptr, type);
  X509* cert = X509_new();
  X509_set_version(cert, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
  X509_gmtime_adj(X509_getm_notBefore(cert), -60);
  X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
  X509_set_pubkey(cert, key);
  X509_NAME* name = X509_get_subject_name(cert);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("test.local"), -1, -1, 0);
  X509_set_issuer_name(cert, name);
  X509_EXTENSION* san =
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, "DNS:test.local");
  X509_add_ext(cert, san, -1);
  X509_EXTENSION_free(san);
  X509_sign(cert, key, std::string_view(type) == "EC" ? EVP_sha256() : nullptr);
  auto text = [](auto write) {
    BIO* bio = BIO_new(BIO_s_mem());
    write(bio);
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio, &data);
    std::string out(data, static_cast<std::size_t>(size));
    BIO_free(bio);
    return out;
  };
  auto result = std::pair(text([&](BIO* bio) { PEM_write_bio_X509(bio, cert); }), text([&](BIO* b) {
                            PEM_write_bio_PrivateKey(b, key, nullptr, nullptr, 0, nullptr, nullptr);
                          }));
  X509_free(cert);
  EVP_PKEY_free(key);
  return result;
}

}  // namespace outrigger::net
