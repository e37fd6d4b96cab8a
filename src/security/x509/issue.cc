#include <algorithm>

#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/random.h"
#include "security/x509/certificate.h"

namespace outrigger::security::x509 {
namespace {

using NamePtr = std::unique_ptr<X509_NAME, Freer<X509_NAME_free>>;
using NamesPtr = std::unique_ptr<GENERAL_NAMES, Freer<GENERAL_NAMES_free>>;
using GeneralNamePtr = std::unique_ptr<GENERAL_NAME, Freer<GENERAL_NAME_free>>;
using NumberPtr = std::unique_ptr<BIGNUM, Freer<BN_free>>;
using ExtensionPtr = std::unique_ptr<X509_EXTENSION, Freer<X509_EXTENSION_free>>;

constexpr std::size_t kSerialBytes = 16;

const EVP_MD* hash_of(const PrivateKey& key) {
  switch (key.type()) {
    case KeyType::ed25519: return nullptr;  // Has its own inside.
    case KeyType::p384: return EVP_sha384();
    case KeyType::p521: return EVP_sha512();
    case KeyType::p256:
    case KeyType::rsa: break;
  }
  return EVP_sha256();
}

bool set_serial(X509* certificate) {
  const std::string bytes = secure_random_bytes(kSerialBytes);
  const NumberPtr number(BN_bin2bn(reinterpret_cast<const unsigned char*>(bytes.data()),
                                   static_cast<int>(bytes.size()), nullptr));
  return number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

bool set_time(ASN1_TIME* field, WallTime time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
  return ASN1_TIME_set(field, seconds) != nullptr;
}

bool add_to_name(X509_NAME* name, int field, const std::string& text) {
  if (text.empty()) return true;
  const auto* const bytes = reinterpret_cast<const unsigned char*>(text.data());
  // The bytes as they are: as MBSTRING_UTF8 the library would hold them to the 64 characters of
  // X.520, which the SPIFFE id of an issuer may exceed.
  return X509_NAME_add_entry_by_NID(name, field, V_ASN1_UTF8STRING, bytes,
                                    static_cast<int>(text.size()), -1, 0) == 1;
}

bool set_subject(X509* certificate, const Template::Subject& subject) {
  const NamePtr name(X509_NAME_new());
  return name && add_to_name(name.get(), NID_organizationName, subject.organization) &&
         add_to_name(name.get(), NID_commonName, subject.common_name) &&
         X509_set_subject_name(certificate, name.get()) == 1;
}

/// An extension from the library's own words for it; never from anyone's input.
bool add_extension(X509* certificate, X509V3_CTX* context, int kind, const char* words) {
  const ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, context, kind, words));
  return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

bool add_names(GENERAL_NAMES* names, int kind, const std::vector<std::string>& texts) {
  return std::ranges::all_of(texts, [&](const std::string& text) {
    GeneralNamePtr name(GENERAL_NAME_new());
    ASN1_IA5STRING* const value = ASN1_IA5STRING_new();
    if (!name || value == nullptr) return false;
    GENERAL_NAME_set0_value(name.get(), kind, value);
    return ASN1_STRING_set(value, text.data(), static_cast<int>(text.size())) == 1 &&
           sk_GENERAL_NAME_push(names, name.release()) > 0;
  });
}

bool add_alternative_names(X509* certificate, const Template& wanted) {
  if (wanted.uris.empty() && wanted.dns_names.empty()) return true;
  const NamesPtr names(GENERAL_NAMES_new());
  const bool critical = wanted.subject.organization.empty() && wanted.subject.common_name.empty();
  return names && add_names(names.get(), GEN_DNS, wanted.dns_names) &&
         add_names(names.get(), GEN_URI, wanted.uris) &&
         X509_add1_ext_i2d(certificate, NID_subject_alt_name, names.get(), critical ? 1 : 0,
                           X509V3_ADD_DEFAULT) == 1;
}

bool add_extensions(X509* certificate, const Template& wanted, X509* issuer) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const bool ca = wanted.kind == Template::Kind::ca;
  const char* const usage =
      ca ? "critical,digitalSignature,keyCertSign,cRLSign" : "critical,digitalSignature";
  bool added = add_extension(certificate, &context, NID_key_usage, usage);
  if (ca) {
    added = added &&
            add_extension(certificate, &context, NID_basic_constraints, "critical,CA:TRUE") &&
            add_extension(certificate, &context, NID_subject_key_identifier, "hash");
  } else {
    added =
        added && add_extension(certificate, &context, NID_ext_key_usage, "serverAuth,clientAuth");
  }
  // Tells one issuer from another of the same name. Old ones have no identifier of their own.
  if (added && issuer != certificate && X509_get0_subject_key_id(issuer) != nullptr) {
    added = add_extension(certificate, &context, NID_authority_key_identifier, "keyid:always");
  }
  return added && add_alternative_names(certificate, wanted);
}

/// With nothing but what every certificate of that issuer has.
std::shared_ptr<x509_st> begin(const X509* issuer, WallTime not_before, WallTime not_after,
                               EVP_PKEY* key) {
  std::shared_ptr<x509_st> certificate(X509_new(), Freer<X509_free>());
  const bool begun = certificate && X509_set_version(certificate.get(), X509_VERSION_3) == 1 &&
                     set_serial(certificate.get()) &&
                     set_time(X509_getm_notBefore(certificate.get()), not_before) &&
                     set_time(X509_getm_notAfter(certificate.get()), not_after) &&
                     X509_set_pubkey(certificate.get(), key) == 1;
  const bool named =
      begun && (issuer == nullptr ||
                X509_set_issuer_name(certificate.get(), X509_get_subject_name(issuer)) == 1);
  if (!named) certificate.reset();
  return certificate;
}

Result<Certificate> finish(std::shared_ptr<x509_st> certificate, const PrivateKey& key) {
  if (X509_sign(certificate.get(), key.handle(), hash_of(key)) <= 0) {
    return library_failure("could not sign the certificate");
  }
  return Certificate::adopt(std::move(certificate));
}

}  // namespace

Result<Certificate> issue(const Template& wanted, const PublicKey& key, const Certificate& issuer,
                          const PrivateKey& issuer_key) {
  auto made = begin(issuer.handle(), wanted.not_before, wanted.not_after, key.handle());
  const bool whole = made && set_subject(made.get(), wanted.subject) &&
                     add_extensions(made.get(), wanted, issuer.handle());
  if (!whole) return library_failure("could not make the certificate");
  return finish(std::move(made), issuer_key);
}

Result<Certificate> issue_self_signed(const Template& wanted, const PrivateKey& key) {
  auto made = begin(nullptr, wanted.not_before, wanted.not_after, key.handle());
  const bool whole = made && set_subject(made.get(), wanted.subject) &&
                     X509_set_issuer_name(made.get(), X509_get_subject_name(made.get())) == 1 &&
                     add_extensions(made.get(), wanted, made.get());
  if (!whole) return library_failure("could not make the certificate");
  return finish(std::move(made), key);
}

Result<Certificate> cross_sign(const Certificate& subject, const Certificate& issuer,
                               const PrivateKey& issuer_key) {
  OUT_TRY(const auto key, subject.public_key());
  auto made = begin(issuer.handle(), std::max(subject.not_before(), issuer.not_before()),
                    std::min(subject.not_after(), issuer.not_after()), key.handle());
  if (!made || X509_set_subject_name(made.get(), X509_get_subject_name(subject.handle())) != 1) {
    return library_failure("could not make the certificate");
  }
  for (int i = 0; i < X509_get_ext_count(subject.handle()); ++i) {
    X509_EXTENSION* const extension = X509_get_ext(subject.handle(), i);
    if (OBJ_obj2nid(X509_EXTENSION_get_object(extension)) == NID_authority_key_identifier) continue;
    if (X509_add_ext(made.get(), extension, -1) != 1) {
      return library_failure("could not copy an extension");
    }
  }
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer.handle(), made.get(), nullptr, nullptr, 0);
  if (X509_get0_subject_key_id(issuer.handle()) != nullptr &&
      !add_extension(made.get(), &context, NID_authority_key_identifier, "keyid:always")) {
    return library_failure("could not make the certificate");
  }
  return finish(std::move(made), issuer_key);
}

}  // namespace outrigger::security::x509
