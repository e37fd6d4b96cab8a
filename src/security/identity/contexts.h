#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "net/tls.h"
#include "security/identity/credentials.h"

namespace outrigger::security::identity {

/// TLS with a SPIFFE identity, both sides showing theirs. The contexts that it gives stay the same
/// objects when the credentials are renewed, but for those of clients beyond kKeptMax, which are
/// made anew each time. Any thread.
class Contexts {
 public:
  /// Some 20 KB each.
  static constexpr std::size_t kKeptMax = 10'000;

  /// Code::invalid_argument if they are no credentials.
  static Result<std::unique_ptr<Contexts>> make(Credentials credentials);
  /// New connections use these from now on. After an error all is as it was.
  Result<> renew(Credentials credentials);

  /// Accepts every identity that the anchors vouch for: net::Peer::identity tells which.
  [[nodiscard]] std::shared_ptr<net::TlsContext> server();
  /// Accepts a server of this id only.
  [[nodiscard]] std::shared_ptr<net::TlsContext> client_of(const std::string& id);
  /// Accepts a server whose id has this path, of any trust domain: "/ns/default/orders".
  [[nodiscard]] std::shared_ptr<net::TlsContext> client_of_path(const std::string& path);

  [[nodiscard]] Credentials credentials() const;

 private:
  Contexts() = default;
  std::shared_ptr<net::TlsContext> client(
      std::map<std::string, std::shared_ptr<net::TlsContext>>& known, const std::string& name,
      bool whole);

  mutable std::mutex mutex_;
  Credentials credentials_;
  std::shared_ptr<net::TlsContext> server_;
  std::map<std::string, std::shared_ptr<net::TlsContext>> by_id_, by_path_;
};

/// TLS towards an authority that has the id, by somebody who has no identity yet.
Result<std::shared_ptr<net::TlsContext>> trusting_client(const std::string& anchors_pem,
                                                         std::string id);

}  // namespace outrigger::security::identity
