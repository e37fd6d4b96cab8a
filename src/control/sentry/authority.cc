#include "control/sentry/authority.h"

#include "base/hex.h"
#include "base/json.h"
#include "base/random.h"
#include "security/jwt/token.h"

namespace outrigger::control::sentry {
namespace {

namespace x509 = security::x509;

constexpr std::size_t kTokenIdBytes = 16;

std::int64_t seconds_of(WallTime time) {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

}  // namespace

Authority::Authority(CaBundle ca, std::optional<JwtBundle> jwt, IssueRules rules)
    : ca_(std::move(ca)),
      anchors_(x509::to_pem(ca_.anchors)),
      jwt_(std::move(jwt)),
      rules_(std::move(rules)) {}

Result<x509::Chain> Authority::issue(const security::spiffe::Id& id, const x509::PublicKey& key,
                                     const std::vector<std::string>& dns_names,
                                     WallTime now) const {
  x509::Template wanted;
  wanted.not_before = now - rules_.clock_skew;
  wanted.not_after = now + rules_.certificate_ttl;
  wanted.uris = {id.text()};
  wanted.dns_names = dns_names;
  OUT_TRY(auto leaf, x509::issue(wanted, key, ca_.issuer.front(), ca_.issuer_key));
  x509::Chain chain;
  chain.push_back(std::move(leaf));
  for (const x509::Certificate& above : ca_.issuer) {
    // A root is not sent: peers have it or do not trust it.
    if (!above.is_signed_by(above)) chain.push_back(above);
  }
  return chain;
}

Result<std::string> Authority::issue_token(const security::spiffe::Id& id,
                                           const std::vector<std::string>& audiences,
                                           WallTime now) const {
  OUT_ASSERT(jwt_.has_value());
  std::string payload;
  json::Writer writer(payload, json::Html::keep);
  writer.begin_object().key("aud").begin_array();
  for (const std::string& audience : audiences) writer.value(audience);
  writer.end_array();
  writer.member("exp", seconds_of(now + rules_.token_ttl));
  writer.member("iat", seconds_of(now));
  if (rules_.token_issuer) writer.member("iss", *rules_.token_issuer);
  writer.member("jti", hex_encode(secure_random_bytes(kTokenIdBytes)));
  writer.member("nbf", seconds_of(now - rules_.clock_skew));
  writer.member("sub", id.text());
  writer.member("use", "sig");
  writer.end_object();
  return security::jwt::sign(payload, jwt_->key, jwt_->algorithm, jwt_->key_id);
}

}  // namespace outrigger::control::sentry
