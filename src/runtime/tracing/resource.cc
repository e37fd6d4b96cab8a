#include "runtime/tracing/resource.h"

#include <map>

#include "base/strings.h"
#include "net/uri.h"

namespace outrigger::runtime::tracing {
namespace {

constexpr std::string_view kServiceName = "service.name";

std::string decoded(std::string_view text) {
  auto plain = net::path_unescape(text);
  return plain ? *std::move(plain) : std::string(text);
}

}  // namespace

std::string_view Resource::service_name() const noexcept {
  for (const auto& [key, value] : attributes) {
    if (key == kServiceName) return value;
  }
  return {};
}

Resource make_resource(std::string_view app_id, const Environment& environment) {
  std::map<std::string, std::string> attributes;
  attributes.emplace(kServiceName, app_id);
  const std::string given = environment("OTEL_RESOURCE_ATTRIBUTES").value_or("");
  for (const std::string_view part : split(given, ',')) {
    const auto pair = cut(part, "=");
    if (!pair) continue;
    const std::string_view key = trim(pair->first);
    if (!key.empty()) attributes.insert_or_assign(std::string(key), decoded(trim(pair->second)));
  }
  const std::string name(trim(environment("OTEL_SERVICE_NAME").value_or("")));
  if (!name.empty()) attributes.insert_or_assign(std::string(kServiceName), name);
  Resource resource;
  for (auto& [key, value] : attributes) resource.attributes.emplace_back(key, std::move(value));
  return resource;
}

}  // namespace outrigger::runtime::tracing
