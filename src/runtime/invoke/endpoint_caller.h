#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "net/http/client.h"
#include "resources/http_endpoint.h"
#include "runtime/invoke/app_caller.h"

namespace outrigger::runtime::invoke {

/// The HTTPEndpoint resources, ready for use: a snapshot that all loops share.
class Endpoints {
 public:
  struct Endpoint {
    std::string base_url;
    net::Headers headers;                  ///< Sent with every request, in place of the caller's.
    std::shared_ptr<net::TlsContext> tls;  ///< For https.
    std::optional<resources::ClientTls> client_tls;  ///< What `tls` was made of.
    /// Why it cannot be called: its certificates are unusable. Calls get this error; they go
    /// neither elsewhere nor out with less trust or proof than the resource asks for.
    std::optional<Error> unusable;

    void open_tls(const Endpoint* before);
  };
  Endpoints() = default;
  /// Secret references must have been replaced by their values. Endpoints whose certificates are
  /// those they had in `before` keep their connections.
  static Endpoints make(const std::vector<resources::HttpEndpoint>& resources,
                        const Endpoints& before = {});
  /// nullptr if there is none of that name.
  [[nodiscard]] const Endpoint* find(std::string_view name) const;
  [[nodiscard]] const auto& all() const noexcept { return by_name_; }

 private:
  std::map<std::string, Endpoint, std::less<>> by_name_;
};

/// Calls services outside: HTTPEndpoints and plain URLs. On one loop.
class EndpointCaller {
 public:
  explicit EndpointCaller(const telemetry::RuntimeMetrics& metrics);
  /// close() must have ended.
  ~EndpointCaller();

  /// `url` is the base that the method is appended to; `endpoint` is the resource it comes from,
  /// nullptr if the caller gave it.
  Task<Result<Reply>> call(std::string url, std::shared_ptr<const Endpoints::Endpoint> endpoint,
                           Request request, TraceContext trace);
  /// Closes the connections that were made for `before` with certificates which `now` has not any
  /// more; calls that run on them come to their end.
  void forget(const Endpoints& before, const Endpoints& now);
  Task<void> close();

 private:
  Result<net::Endpoint> where(const std::string& scheme, const std::string& host,
                              std::uint16_t port, const Endpoints::Endpoint* endpoint);

  const telemetry::RuntimeMetrics& metrics_;
  net::Client client_;
  std::shared_ptr<net::TlsContext> system_trust_;
};

}  // namespace outrigger::runtime::invoke
