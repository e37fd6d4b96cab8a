#include <cstddef>
#include <cstdint>
#include <string_view>

#include "resources/configuration_loader.h"
#include "resources/loader.h"
#include "resources/yaml.h"

// Manifests and the operator's configurations from any bytes: an answer, never a crash, and what is
// read twice is the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace outrigger;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const resources::SourceFile file{.path = "fuzz.yaml", .text = std::string(text)};
  const auto first = resources::parse_manifests({file});
  const auto second = resources::parse_manifests({file});
  OUT_ASSERT(first.components == second.components);
  OUT_ASSERT(first.subscriptions == second.subscriptions);
  OUT_ASSERT(first.resiliencies == second.resiliencies);
  OUT_ASSERT(first.http_endpoints == second.http_endpoints);
  (void)resources::filter_resources(first, {.app_id = "app", .namespace_name = "default"});
  (void)resources::parse_configuration_json(text);
  if (const auto node = yaml::parse(text, {.file = "fuzz.yaml"})) {
    (void)yaml::to_json(*node, yaml::Dialect::yaml_1_1);
    (void)yaml::to_json(*node, yaml::Dialect::yaml_1_2);
  }
  return 0;
}
