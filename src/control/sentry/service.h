#pragma once

#include <memory>

#include "control/core/service.h"
#include "control/sentry/options.h"

namespace outrigger::control::sentry {

/// The certificate authority: one loop, no state but the credentials.
class SentryService final : public Service {
 public:
  SentryService(Options options, Host host);
  ~SentryService() override;

  Task<Result<>> open() override;
  net::RequestHandler& grpc(unsigned loop) override;
  std::shared_ptr<net::TlsContext> tls() override;
  Task<void> drain() override;
  Task<void> close() override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace outrigger::control::sentry
