#include "resources/references.h"

#include <algorithm>

#include "base/base64.h"
#include "base/strings.h"

namespace outrigger::resources {
namespace {

void add_once(std::vector<std::string>& names, const std::string& name) {
  if (!name.empty() && std::ranges::find(names, name) == names.end()) names.push_back(name);
}

// nullptr if there is none, or an empty one.
const std::string* find_value(const SecretKeyRef& ref, const Secrets& secrets) {
  if (ref.name.empty()) return nullptr;
  const auto secret = secrets.find(ref.name);
  if (secret == secrets.end()) return nullptr;
  const auto value = secret->second.find(ref.key_or_name());
  return value == secret->second.end() || value->second.empty() ? nullptr : &value->second;
}

void apply_to(std::optional<TlsDocument>& document, const Secrets& secrets) {
  if (!document) return;
  if (const std::string* value = find_value(document->secret_key_ref, secrets)) {
    document->value = *value;
  }
}

}  // namespace

bool is_env_ref_allowed(std::string_view name, const Environment& environment) {
  const std::string upper = to_upper(name);
  if (upper.empty() || upper == "APP_API_TOKEN" || upper.starts_with("DAPR_") ||
      upper.find(' ') != std::string::npos) {
    return false;
  }
  const std::string allowed = environment("DAPR_ENV_KEYS").value_or("");
  if (allowed.empty()) return true;
  return std::ranges::any_of(split(allowed, ' '),
                             [&](std::string_view key) { return key == upper; });
}

std::vector<std::string> apply_env_refs(std::span<NameValue> items,
                                        const Environment& environment) {
  std::vector<std::string> refused;
  for (NameValue& item : items) {
    if (item.has_value || item.env_ref.empty()) continue;
    if (is_env_ref_allowed(item.env_ref, environment)) {
      item.value = environment(item.env_ref).value_or("");
      item.has_value = !item.value.empty();
    } else {
      refused.push_back(item.env_ref);
    }
    item.env_ref.clear();
  }
  return refused;
}

std::vector<std::string> secret_names(std::span<const NameValue> items) {
  std::vector<std::string> names;
  for (const NameValue& item : items) add_once(names, item.secret_key_ref.name);
  return names;
}

std::vector<std::string> secret_names(const HttpEndpoint& endpoint) {
  std::vector<std::string> names = secret_names(std::span(endpoint.headers));
  if (!endpoint.client_tls) return names;
  const ClientTls& tls = *endpoint.client_tls;
  for (const auto* document : {&tls.root_ca, &tls.certificate, &tls.private_key}) {
    if (*document) add_once(names, (*document)->secret_key_ref.name);
  }
  return names;
}

void apply_secrets(std::span<NameValue> items, const Secrets& secrets) {
  for (NameValue& item : items) {
    const std::string* value = find_value(item.secret_key_ref, secrets);
    if (value == nullptr) continue;
    item.value = *value;
    item.has_value = true;
  }
}

void apply_secrets(HttpEndpoint& endpoint, const Secrets& secrets) {
  apply_secrets(std::span(endpoint.headers), secrets);
  if (!endpoint.client_tls) return;
  apply_to(endpoint.client_tls->root_ca, secrets);
  apply_to(endpoint.client_tls->certificate, secrets);
  apply_to(endpoint.client_tls->private_key, secrets);
}

std::string secret_store_or_default(std::string_view secret_store, Mode mode) {
  if (secret_store.empty() && mode == Mode::kubernetes) return "kubernetes";
  return std::string(secret_store);
}

std::vector<std::string> decode_operator_secrets(std::span<NameValue> items) {
  std::vector<std::string> wrong;
  for (NameValue& item : items) {
    if (item.secret_key_ref.name.empty()) continue;
    auto decoded = item.has_value ? base64_decode(item.value) : std::nullopt;
    if (decoded) {
      item.value = std::move(*decoded);
    } else {
      wrong.push_back(item.name);
    }
  }
  return wrong;
}

}  // namespace outrigger::resources
