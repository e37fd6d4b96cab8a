#include "dapr/proto/sentry/v1/sentry.pb.h"
#include "security/identity/wire.h"

namespace outrigger::security::identity::wire {

namespace pb = ::dapr::proto::sentry::v1;

std::string sign_request(const AuthorityOptions& options, std::string_view request_pem,
                         const std::string& token) {
  pb::SignCertificateRequest request;
  request.set_id(options.id);
  request.set_namespace_(options.app_namespace);
  request.set_trust_domain(options.trust_domain);
  request.set_certificate_signing_request(std::string(request_pem));
  if (!token.empty()) {
    request.set_token(token);
    request.set_token_validator(pb::SignCertificateRequest::JWKS);
  }
  for (const std::string& audience : options.jwt_audiences) request.add_jwt_audiences(audience);
  return request.SerializeAsString();
}

Result<Signed> read_answer(const std::string& message) {
  pb::SignCertificateResponse response;
  if (!response.ParseFromString(message)) {
    return fail(Code::internal, "malformed SignCertificateResponse");
  }
  Signed answer;
  answer.chain_pem = response.workload_certificate();
  for (const std::string& some : response.trust_chain_certificates()) {
    answer.anchors_pem += some;
    if (!some.ends_with('\n')) answer.anchors_pem += '\n';
  }
  answer.jwt = response.jwt().value();
  for (const auto& [audience, token] : response.per_audience_jwts()) {
    answer.jwt_by_audience[audience] = token.value();
  }
  return answer;
}

}  // namespace outrigger::security::identity::wire
