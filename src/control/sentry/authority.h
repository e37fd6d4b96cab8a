#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "control/sentry/bundle.h"
#include "security/spiffe/id.h"

namespace outrigger::control::sentry {

/// How identities are issued.
struct IssueRules {
  std::chrono::nanoseconds certificate_ttl = std::chrono::hours(24);
  std::chrono::nanoseconds clock_skew = std::chrono::minutes(15);
  std::chrono::nanoseconds token_ttl = std::chrono::hours(24);
  /// Claim iss.
  std::optional<std::string> token_issuer;
};

/// The certificate authority with the keys of one moment; a change of keys makes another one.
/// Immutable, for any thread.
class Authority {
 public:
  Authority(CaBundle ca, std::optional<JwtBundle> jwt, IssueRules rules);

  /// A leaf for that key, and what leads from it to a root. Nothing is checked of who asks.
  [[nodiscard]] Result<security::x509::Chain> issue(const security::spiffe::Id& id,
                                                    const security::x509::PublicKey& key,
                                                    const std::vector<std::string>& dns_names,
                                                    WallTime now) const;
  /// A token that says the same. Only if issues_tokens().
  [[nodiscard]] Result<std::string> issue_token(const security::spiffe::Id& id,
                                                const std::vector<std::string>& audiences,
                                                WallTime now) const;
  [[nodiscard]] bool issues_tokens() const noexcept { return jwt_.has_value(); }

  /// PEM.
  [[nodiscard]] const std::string& anchors() const noexcept { return anchors_; }
  [[nodiscard]] const CaBundle& ca() const noexcept { return ca_; }
  [[nodiscard]] const std::optional<JwtBundle>& jwt() const noexcept { return jwt_; }

 private:
  const CaBundle ca_;
  const std::string anchors_;
  const std::optional<JwtBundle> jwt_;
  const IssueRules rules_;
};

using AuthorityPtr = std::shared_ptr<const Authority>;

}  // namespace outrigger::control::sentry
