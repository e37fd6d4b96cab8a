#include "resources/component.h"

#include "base/duration.h"
#include "base/strings.h"

namespace outrigger::resources {

std::string Component::log_name() const {
  std::string out = name + " (" + type;
  if (!version.empty()) out += "/" + version;
  return out + ")";
}

std::string_view Component::category() const noexcept {
  return std::string_view(type).substr(0, type.find('.'));
}

const NameValue* Component::find(std::string_view item_name) const noexcept {
  for (const NameValue& item : metadata) {
    if (equals_fold(item.name, item_name)) return &item;
  }
  return nullptr;
}

Result<Component> parse_component(const yaml::Node& document, Report& report) {
  const Field root(document, report);
  Header header = read_header(root);
  Component component;
  component.origin = {.file = report.file(), .line = document.line};
  component.name = std::move(header.name);
  component.namespace_name = std::move(header.namespace_name);
  root["scopes"].read(component.scopes);
  if (const Field auth = root["auth"]; auth.is_map()) {
    auth["secretStore"].read(component.secret_store);
  }
  if (const Field spec = root["spec"]; spec.is_map()) {
    spec["type"].read(component.type);
    spec["version"].read(component.version);
    spec["ignoreErrors"].read(component.ignore_errors);
    read_name_values(spec["metadata"], component.metadata);
    std::string timeout;
    spec["initTimeout"].read(timeout);
    if (!timeout.empty()) {
      const auto parsed = parse_duration(timeout);
      if (parsed) component.init_timeout = *parsed;
      if (!parsed) spec["initTimeout"].warning(parsed.error().message() + "; 5s is used");
    }
  }
  if (component.name.empty()) root["metadata"]["name"].warning("the component has no name");
  OUT_CHECK(report.result());
  return component;
}

}  // namespace outrigger::resources
