#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/time_format.h"
#include "security/x509/key.h"

namespace outrigger::security::x509 {

/// One X.509 certificate.
class Certificate {
 public:
  /// Code::invalid_argument if the bytes are anything but one certificate.
  static Result<Certificate> parse_der(std::string_view der);
  /// Takes over one that is whole and signed; never nullptr.
  static Certificate adopt(std::shared_ptr<x509_st> certificate);

  [[nodiscard]] std::string der() const;
  [[nodiscard]] std::string pem() const;
  [[nodiscard]] WallTime not_before() const;
  [[nodiscard]] WallTime not_after() const;
  /// As "O=localhost,CN=x" (RFC 2253, in the order of the certificate).
  [[nodiscard]] std::string subject() const;
  [[nodiscard]] std::string issuer() const;
  /// In hexadecimal digits.
  [[nodiscard]] std::string serial() const;
  /// SHA-256 of the DER in hexadecimal digits.
  [[nodiscard]] std::string fingerprint() const;
  /// The subject's alternative names of these kinds, byte for byte.
  [[nodiscard]] std::vector<std::string> uris() const;
  [[nodiscard]] std::vector<std::string> dns_names() const;
  /// An error if it is of a type that is not used (security/x509/key.h).
  [[nodiscard]] Result<PublicKey> public_key() const;
  /// Whether the basic constraints say so.
  [[nodiscard]] bool is_ca() const noexcept;
  /// How many issuers it allows between itself and a leaf; nullopt: any number.
  [[nodiscard]] std::optional<int> path_length_max() const noexcept;
  /// By the key usage, where there is one; without one every use is allowed.
  [[nodiscard]] bool allows_certificate_signing() const noexcept;
  [[nodiscard]] bool allows_list_signing() const noexcept;
  [[nodiscard]] bool has_key_usage() const noexcept;
  /// Whether `issuer` is a CA, of the name that this one gives, whose key has signed it.
  [[nodiscard]] bool is_signed_by(const Certificate& issuer) const noexcept;

  [[nodiscard]] bool operator==(const Certificate& other) const noexcept;
  [[nodiscard]] x509_st* handle() const noexcept { return certificate_.get(); }

 private:
  explicit Certificate(std::shared_ptr<x509_st> certificate)
      : certificate_(std::move(certificate)) {}
  std::shared_ptr<x509_st> certificate_;
};

using Chain = std::vector<Certificate>;

/// All certificates of a text; other blocks are skipped. Code::invalid_argument if one cannot be
/// read or there is none.
Result<Chain> parse_certificates(std::string_view pem);
[[nodiscard]] std::string to_pem(std::span<const Certificate> chain);

/// Whether a way leads from chain[0] over the others to one of the anchors, all of them valid at
/// that time. Purposes are not looked at, and an anchor need not be a root.
Result<> verify_chain(std::span<const Certificate> chain, std::span<const Certificate> anchors,
                      WallTime at);

/// What a new certificate is to say. Its serial number is random (128 bits).
struct Template {
  struct Subject {
    /// Empty: left out. Both empty: no subject, and then the alternative names are critical.
    std::string organization, common_name;
  };
  Subject subject;
  WallTime not_before, not_after;
  /// A CA (of any path length) that signs certificates and lists, or a leaf for servers and
  /// clients. Both may sign digitally.
  enum class Kind : std::uint8_t { ca, leaf };
  Kind kind = Kind::leaf;
  std::vector<std::string> uris, dns_names;
};

/// A certificate for `key`, signed by `issuer`, whose key is `issuer_key`. The hash is the one that
/// goes with that key.
Result<Certificate> issue(const Template& wanted, const PublicKey& key, const Certificate& issuer,
                          const PrivateKey& issuer_key);
/// The same, signed by itself.
Result<Certificate> issue_self_signed(const Template& wanted, const PrivateKey& key);
/// The same subject, key and extensions as `subject`, signed by another issuer: for those who know
/// only that one. Valid for as long as both.
Result<Certificate> cross_sign(const Certificate& subject, const Certificate& issuer,
                               const PrivateKey& issuer_key);

}  // namespace outrigger::security::x509
