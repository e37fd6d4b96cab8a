#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/env.h"
#include "base/strings.h"
#include "components/metadata.h"

/// What the conformance suites of all blocks share. A component that needs a server is skipped
/// unless the environment says where one is: OUTRIGGER_TEST_<TYPE>, with <TYPE> as in STATE_REDIS,
/// holds its metadata, "name=value" each, separated by semicolons.
namespace outrigger::components::conformance {

/// "OUTRIGGER_TEST_STATE_REDIS" of "state.redis".
inline std::string variable_of(std::string_view type) {
  std::string name = "OUTRIGGER_TEST_" + to_upper(type);
  std::ranges::replace(name, '.', '_');
  std::ranges::replace(name, '-', '_');
  return name;
}

/// The metadata that the environment gives for a type; nullopt if it gives none.
inline std::optional<Properties> properties_from_environment(std::string_view type) {
  const auto text = env(variable_of(type));
  if (!text) return std::nullopt;
  Properties properties;
  for (const auto part : split_list(*text, ';')) {
    if (const auto pair = cut(part, "=")) properties.emplace(pair->first, pair->second);
  }
  return properties;
}

/// "state_redis_v1": a row of a registry as part of a test's name.
inline std::string test_name_of(std::string_view type, std::string_view version) {
  std::string name = std::string(type) + "_" + std::string(version);
  std::erase(name, '-');
  std::ranges::replace(name, '.', '_');
  return name;
}

}  // namespace outrigger::components::conformance
