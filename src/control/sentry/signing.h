#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/task.h"
#include "control/sentry/authority.h"

namespace outrigger::control::sentry {

/// How a request proves who asks; the numbers are those of the wire. Others may come.
enum class ValidatorKind : int { unknown = 0, insecure = 1, kubernetes = 2, jwks = 3 };

/// dapr.proto.sentry.v1.SignCertificateRequest.
struct SignRequest {
  std::string id, token, trust_domain, app_namespace;
  /// PEM.
  std::string signing_request;
  ValidatorKind validator = ValidatorKind::unknown;
  std::vector<std::string> audiences;
};

/// dapr.proto.sentry.v1.SignCertificateResponse.
struct SignResponse {
  std::string chain, anchors;
  WallTime valid_until;
  std::optional<std::string> token;
  std::map<std::string, std::string> token_by_audience;
};

namespace wire {
Result<SignRequest> parse(const std::string& message);
std::string render(const SignResponse& response);
}  // namespace wire

/// Who asks, by what he brings along.
class Validator {
 public:
  virtual ~Validator() = default;
  /// The id that the certificate may be for. Any error refuses the request.
  virtual Task<Result<security::spiffe::Id>> validate(SignRequest request) = 0;
  virtual Task<void> close() = 0;
};

/// What every request must have, and the id it asks for: no validator asks for less. The trust
/// domain is "public" unless the request names one.
Result<security::spiffe::Id> requested_id(const SignRequest& request);

/// Believes everyone.
std::unique_ptr<Validator> make_insecure_validator();

struct SigningRules {
  /// Of the control plane, whose services get names of hosts in their certificates.
  std::string own_namespace, cluster_domain;
};

/// Answers for an id that has been validated. Codes as upstream: Code::invalid_argument for a
/// signing request that is none.
Result<SignResponse> sign(const SignRequest& request, const security::spiffe::Id& id,
                          const Authority& authority, const SigningRules& rules, WallTime now);

}  // namespace outrigger::control::sentry
