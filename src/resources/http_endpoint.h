#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "resources/common.h"
#include "resources/yaml.h"

namespace outrigger::resources {

/// A PEM document: in place, or in a secret store.
struct TlsDocument {
  std::optional<std::string> value;
  SecretKeyRef secret_key_ref;

  bool operator==(const TlsDocument&) const = default;
};

struct ClientTls {
  enum class Renegotiation : std::uint8_t { never, once_as_client, freely_as_client };

  std::optional<TlsDocument> root_ca, certificate, private_key;
  Renegotiation renegotiation = Renegotiation::never;

  bool operator==(const ClientTls&) const = default;
};

/// kind HTTPEndpoint, apiVersion dapr.io/v1alpha1: a name for a service outside.
struct HttpEndpoint {
  static constexpr std::string_view kKind = "HTTPEndpoint";
  static constexpr std::string_view kApiVersion = "dapr.io/v1alpha1";

  Origin origin;
  std::string name;
  std::string namespace_name;
  std::string base_url;
  /// Sent with every request.
  std::vector<NameValue> headers;
  std::optional<ClientTls> client_tls;
  std::string secret_store;
  std::vector<std::string> scopes;

  bool operator==(const HttpEndpoint&) const = default;
  /// "name (base URL)".
  [[nodiscard]] std::string log_name() const;
};

[[nodiscard]] Result<HttpEndpoint> parse_http_endpoint(const yaml::Node& document, Report& report);

}  // namespace outrigger::resources
