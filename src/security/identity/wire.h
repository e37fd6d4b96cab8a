#pragma once

#include <map>
#include <string>

#include "base/time_format.h"
#include "security/identity/authority.h"

/// dapr.proto.sentry.v1, as this room sees it.
namespace outrigger::security::identity::wire {

inline constexpr std::string_view kSignCertificate = "/dapr.proto.sentry.v1.CA/SignCertificate";

/// `token`: with the JWKS validator, if there is one.
[[nodiscard]] std::string sign_request(const AuthorityOptions& options,
                                       std::string_view request_pem, const std::string& token);

struct Signed {
  std::string chain_pem, anchors_pem;
  std::string jwt;
  std::map<std::string, std::string> jwt_by_audience;
};
/// Code::internal for bytes that are no answer.
Result<Signed> read_answer(const std::string& message);

}  // namespace outrigger::security::identity::wire
