#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/task.h"
#include "components/metadata.h"

/// Secret stores: where secrets are read from, by the secrets API and by references in resources.
namespace outrigger::components::secretstores {

/// The keys and values of one secret. A store without several keys per secret has one, named as
/// the secret itself.
using Secret = Properties;

/// The key a reference means that names no key.
inline constexpr std::string_view kDefaultKey = "_value";

struct SecretRequest {
  std::string name;
  Properties metadata;
};

/// One object per configured component and loop (components/component.h). Calls may overlap; the
/// owner starts none after close().
class SecretStore {
 public:
  virtual ~SecretStore() = default;
  virtual Task<Result<>> init() = 0;
  /// What a secret that does not exist gives is the store's own: an error, or an empty value.
  virtual Task<Result<Secret>> get(SecretRequest request) = 0;
  /// All secrets that may be read, by name.
  virtual Task<Result<std::map<std::string, Secret, std::less<>>>> bulk_get(
      Properties metadata) = 0;
  /// Whether the store can be reached.
  virtual Task<Result<>> ping() { co_return Result<>(); }
  virtual Task<void> close() = 0;

  struct Traits {
    bool several_keys_per_secret = false;
  };
  /// Valid after init().
  [[nodiscard]] virtual Traits traits() const noexcept { return {}; }
};

/// The store's abilities in upstream's words.
[[nodiscard]] inline std::vector<std::string> features(const SecretStore& store) {
  std::vector<std::string> names;
  if (store.traits().several_keys_per_secret) names.emplace_back("MULTIPLE_KEY_VALUES_PER_SECRET");
  return names;
}

}  // namespace outrigger::components::secretstores
