#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "resources/component.h"

namespace outrigger::resources {

/// What the templates in metadata values stand for.
struct TemplateFacts {
  std::string app_id;
  /// From POD_NAME; empty: {podName} is an error.
  std::string pod_name;
  std::string namespace_name;
  /// A fresh value for each {uuid}.
  std::function<std::string()> uuid;
};

/// The text with {uuid}, {podName}, {namespace} (becomes "<namespace>.<app id>", as upstream has
/// it) and {appID} replaced. `item` is named in the error.
[[nodiscard]] Result<std::string> expand_templates(std::string_view text, std::string_view item,
                                                   const TemplateFacts& facts);

/// A component's metadata as its implementation gets it: name to expanded value. Items without a
/// value are there with an empty one; of two items with the same name the last counts.
[[nodiscard]] Result<std::map<std::string, std::string>> component_properties(
    const Component& component, const TemplateFacts& facts);

/// Whether any value has {namespace}: then a pub/sub component's topics get the namespace as a
/// prefix.
[[nodiscard]] bool mentions_namespace(std::span<const NameValue> items);

/// spec.wasm.strictSandbox of the configuration: sets the item strictSandbox to true, or adds it,
/// if the type is one of WebAssembly's (bindings.wasm, middleware.http.wasm).
void enforce_strict_sandbox(Component& component);

}  // namespace outrigger::resources
