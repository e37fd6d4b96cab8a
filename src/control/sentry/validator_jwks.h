#pragma once

#include <memory>
#include <string>

#include "control/sentry/options.h"
#include "control/sentry/signing.h"

namespace outrigger::control::sentry {

/// Believes those who bring a token of an issuer that publishes its keys as a JWKS: its audience is
/// sentry's SPIFFE id, its subject the id that the certificate is to be for. Belongs to loop 0.
class JwksValidator final : public Validator {
 public:
  /// `audience`: sentry's SPIFFE id.
  JwksValidator(const JwksOptions& options, std::string audience);
  ~JwksValidator() override;

  /// Code::invalid_argument if the source is not one. A URL need not answer yet.
  Task<Result<>> open();
  /// Whether there are keys. Of a URL that has never answered: asks again.
  Task<bool> ready();
  Task<Result<security::spiffe::Id>> validate(SignRequest request) override;
  Task<void> close() override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace outrigger::control::sentry
