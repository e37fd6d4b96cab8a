#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "security/x509/library.h"

/// Keys, requests and certificates of X.509, on OpenSSL, which is seen in the sources only. All of
/// it is immutable and may be used on any thread.
namespace outrigger::security::x509 {

enum class KeyType : std::uint8_t { ed25519, p256, p384, p521, rsa };
/// "Ed25519", "P-256", ..., "RSA".
[[nodiscard]] std::string_view to_string(KeyType type) noexcept;

/// Bits of an RSA key that is accepted: RFC 7518 and today's practice below, the time that
/// strangers' keys may take above.
inline constexpr int kRsaBitsMin = 2048;
inline constexpr int kRsaBitsMax = 8192;

/// One of the types above: nothing else is accepted anywhere.
class PublicKey {
 public:
  /// Takes over what the library gave. Code::invalid_argument if it is none of the types.
  static Result<PublicKey> adopt(std::shared_ptr<evp_pkey_st> key);

  [[nodiscard]] KeyType type() const noexcept { return type_; }
  /// The SubjectPublicKeyInfo.
  [[nodiscard]] std::string der() const;
  [[nodiscard]] bool operator==(const PublicKey& other) const noexcept;
  /// For the library's calls; never nullptr.
  [[nodiscard]] evp_pkey_st* handle() const noexcept { return key_.get(); }

 private:
  PublicKey(std::shared_ptr<evp_pkey_st> key, KeyType type) : key_(std::move(key)), type_(type) {}
  std::shared_ptr<evp_pkey_st> key_;
  KeyType type_;
};

class PrivateKey {
 public:
  /// A new one; RSA: 2048 bits.
  static Result<PrivateKey> generate(KeyType type);
  /// The first key of a text: "PRIVATE KEY" (PKCS #8), "EC PRIVATE KEY" or "RSA PRIVATE KEY".
  /// Code::invalid_argument if there is none, if it is encrypted, or of another type.
  static Result<PrivateKey> parse(std::string_view pem);

  [[nodiscard]] KeyType type() const noexcept { return public_key_.type(); }
  [[nodiscard]] const PublicKey& public_key() const noexcept { return public_key_; }
  /// PKCS #8.
  [[nodiscard]] std::string pem() const;
  [[nodiscard]] evp_pkey_st* handle() const noexcept { return public_key_.handle(); }

 private:
  explicit PrivateKey(PublicKey both) : public_key_(std::move(both)) {}
  PublicKey public_key_;  // The library keeps both halves in one object.
};

}  // namespace outrigger::security::x509
