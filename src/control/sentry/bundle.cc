#include "control/sentry/bundle.h"

#include <algorithm>

#include "base/base64.h"
#include "security/spiffe/id.h"

namespace outrigger::control::sentry {
namespace {

namespace jwt = security::jwt;
namespace x509 = security::x509;

std::unexpected<Error> refuse(std::string why) {
  return fail(Code::invalid_argument, std::move(why));
}

Result<x509::Chain> read_anchors(const std::string& text) {
  auto anchors = x509::parse_certificates(text);
  if (!anchors) {
    return std::unexpected(std::move(anchors).error().context("failed to decode trust anchors"));
  }
  for (const x509::Certificate& anchor : *anchors) {
    if (anchor.is_signed_by(anchor)) continue;
    return refuse("certificate in trust anchor is not self-signed: " + anchor.subject());
  }
  return anchors;
}

Result<x509::Chain> read_issuer(const std::string& text) {
  auto chain = x509::parse_certificates(text);
  if (!chain) {
    return std::unexpected(std::move(chain).error().context("failed to decode issuer certificate"));
  }
  for (std::size_t i = 0; i + 1 < chain->size(); ++i) {
    if (!(*chain)[i].is_signed_by((*chain)[i + 1])) return refuse("certificate chain is not valid");
  }
  // A root is what peers have already; one alone is a CA that signs by itself.
  const bool ends_in_root = chain->size() > 1 && chain->back().is_signed_by(chain->back());
  if (ends_in_root) chain->pop_back();
  const x509::Certificate& issuer = chain->front();
  if (!issuer.is_ca() || !issuer.allows_certificate_signing()) {
    return refuse("intermediate certificate is not valid for signing");
  }
  return chain;
}

std::string key_id_of(const x509::PublicKey& key) { return base64_encode(jwt::thumbprint(key)); }

/// Upstream refuses a set in which the key cannot be found, for nobody could verify its tokens.
Result<> find_key(const jwt::KeySet& keys, const x509::PublicKey& key,
                  const std::optional<std::string>& key_id) {
  if (keys.empty()) return refuse("JWKS doesn't contain any keys");
  bool named = false;
  for (const jwt::Jwk& candidate : keys) {
    if (key_id && candidate.key_id != *key_id) continue;
    named = true;
    const bool signs = candidate.use.empty() || candidate.use == "sig";
    if (signs && candidate.key == key) return {};
  }
  if (!key_id) return refuse("JWKS doesn't contain a matching public key for the JWT signing key");
  if (!named) {
    return refuse("JWKS doesn't contain a key with user-provided key ID \"" + *key_id + "\"");
  }
  return refuse("JWKS contains a key with user-provided key ID \"" + *key_id +
                "\" but the key content doesn't match the signing key");
}

x509::Template ca_template(std::chrono::nanoseconds skew, WallTime now) {
  x509::Template wanted;
  wanted.kind = x509::Template::Kind::ca;
  wanted.not_before = now - skew;
  wanted.not_after = now + kCaTtl;
  return wanted;
}

}  // namespace

CaTexts CaBundle::texts() const {
  return {.anchors = x509::to_pem(anchors),
          .issuer_chain = x509::to_pem(issuer),
          .issuer_key = issuer_key.pem()};
}

Result<CaBundle> read_ca(const CaTexts& texts, WallTime now) {
  OUT_TRY(auto anchors, read_anchors(texts.anchors));
  OUT_TRY(auto issuer, read_issuer(texts.issuer_chain));
  auto key = x509::PrivateKey::parse(texts.issuer_key);
  if (!key) return std::unexpected(std::move(key).error().context("failed to decode issuer key"));
  OUT_TRY(const auto issuer_public_key, issuer.front().public_key());
  if (!(issuer_public_key == key->public_key())) {
    return refuse("issuer key does not match issuer certificate");
  }
  auto verified = x509::verify_chain(issuer, anchors, now);
  if (!verified) {
    return refuse("issuer chain does not belong to trust anchors: " + verified.error().message());
  }
  return CaBundle{
      .anchors = std::move(anchors), .issuer = std::move(issuer), .issuer_key = *std::move(key)};
}

Result<CaBundle> make_ca(const CaName& name, std::chrono::nanoseconds skew, WallTime now) {
  OUT_TRY(const auto root_key, x509::PrivateKey::generate(x509::KeyType::ed25519));
  OUT_TRY(auto issuer_key, x509::PrivateKey::generate(x509::KeyType::ed25519));
  OUT_TRY(const auto id,
          security::spiffe::Id::of_app(name.trust_domain, name.own_namespace, "dapr-sentry"));
  x509::Template root_template = ca_template(skew, now);
  root_template.subject = {.organization = name.trust_domain, .common_name = name.root_common_name};
  OUT_TRY(auto root, x509::issue_self_signed(root_template, root_key));
  x509::Template issuer_template = ca_template(skew, now);
  issuer_template.subject = {.organization = id.text(), .common_name = {}};
  OUT_TRY(auto issuer, x509::issue(issuer_template, issuer_key.public_key(), root, root_key));
  return CaBundle{.anchors = {std::move(root)},
                  .issuer = {std::move(issuer)},
                  .issuer_key = std::move(issuer_key)};
}

Result<JwtBundle> read_jwt(const JwtTexts& texts, jwt::Algorithm algorithm,
                           const std::optional<std::string>& key_id) {
  auto key = x509::PrivateKey::parse(texts.key);
  if (!key) {
    return std::unexpected(std::move(key).error().context("failed to load JWT signing key"));
  }
  if (!jwt::fits(algorithm, key->type())) {
    return refuse("JWT signing key is incompatible with algorithm " +
                  std::string(jwt::to_string(algorithm)) + ": it is of type " +
                  std::string(x509::to_string(key->type())));
  }
  auto keys = jwt::parse_key_set(texts.jwks);
  if (!keys) {
    return std::unexpected(
        std::move(keys).error().context("failed to verify JWKS: failed to parse JWKS"));
  }
  if (auto found = find_key(*keys, key->public_key(), key_id); !found) {
    return std::unexpected(std::move(found).error().context("failed to verify JWKS"));
  }
  std::string id = key_id ? *key_id : key_id_of(key->public_key());
  return JwtBundle{
      .key = *std::move(key), .algorithm = algorithm, .key_id = std::move(id), .jwks = texts.jwks};
}

Result<JwtTexts> make_jwt() {
  OUT_TRY(const auto key, x509::PrivateKey::generate(x509::KeyType::rsa));
  const jwt::Jwk only{.key = key.public_key(),
                      .key_id = key_id_of(key.public_key()),
                      .use = "sig",
                      .algorithm = jwt::Algorithm::rs256};
  return JwtTexts{.key = key.pem(), .jwks = jwt::to_json(std::span(&only, 1))};
}

}  // namespace outrigger::control::sentry
