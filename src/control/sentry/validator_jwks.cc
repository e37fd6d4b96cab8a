#include "control/sentry/validator_jwks.h"

#include "security/jwks/key_cache.h"
#include "security/jwt/token.h"

namespace outrigger::control::sentry {
namespace {

using namespace std::chrono_literals;

// As upstream has it, whatever spec.mtls.allowedClockSkew says.
constexpr std::chrono::minutes kSkew{5};

std::unexpected<Error> refuse(std::string why) {
  return fail(Code::permission_denied, std::move(why));
}

}  // namespace

struct JwksValidator::Impl {
  security::jwks::KeyCache cache;
  std::string audience;
};

JwksValidator::JwksValidator(const JwksOptions& options, std::string audience)
    : impl_(new Impl{
          .cache = security::jwks::KeyCache({.source = options.source,
                                             .ca_certificate = options.ca_certificate,
                                             .min_refresh_interval = options.min_refresh_interval,
                                             .request_timeout = options.request_timeout}),
          .audience = std::move(audience)}) {}
JwksValidator::~JwksValidator() = default;

Task<Result<>> JwksValidator::open() {
  auto opened = co_await impl_->cache.open();
  co_return opened;
}

Task<bool> JwksValidator::ready() {
  const auto keys = co_await impl_->cache.keys();
  co_return keys.has_value();
}

Task<Result<security::spiffe::Id>> JwksValidator::validate(SignRequest request) {
  if (request.token.empty()) co_return refuse("the request does not contain a token");
  const auto keys = co_await impl_->cache.keys();
  if (!keys) co_return refuse("jwks validator not ready");
  OUT_CO_TRY(auto id, requested_id(request));
  security::jwt::Expected expected;
  expected.audience = impl_->audience;
  expected.subject = id.text();
  expected.skew = kSkew;
  expected.now = wall_now();
  const auto claims = security::jwt::verify(request.token, **keys, expected);
  if (!claims) co_return refuse("token validation failed: " + claims.error().message());
  co_return id;
}

Task<void> JwksValidator::close() { co_await impl_->cache.close(); }

}  // namespace outrigger::control::sentry
