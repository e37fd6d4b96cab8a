#include "control/sentry/credentials.h"

#include "base/log.h"

namespace outrigger::control::sentry {
namespace {

const Logger log("dapr.sentry.ca");

std::unexpected<Error> absent(std::string_view what) {
  return fail(Code::not_found, std::string(what) + " has been removed");
}

Result<CaTexts> ca_texts(Storage& storage, const Options& options, WallTime now, Missing missing,
                         bool& made) {
  OUT_TRY(auto found, storage.load_ca());
  if (found) return *std::move(found);
  if (missing == Missing::wrong) return absent("the certificate authority");
  // Another sentry on the folder may be making it.
  OUT_TRY(const auto lock, storage.lock());
  OUT_TRY(found, storage.load_ca());
  if (found) return *std::move(found);
  log.info("Root and issuer certs not found: generating self signed CA");
  const auto rules = rotation_rules(options);
  OUT_TRY(const auto ca, make_ca(rules.name, options.clock_skew, now));
  OUT_CHECK(storage.store_ca(ca.texts()));
  log.info("Self-signed certs generated and persisted successfully");
  made = true;
  return ca.texts();
}

Result<JwtTexts> jwt_texts(Storage& storage, Missing missing, bool& made) {
  OUT_TRY(auto found, storage.load_jwt());
  if (found) return *std::move(found);
  if (missing == Missing::wrong) return absent("the JWT signing key");
  OUT_TRY(const auto lock, storage.lock());
  OUT_TRY(found, storage.load_jwt());
  if (found) return *std::move(found);
  OUT_TRY(auto texts, make_jwt());
  OUT_CHECK(storage.store_jwt(texts));
  log.info("JWT signing key generated and persisted successfully");
  made = true;
  return texts;
}

}  // namespace

RotationRules rotation_rules(const Options& options) {
  RotationRules rules;
  rules.name = {.trust_domain = options.trust_domain,
                .own_namespace = options.own_namespace,
                .root_common_name = {}};
  rules.certificate_ttl = options.certificate_ttl;
  rules.clock_skew = options.clock_skew;
  return rules;
}

Result<Credentials> load_credentials(Storage& storage, const Options& options, WallTime now,
                                     Missing missing) {
  auto rotation = advance(storage, rotation_rules(options), now);
  if (!rotation) {
    return std::unexpected(std::move(rotation).error().context("root rotation"));
  }
  bool ca_made = false;
  OUT_TRY(auto texts, ca_texts(storage, options, now, missing, ca_made));
  auto ca = read_ca(texts, now);
  if (!ca) {
    return std::unexpected(std::move(ca).error().context("failed to verify CA bundle"));
  }
  Credentials credentials{.ca_texts = std::move(texts),
                          .ca = *std::move(ca),
                          .jwt_texts = {},
                          .jwt = std::nullopt,
                          .rotation = *std::move(rotation)};
  if (options.jwt.enabled) {
    bool jwt_made = false;
    OUT_TRY(credentials.jwt_texts, jwt_texts(storage, missing, jwt_made));
    // A key that was made here is of RSA, whatever the flag says, as upstream has it.
    const auto algorithm = jwt_made ? security::jwt::Algorithm::rs256 : options.jwt.algorithm;
    // Nor is the id that the flag gives in the set that goes with it.
    const auto key_id = jwt_made ? std::nullopt : options.jwt.key_id;
    OUT_TRY(credentials.jwt, read_jwt(credentials.jwt_texts, algorithm, key_id));
    ca_made = ca_made || jwt_made;
  }
  credentials.made = ca_made;
  return credentials;
}

}  // namespace outrigger::control::sentry
