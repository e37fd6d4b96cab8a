#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "resources/common.h"
#include "resources/yaml.h"

namespace outrigger::resources {

/// kind Component, apiVersion dapr.io/v1alpha1.
struct Component {
  static constexpr std::string_view kKind = "Component";
  static constexpr std::string_view kApiVersion = "dapr.io/v1alpha1";
  /// Upstream's default for spec.initTimeout.
  static constexpr std::chrono::nanoseconds kInitTimeout = std::chrono::seconds(5);

  Origin origin;
  std::string name;
  std::string namespace_name;
  /// "state.redis". Not checked here: an unknown or missing type is the registry's error.
  std::string type;
  /// As written; empty, "v0" and "v1" all mean the first stable version.
  std::string version;
  bool ignore_errors = false;
  std::vector<NameValue> metadata;
  /// kInitTimeout if absent or no Go duration.
  std::chrono::nanoseconds init_timeout = kInitTimeout;
  /// auth.secretStore; empty: "kubernetes" in Kubernetes mode, otherwise none.
  std::string secret_store;
  std::vector<std::string> scopes;

  bool operator==(const Component&) const = default;
  /// "name (type/version)", as upstream's log and errors call it.
  [[nodiscard]] std::string log_name() const;
  /// What stands before the first dot of the type: "state".
  [[nodiscard]] std::string_view category() const noexcept;
  /// The item of that name in any case, or nullptr.
  [[nodiscard]] const NameValue* find(std::string_view item_name) const noexcept;
};

/// Reads a Component document. `report` gets the warnings (and the problems, which are also the
/// Error).
[[nodiscard]] Result<Component> parse_component(const yaml::Node& document, Report& report);

}  // namespace outrigger::resources
