#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/env.h"
#include "resources/common.h"
#include "resources/component.h"
#include "resources/http_endpoint.h"

/// Values that come from the environment or from a secret store. Fetching secrets is the runtime's
/// work; this says which, and puts them in.
namespace outrigger::resources {

/// Whether `envRef: name` may be read: never APP_API_TOKEN, DAPR_* (in any case) or a name with a
/// space; and if DAPR_ENV_KEYS is set, only the names that it lists (separated by spaces).
[[nodiscard]] bool is_env_ref_allowed(std::string_view name, const Environment& environment);

/// Gives items that have an envRef and no value the variable's value, and forgets the envRef. A
/// variable that is refused or not set gives no value. Returns the names that were refused.
std::vector<std::string> apply_env_refs(std::span<NameValue> items, const Environment& environment);

/// A secret's keys and values.
using Secret = std::map<std::string, std::string, std::less<>>;
/// By name. A secret that could not be fetched is absent.
using Secrets = std::map<std::string, Secret, std::less<>>;

/// The secrets that must be fetched, each name once, in order. Ask after apply_env_refs().
[[nodiscard]] std::vector<std::string> secret_names(std::span<const NameValue> items);
/// Headers and TLS documents together.
[[nodiscard]] std::vector<std::string> secret_names(const HttpEndpoint& endpoint);

/// Puts values in: the key of secretKeyRef, or the secret's name if no key is given. A missing or
/// empty value leaves the item as it is; a found one replaces a given value.
void apply_secrets(std::span<NameValue> items, const Secrets& secrets);
void apply_secrets(HttpEndpoint& endpoint, const Secrets& secrets);

/// The store that resolves a resource's secrets: its own, else "kubernetes" in Kubernetes mode,
/// else none ("").
enum class Mode : std::uint8_t { standalone, kubernetes };
[[nodiscard]] std::string secret_store_or_default(std::string_view secret_store, Mode mode);

/// The operator sends values of the "kubernetes" store in place, in base64: decodes them. Values
/// that are no base64 are left alone and their items named in the result.
std::vector<std::string> decode_operator_secrets(std::span<NameValue> items);

}  // namespace outrigger::resources
