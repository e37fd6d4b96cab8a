#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/headers.h"

namespace outrigger::runtime::invoke {

/// Whom a caller names: an app id, perhaps with a namespace, or the URL of a service outside.
struct AppName {
  std::string id;
  std::string app_namespace;
  bool is_url = false;
};

/// Whether the name is the URL of a service outside.
[[nodiscard]] bool is_url(std::string_view name) noexcept;

/// `id`, `id.namespace` or `http(s)://...`. Errors have upstream's words and Code::unknown: to a
/// client they are the reason inside ERR_DIRECT_INVOKE.
[[nodiscard]] Result<AppName> parse_app_name(std::string_view name, std::string_view own_namespace);

/// Where an HTTP request is to go.
struct Destination {
  std::string app;
  std::string method;  ///< Not yet normalised.
};

/// The header dapr-app-id, else the user of Basic authentication, else the path
/// /v1.0/invoke/<app>/method/<method>. `path` is decoded, but not cleaned: "//" of a URL is still
/// there. nullopt if none of them names an app.
[[nodiscard]] std::optional<Destination> find_destination(std::string_view path,
                                                          const net::Headers& headers);

}  // namespace outrigger::runtime::invoke
