#include "control/sentry/signing.h"
#include "dapr/proto/sentry/v1/sentry.pb.h"

namespace outrigger::control::sentry::wire {
namespace {

namespace pb = dapr::proto::sentry::v1;

}  // namespace

Result<SignRequest> parse(const std::string& message) {
  pb::SignCertificateRequest wire;
  if (!wire.ParseFromString(message)) {
    return fail(Code::internal, "grpc: error unmarshalling request");
  }
  SignRequest request;
  request.id = std::move(*wire.mutable_id());
  request.token = std::move(*wire.mutable_token());
  request.trust_domain = std::move(*wire.mutable_trust_domain());
  request.app_namespace = std::move(*wire.mutable_namespace_());
  request.signing_request = std::move(*wire.mutable_certificate_signing_request());
  request.validator = static_cast<ValidatorKind>(static_cast<int>(wire.token_validator()));
  request.audiences.assign(wire.jwt_audiences().begin(), wire.jwt_audiences().end());
  return request;
}

std::string render(const SignResponse& response) {
  pb::SignCertificateResponse wire;
  wire.set_workload_certificate(response.chain);
  wire.add_trust_chain_certificates(response.anchors);
  const auto since = response.valid_until.time_since_epoch();
  wire.mutable_valid_until()->set_seconds(std::chrono::floor<std::chrono::seconds>(since).count());
  if (response.token) wire.mutable_jwt()->set_value(*response.token);
  for (const auto& [audience, token] : response.token_by_audience) {
    (*wire.mutable_per_audience_jwts())[audience].set_value(token);
  }
  return wire.SerializeAsString();
}

}  // namespace outrigger::control::sentry::wire
