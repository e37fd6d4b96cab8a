#include <cstddef>
#include <cstdint>
#include <string_view>

#include "resources/configuration_loader.h"
#include "resources/loader.h"
#include "resources/yaml.h"
#include "runtime/reload/differ.h"

namespace {

using namespace outrigger;

void use(const resources::Configuration& configuration) {
  (void)configuration.tracing.rate();
  (void)configuration.metrics.latency_buckets();
  if (configuration.access_control) (void)configuration.access_control->check();
  for (const auto& scope : configuration.secret_scopes) {
    (void)scope.allows("secret");
    OUT_ASSERT(configuration.secret_scope(scope.store_name) != nullptr);
  }
  for (const std::string& feature : configuration.enabled_features()) {
    (void)configuration.feature_enabled(feature);
  }
  (void)resources::api_keys(configuration.allowed_apis, "http");
  (void)resources::api_keys(configuration.denied_apis, "grpc");
}

}  // namespace

// Manifests and the operator's configurations from any bytes: an answer, never a crash, and what is
// read twice is the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const resources::SourceFile file{.path = "fuzz.yaml", .text = std::string(text)};
  const auto first = resources::parse_manifests({file});
  const auto second = resources::parse_manifests({file});
  OUT_ASSERT(first.components == second.components);
  OUT_ASSERT(first.subscriptions == second.subscriptions);
  OUT_ASSERT(first.resiliencies == second.resiliencies);
  OUT_ASSERT(first.http_endpoints == second.http_endpoints);
  OUT_ASSERT(runtime::reload::component_changes(first.components, second.components).empty());
  // A file that is broken now takes nothing of that away, whatever else there is.
  resources::Resources later;
  later.broken_files.insert(file.path);
  if (!second.components.empty()) later.components.push_back(second.components.back());
  resources::keep_from_broken_files(later, first);
  OUT_ASSERT(runtime::reload::difference(first.components, later.components).deleted.empty());
  OUT_ASSERT(runtime::reload::difference(first.subscriptions, later.subscriptions).deleted.empty());
  (void)resources::filter_resources(first, {.app_id = "app", .namespace_name = "default"});
  if (const auto configuration = resources::parse_configuration_json(text)) use(*configuration);
  if (const auto node = yaml::parse(text, {.file = "fuzz.yaml"})) {
    (void)yaml::to_json(*node, yaml::Dialect::yaml_1_1);
    (void)yaml::to_json(*node, yaml::Dialect::yaml_1_2);
  }
  return 0;
}
