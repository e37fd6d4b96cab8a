#include "security/x509/certificate.h"

#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/hex.h"
#include "security/x509/pem.h"

namespace outrigger::security::x509 {
namespace {

using NamesPtr = std::unique_ptr<GENERAL_NAMES, Freer<GENERAL_NAMES_free>>;
using NumberPtr = std::unique_ptr<BIGNUM, Freer<BN_free>>;
using BioPtr = std::unique_ptr<BIO, Freer<BIO_free_all>>;
using StorePtr = std::unique_ptr<X509_STORE, Freer<X509_STORE_free>>;
using VerificationPtr = std::unique_ptr<X509_STORE_CTX, Freer<X509_STORE_CTX_free>>;

void free_stack(STACK_OF(X509) * stack) { sk_X509_free(stack); }
using StackPtr = std::unique_ptr<STACK_OF(X509), Freer<free_stack>>;

WallTime to_time(const ASN1_TIME* time) {
  std::tm parts{};
  // Any time of the certificate's two forms is one of these, however far away.
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return WallTime::min();
  return wall_time(::timegm(&parts));
}

std::string to_text(const X509_NAME* name) {
  const BioPtr out(BIO_new(BIO_s_mem()));
  // The order of the certificate: without XN_FLAG_DN_REV.
  const unsigned long form = (XN_FLAG_RFC2253 & ~XN_FLAG_DN_REV) & ~ASN1_STRFLGS_ESC_MSB;
  X509_NAME_print_ex(out.get(), name, 0, form);
  char* text = nullptr;
  const long size = BIO_get_mem_data(out.get(), &text);
  return size > 0 ? std::string(text, static_cast<std::size_t>(size)) : std::string();
}

std::vector<std::string> alternative_names(const X509* certificate, int kind) {
  std::vector<std::string> found;
  const NamesPtr names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  forget_library_errors();
  const int count = names ? sk_GENERAL_NAME_num(names.get()) : 0;
  for (int i = 0; i < count; ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != kind) continue;
    const ASN1_IA5STRING* const text = name->d.ia5;
    found.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                       static_cast<std::size_t>(ASN1_STRING_length(text)));
  }
  return found;
}

}  // namespace

Result<Certificate> Certificate::parse_der(std::string_view der) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(der.data());
  const auto* const end = bytes + der.size();
  std::shared_ptr<x509_st> certificate(d2i_X509(nullptr, &bytes, static_cast<long>(der.size())),
                                       Freer<X509_free>());
  if (certificate == nullptr || bytes != end) return library_failure("not a certificate");
  // Reads the extensions, once: the library keeps what it found with the certificate.
  if ((X509_get_extension_flags(certificate.get()) & EXFLAG_INVALID) != 0) {
    return library_failure("a certificate with extensions that cannot be read");
  }
  forget_library_errors();
  return Certificate(std::move(certificate));
}

Certificate Certificate::adopt(std::shared_ptr<x509_st> certificate) {
  OUT_ASSERT(certificate != nullptr);
  return Certificate(std::move(certificate));
}

std::string Certificate::der() const {
  unsigned char* bytes = nullptr;
  const int size = i2d_X509(handle(), &bytes);
  OUT_ASSERT(size > 0);
  std::string text(reinterpret_cast<char*>(bytes), static_cast<std::size_t>(size));
  OPENSSL_free(bytes);
  return text;
}

std::string Certificate::pem() const { return x509::to_pem("CERTIFICATE", der()); }
WallTime Certificate::not_before() const { return to_time(X509_get0_notBefore(handle())); }
WallTime Certificate::not_after() const { return to_time(X509_get0_notAfter(handle())); }
std::string Certificate::subject() const { return to_text(X509_get_subject_name(handle())); }
std::string Certificate::issuer() const { return to_text(X509_get_issuer_name(handle())); }

std::string Certificate::serial() const {
  const NumberPtr number(ASN1_INTEGER_to_BN(X509_get0_serialNumber(handle()), nullptr));
  char* const digits = number ? BN_bn2hex(number.get()) : nullptr;
  std::string text(digits == nullptr ? "" : digits);
  OPENSSL_free(digits);
  return text;
}

std::string Certificate::fingerprint() const {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  X509_digest(handle(), EVP_sha256(), digest, &size);
  return hex_encode({reinterpret_cast<char*>(digest), size});
}

std::vector<std::string> Certificate::uris() const { return alternative_names(handle(), GEN_URI); }
std::vector<std::string> Certificate::dns_names() const {
  return alternative_names(handle(), GEN_DNS);
}

Result<PublicKey> Certificate::public_key() const {
  return PublicKey::adopt({X509_get_pubkey(handle()), Freer<EVP_PKEY_free>()});
}

bool Certificate::is_ca() const noexcept {
  return (X509_get_extension_flags(handle()) & EXFLAG_CA) != 0;
}
std::optional<int> Certificate::path_length_max() const noexcept {
  const long length = X509_get_pathlen(handle());
  if (length < 0) return std::nullopt;
  return static_cast<int>(length);
}
bool Certificate::has_key_usage() const noexcept {
  return (X509_get_extension_flags(handle()) & EXFLAG_KUSAGE) != 0;
}
bool Certificate::allows_certificate_signing() const noexcept {
  return (X509_get_key_usage(handle()) & KU_KEY_CERT_SIGN) != 0;
}
bool Certificate::allows_list_signing() const noexcept {
  return (X509_get_key_usage(handle()) & KU_CRL_SIGN) != 0;
}

bool Certificate::is_signed_by(const Certificate& issuer) const noexcept {
  const bool named =
      X509_NAME_cmp(X509_get_issuer_name(handle()), X509_get_subject_name(issuer.handle())) == 0;
  if (!named || !issuer.is_ca() || !issuer.allows_certificate_signing()) return false;
  const auto key = issuer.public_key();
  const bool valid = key && X509_verify(handle(), key->handle()) == 1;
  forget_library_errors();
  return valid;
}

bool Certificate::operator==(const Certificate& other) const noexcept {
  return X509_cmp(handle(), other.handle()) == 0;
}

Result<Chain> parse_certificates(std::string_view pem) {
  Chain chain;
  for (const PemBlock& block : parse_pem(pem)) {
    if (block.type != "CERTIFICATE") continue;
    OUT_TRY(auto certificate, Certificate::parse_der(block.der));
    chain.push_back(std::move(certificate));
  }
  if (chain.empty()) return fail(Code::invalid_argument, "no certificates found");
  return chain;
}

std::string to_pem(std::span<const Certificate> chain) {
  std::string text;
  for (const Certificate& certificate : chain) text += certificate.pem();
  return text;
}

Result<> verify_chain(std::span<const Certificate> chain, std::span<const Certificate> anchors,
                      WallTime at) {
  OUT_ASSERT(!chain.empty());
  const StorePtr store(X509_STORE_new());
  const StackPtr others(sk_X509_new_null());
  const VerificationPtr verification(X509_STORE_CTX_new());
  if (!store || !others || !verification) return library_failure("could not begin to verify");
  for (const Certificate& anchor : anchors) X509_STORE_add_cert(store.get(), anchor.handle());
  for (const Certificate& other : chain.subspan(1)) sk_X509_push(others.get(), other.handle());
  if (X509_STORE_CTX_init(verification.get(), store.get(), chain[0].handle(), others.get()) != 1) {
    return library_failure("could not begin to verify");
  }
  X509_VERIFY_PARAM* const rules = X509_STORE_CTX_get0_param(verification.get());
  X509_VERIFY_PARAM_set_flags(rules, X509_V_FLAG_PARTIAL_CHAIN);
  X509_VERIFY_PARAM_set_purpose(rules, X509_PURPOSE_ANY);
  // No MD5 and SHA-1.
  X509_VERIFY_PARAM_set_auth_level(rules, 1);
  X509_VERIFY_PARAM_set_time(
      rules, std::chrono::floor<std::chrono::seconds>(at).time_since_epoch().count());
  const int verified = X509_verify_cert(verification.get());
  forget_library_errors();
  if (verified == 1) return {};
  const int why = X509_STORE_CTX_get_error(verification.get());
  return fail(Code::unauthenticated, X509_verify_cert_error_string(why));
}

}  // namespace outrigger::security::x509
