#include "resources/common.h"

#include <algorithm>

namespace outrigger::resources {
namespace {

// Kubernetes' rule for names that become a part of a path.
void check_name(const Field& field, const std::string& name) {
  if (name == "." || name == "..") field.problem("invalid name \"" + name + "\"");
  for (const char c : {'/', '%'}) {
    if (name.find(c) == std::string::npos) continue;
    field.problem("invalid name \"" + name + "\": may not contain '" + std::string(1, c) + "'");
  }
}

}  // namespace

std::string Origin::to_string() const {
  return file.empty() ? std::string() : file + ":" + std::to_string(line);
}

Header read_header(const Field& document) {
  Header header;
  if (!document.is_map()) return header;
  document["apiVersion"].read(header.api_version);
  document["kind"].read(header.kind);
  const Field metadata = document["metadata"];
  if (!metadata.is_map()) return header;
  metadata["name"].read(header.name);
  metadata["namespace"].read(header.namespace_name);
  check_name(metadata["name"], header.name);
  return header;
}

SecretKeyRef read_secret_key_ref(const Field& field) {
  SecretKeyRef ref;
  if (!field.is_map()) return ref;
  field["name"].read(ref.name);
  field["key"].read(ref.key);
  return ref;
}

NameValue read_name_value(const Field& field) {
  NameValue item;
  if (!field.is_map()) return item;
  field["name"].read(item.name);
  item.has_value = field["value"].read_any(item.value);
  item.secret_key_ref = read_secret_key_ref(field["secretKeyRef"]);
  field["envRef"].read(item.env_ref);
  if (item.name.empty()) field.warning("has no name");
  return item;
}

void read_name_values(const Field& list, std::vector<NameValue>& out) {
  list.each([&](const Field& item) { out.push_back(read_name_value(item)); });
}

bool in_scope(const std::vector<std::string>& scopes, std::string_view app_id) {
  return scopes.empty() || std::ranges::find(scopes, app_id) != scopes.end();
}

}  // namespace outrigger::resources
