#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "security/jwt/jwk.h"
#include "security/x509/certificate.h"

namespace outrigger::control::sentry {

/// The texts that are kept: PEM.
struct CaTexts {
  std::string anchors, issuer_chain, issuer_key;
  bool operator==(const CaTexts&) const = default;
};
/// A key in PEM, and a JWKS.
struct JwtTexts {
  std::string key, jwks;
  bool operator==(const JwtTexts&) const = default;
};

/// What certificates are issued with. Checked: the key is that of issuer[0], from which a way leads
/// to an anchor.
struct CaBundle {
  /// Roots that everyone is to trust.
  security::x509::Chain anchors;
  /// The issuer first, then what leads to the root, without it: this goes with every leaf.
  security::x509::Chain issuer;
  security::x509::PrivateKey issuer_key;

  [[nodiscard]] CaTexts texts() const;
};

/// Checks the texts as upstream does. Code::invalid_argument says what is wrong.
Result<CaBundle> read_ca(const CaTexts& texts, WallTime now);

/// Whose CA is made.
struct CaName {
  std::string trust_domain, own_namespace;
  /// Tells apart the roots of one trust domain; empty for the first.
  std::string root_common_name;
};
/// How long a CA is valid.
inline constexpr std::chrono::hours kCaTtl{365 * 24};

/// A new root and an issuer under it, both of Ed25519. The root's key is forgotten: the root signs
/// nothing else, ever.
Result<CaBundle> make_ca(const CaName& name, std::chrono::nanoseconds skew, WallTime now);

/// What tokens are signed with.
struct JwtBundle {
  security::x509::PrivateKey key;
  security::jwt::Algorithm algorithm;
  std::string key_id;
  /// As it is served: with the key, perhaps among others.
  std::string jwks;
};

/// Checks that the key signs with the algorithm and is in the JWKS (under that id, if one is
/// given).
Result<JwtBundle> read_jwt(const JwtTexts& texts, security::jwt::Algorithm algorithm,
                           const std::optional<std::string>& key_id);
/// A new RSA key; its JWKS names it by its thumbprint.
Result<JwtTexts> make_jwt();

}  // namespace outrigger::control::sentry
