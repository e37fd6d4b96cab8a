#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/env.h"

namespace outrigger::runtime::tracing {

/// What all spans of this process have in common: OpenTelemetry's resource.
struct Resource {
  /// Sorted by key; "service.name" is always there.
  std::vector<std::pair<std::string, std::string>> attributes;

  [[nodiscard]] std::string_view service_name() const noexcept;
};

/// `service.name` is OTEL_SERVICE_NAME, or what OTEL_RESOURCE_ATTRIBUTES ("key=value,...", values
/// percent-encoded) says, or the app id. Entries of that list without a '=' are left out.
[[nodiscard]] Resource make_resource(std::string_view app_id, const Environment& environment);

/// The conventions that the names of attributes follow, and the source of all spans, as upstream
/// names them.
inline constexpr std::string_view kSchemaUrl = "https://opentelemetry.io/schemas/1.25.0";
inline constexpr std::string_view kScopeName = "dapr-diagnostics";

}  // namespace outrigger::runtime::tracing
