#include "resources/templates.h"

#include <algorithm>

#include "base/strings.h"

namespace outrigger::resources {

Result<std::string> expand_templates(std::string_view text, std::string_view item,
                                     const TemplateFacts& facts) {
  constexpr std::string_view kUuid = "{uuid}";
  if (text.find('{') == std::string_view::npos) return std::string(text);
  std::string out;
  std::string_view rest = text;
  for (auto at = rest.find(kUuid); at != std::string_view::npos; at = rest.find(kUuid)) {
    out.append(rest.substr(0, at)).append(facts.uuid());
    rest.remove_prefix(at + kUuid.size());
  }
  out += rest;
  if (out.find("{podName}") != std::string::npos) {
    if (facts.pod_name.empty()) {
      return fail(Code::invalid_argument, "failed to parse metadata: property " +
                                              std::string(item) +
                                              " refers to {podName} but podName is not set");
    }
    out = replace_all(out, "{podName}", facts.pod_name);
  }
  out = replace_all(out, "{namespace}", facts.namespace_name + "." + facts.app_id);
  return replace_all(out, "{appID}", facts.app_id);
}

Result<std::map<std::string, std::string>> component_properties(const Component& component,
                                                                const TemplateFacts& facts) {
  std::map<std::string, std::string> properties;
  for (const NameValue& item : component.metadata) {
    OUT_TRY(auto value, expand_templates(item.value, item.name, facts));
    properties.insert_or_assign(item.name, std::move(value));
  }
  return properties;
}

bool mentions_namespace(std::span<const NameValue> items) {
  return std::ranges::any_of(items, [](const NameValue& item) {
    return item.value.find("{namespace}") != std::string::npos;
  });
}

void enforce_strict_sandbox(Component& component) {
  constexpr std::string_view kItem = "strictSandbox";
  const bool wasm = equals_fold(component.type, "bindings.wasm") ||
                    equals_fold(component.type, "middleware.http.wasm");
  if (!wasm) return;
  // Of several the last would count, and none of them may say otherwise.
  bool said = false;
  for (NameValue& item : component.metadata) {
    if (!equals_fold(item.name, kItem)) continue;
    item.value = "true";
    item.has_value = true;
    said = true;
  }
  if (said) return;
  component.metadata.push_back({.name = std::string(kItem), .value = "true", .has_value = true});
}

}  // namespace outrigger::resources
