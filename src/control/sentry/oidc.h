#pragma once

#include <memory>
#include <string>

#include "base/loop.h"
#include "control/sentry/options.h"
#include "net/http/server.h"

namespace outrigger::control::sentry {

/// What there is to say about the tokens.
struct OidcFacts {
  std::string jwks;
  std::string algorithm;
  std::string issuer;
};

/// Tells those who are shown a token of sentry's how to verify it: the two documents of OpenID
/// Connect discovery that are needed for that. Thread-safe but for set().
class OidcPages final : public net::RequestHandler {
 public:
  explicit OidcPages(const OidcOptions& options);
  /// On the loop that serves.
  void set(OidcFacts facts) { facts_ = std::move(facts); }
  Task<net::Response> handle(net::Request request) override;

 private:
  [[nodiscard]] bool is_allowed(const net::Request& request) const;
  [[nodiscard]] std::string discovery(const net::Request& request) const;

  const OidcOptions options_;
  const std::string jwks_path_, discovery_path_;
  OidcFacts facts_;
};

/// The server of these pages, which serves from open() to close(). Belongs to loop 0.
class OidcServer {
 public:
  OidcServer(Loops& loops, const OidcOptions& options);
  ~OidcServer();
  void set(OidcFacts facts) { pages_.set(std::move(facts)); }
  /// Waits for the files of its certificate if they are not there yet; then listens, and tells
  /// `ready`. Code::invalid_argument if they are no certificate and key.
  Task<Result<>> open();
  Task<void> close();
  /// Takes up another certificate; one that is wrong changes nothing.
  Task<void> reload();

 private:
  Task<Result<>> load_certificate();

  Loops& loops_;
  const OidcOptions options_;
  OidcPages pages_;
  std::shared_ptr<net::TlsContext> tls_;
  std::unique_ptr<net::Server> server_;
};

}  // namespace outrigger::control::sentry
