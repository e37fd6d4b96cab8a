#pragma once

#include <map>
#include <memory>
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
  };
  Endpoints() = default;
  /// Secret references must have been replaced by their values. An error names the resource.
  static Result<Endpoints> make(const std::vector<resources::HttpEndpoint>& resources);
  /// nullptr if there is none of that name.
  [[nodiscard]] const Endpoint* find(std::string_view name) const;

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
  Task<void> close();

 private:
  Result<net::Endpoint> where(const std::string& scheme, const std::string& host,
                              std::uint16_t port, const Endpoints::Endpoint* endpoint);

  const telemetry::RuntimeMetrics& metrics_;
  net::Client client_;
  std::shared_ptr<net::TlsContext> system_trust_;
};

}  // namespace outrigger::runtime::invoke
