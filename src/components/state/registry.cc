#include "components/state/registry.h"

namespace outrigger::components::state {

// Each implementation defines its two functions in its own file.
Result<std::unique_ptr<Store>> make_in_memory(const Metadata& metadata, ComponentContext& context);
std::vector<FieldInfo> in_memory_fields();
Result<std::unique_ptr<Store>> make_postgresql_v1(const Metadata& metadata,
                                                  ComponentContext& context);
std::vector<FieldInfo> postgresql_v1_fields();
Result<std::unique_ptr<Store>> make_postgresql_v2(const Metadata& metadata,
                                                  ComponentContext& context);
std::vector<FieldInfo> postgresql_v2_fields();
Result<std::unique_ptr<Store>> make_redis(const Metadata& metadata, ComponentContext& context);
std::vector<FieldInfo> redis_fields();
Result<std::unique_ptr<Store>> make_sqlite(const Metadata& metadata, ComponentContext& context);
std::vector<FieldInfo> sqlite_fields();

namespace {
constexpr Kind<Store> kKinds[] = {
    {"state.in-memory", "v1", &make_in_memory, &in_memory_fields},
    {"state.postgres", "v1", &make_postgresql_v1, &postgresql_v1_fields, true},
    {"state.postgres", "v2", &make_postgresql_v2, &postgresql_v2_fields},
    {"state.postgresql", "v1", &make_postgresql_v1, &postgresql_v1_fields, true},
    {"state.postgresql", "v2", &make_postgresql_v2, &postgresql_v2_fields},
    {"state.redis", "v1", &make_redis, &redis_fields},
    {"state.sqlite", "v1", &make_sqlite, &sqlite_fields},
    {"state.sqlite3", "v1", &make_sqlite, &sqlite_fields},
};
}  // namespace

std::span<const Kind<Store>> kinds() noexcept { return kKinds; }

}  // namespace outrigger::components::state
