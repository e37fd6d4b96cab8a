#include <cstdlib>

#include "base/env.h"
#include "base/strings.h"
#include "components/component.h"
#include "components/secretstores/secret_store.h"

extern char** environ;

namespace outrigger::components::secretstores {
namespace {

struct Options {
  std::string prefix;
};
constexpr Field<Options> kFields[] = {{{.name = "prefix"}, &Options::prefix}};

/// The program's own settings, tokens among them, are not for the application.
bool allowed(std::string_view name) noexcept {
  return !equals_fold(name, "APP_API_TOKEN") && !starts_with_fold(name, "DAPR_");
}

class LocalEnv final : public SecretStore {
 public:
  explicit LocalEnv(Options options) : options_(std::move(options)) {}

  Task<Result<>> init() override { co_return Result<>(); }

  /// A variable that is not set or not allowed is an empty secret, not an error.
  Task<Result<Secret>> get(SecretRequest request) override {
    const std::string variable = options_.prefix + request.name;
    Secret secret;
    secret.emplace(std::move(request.name),
                   allowed(variable) ? env_or(variable, "") : std::string());
    co_return secret;
  }

  Task<Result<std::map<std::string, Secret, std::less<>>>> bulk_get(Properties) override {
    std::map<std::string, Secret, std::less<>> secrets;
    for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
      const auto parts = cut(*entry, "=");
      if (!parts || !allowed(parts->first)) continue;
      std::string_view name = parts->first;
      if (!name.starts_with(options_.prefix)) continue;
      name.remove_prefix(options_.prefix.size());
      if (name.empty()) continue;
      secrets[std::string(name)].emplace(name, parts->second);
    }
    co_return secrets;
  }

  Task<void> close() override { co_return; }

 private:
  Options options_;
};

}  // namespace

Result<std::unique_ptr<SecretStore>> make_local_env(const Metadata& metadata, ComponentContext&) {
  OUT_TRY(auto options, parse_fields<Options>(metadata, kFields));
  return std::make_unique<LocalEnv>(std::move(options));
}

std::vector<FieldInfo> local_env_fields() { return describe(kFields); }

}  // namespace outrigger::components::secretstores
