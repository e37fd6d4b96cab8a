#include "control/sentry/signing.h"

#include "base/log.h"
#include "base/strings.h"
#include "security/x509/pem.h"
#include "security/x509/request.h"

namespace outrigger::control::sentry {
namespace {

namespace x509 = security::x509;

const Logger log("dapr.sentry.server");

constexpr std::size_t kIdCharactersMax = 64;
// A request with an RSA key of 8192 bits has 4 KiB in PEM.
constexpr std::size_t kRequestBytesMax = std::size_t{64} << 10;
// Each costs two signatures.
constexpr std::size_t kAudiencesMax = 64;

std::unexpected<Error> refuse(std::string why) {
  return fail(Code::invalid_argument, std::move(why));
}

class InsecureValidator final : public Validator {
 public:
  Task<Result<security::spiffe::Id>> validate(SignRequest request) override {
    co_return requested_id(request);
  }
  Task<void> close() override { co_return; }
};

/// All that is wrong, a line each.
Result<> check(const SignRequest& request) {
  std::vector<std::string> wrong;
  if (request.id.empty()) {
    wrong.emplace_back("parameter app-id cannot be empty");
  } else if (request.id.find('.') != std::string::npos) {
    wrong.emplace_back("parameter app-id cannot contain dots");
  }
  if (request.id.size() > kIdCharactersMax) {
    wrong.emplace_back("app ID must be 64 characters or less");
  }
  if (request.signing_request.empty()) wrong.emplace_back("CSR is required");
  if (request.app_namespace.empty()) wrong.emplace_back("namespace is required");
  if (wrong.empty()) return {};
  return fail(Code::permission_denied, "invalid request: " + join(wrong, "\n"));
}

Result<x509::PublicKey> key_of(const std::string& pem) {
  constexpr std::string_view kInvalid = "invalid certificate signing request";
  if (pem.size() > kRequestBytesMax) return refuse(std::string(kInvalid));
  const auto blocks = x509::parse_pem(pem);
  // Old sidecars call the block by the other name.
  const bool named = !blocks.empty() && (blocks.front().type == "CERTIFICATE REQUEST" ||
                                         blocks.front().type == "CERTIFICATE");
  if (!named) return refuse(std::string(kInvalid));
  auto parsed = x509::parse_request(blocks.front().der);
  if (!parsed) {
    return refuse("failed to parse certificate signing request: " + parsed.error().message());
  }
  if (!parsed->signature_valid) return refuse("invalid signature");
  return std::move(parsed->key);
}

/// The names by which others call some services of the control plane in a cluster.
std::vector<std::string> host_names(const SignRequest& request, const SigningRules& rules) {
  if (request.app_namespace != rules.own_namespace) return {};
  const std::string in_cluster = "." + rules.own_namespace + ".svc";
  if (request.id == "dapr-injector") return {"dapr-sidecar-injector" + in_cluster};
  if (request.id == "dapr-operator") return {"dapr-webhook" + in_cluster};
  if (request.id != "dapr-scheduler") return {};
  std::vector<std::string> names;
  for (const char* const replica : {"0", "1", "2"}) {
    names.push_back("dapr-scheduler-server-" + std::string(replica) + ".dapr-scheduler-server" +
                    in_cluster + "." + rules.cluster_domain);
  }
  return names;
}

Result<> add_tokens(SignResponse& response, const SignRequest& request,
                    const security::spiffe::Id& id, const Authority& authority, WallTime now) {
  std::vector<std::string> audiences = {std::string(id.trust_domain())};
  audiences.insert(audiences.end(), request.audiences.begin(), request.audiences.end());
  OUT_TRY(response.token, authority.issue_token(id, audiences, now));
  for (const std::string& audience : audiences) {
    if (response.token_by_audience.contains(audience)) continue;
    OUT_TRY(auto token, authority.issue_token(id, {audience}, now));
    response.token_by_audience.emplace(audience, std::move(token));
  }
  return {};
}

}  // namespace

Result<security::spiffe::Id> requested_id(const SignRequest& request) {
  OUT_CHECK(check(request));
  std::string trust_domain = "public";
  if (!request.trust_domain.empty()) {
    OUT_TRY(trust_domain, security::spiffe::trust_domain_of(request.trust_domain));
  }
  return security::spiffe::Id::of_app(trust_domain, request.app_namespace, request.id);
}

std::unique_ptr<Validator> make_insecure_validator() {
  return std::make_unique<InsecureValidator>();
}

Result<SignResponse> sign(const SignRequest& request, const security::spiffe::Id& id,
                          const Authority& authority, const SigningRules& rules, WallTime now) {
  OUT_TRY(const auto key, key_of(request.signing_request));
  if (authority.issues_tokens() && request.audiences.size() > kAudiencesMax) {
    return refuse("at most " + std::to_string(kAudiencesMax) + " JWT audiences");
  }
  const auto chain = authority.issue(id, key, host_names(request, rules), now);
  if (!chain) {
    log.error("Error signing identity: ", chain.error());
    return fail(Code::internal, "failed to sign certificate");
  }
  SignResponse response;
  response.chain = x509::to_pem(*chain);
  response.anchors = authority.anchors();
  response.valid_until = chain->front().not_after();
  if (authority.issues_tokens()) {
    if (auto added = add_tokens(response, request, id, authority, now); !added) {
      log.error("Error signing token: ", added.error());
      return fail(Code::internal, "failed to generate JWT: " + added.error().message());
    }
  }
  return response;
}

}  // namespace outrigger::control::sentry
