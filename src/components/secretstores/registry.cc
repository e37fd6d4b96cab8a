#include "components/secretstores/registry.h"

namespace outrigger::components::secretstores {

// Each implementation defines its two functions in its own file.
Result<std::unique_ptr<SecretStore>> make_local_env(const Metadata& metadata,
                                                    ComponentContext& context);
std::vector<FieldInfo> local_env_fields();
Result<std::unique_ptr<SecretStore>> make_local_file(const Metadata& metadata,
                                                     ComponentContext& context);
std::vector<FieldInfo> local_file_fields();

namespace {
constexpr Kind<SecretStore> kKinds[] = {
    {"secretstores.local.env", "v1", &make_local_env, &local_env_fields},
    {"secretstores.local.file", "v1", &make_local_file, &local_file_fields},
};
}  // namespace

std::span<const Kind<SecretStore>> kinds() noexcept { return kKinds; }

}  // namespace outrigger::components::secretstores
