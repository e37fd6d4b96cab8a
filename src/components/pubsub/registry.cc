#include "components/pubsub/registry.h"

namespace outrigger::components::pubsub {

// Each implementation defines its two functions in its own file.
Result<std::unique_ptr<Broker>> make_in_memory(const Metadata& metadata, ComponentContext& context);
std::vector<FieldInfo> in_memory_fields();
Result<std::unique_ptr<Broker>> make_redis(const Metadata& metadata, ComponentContext& context);
std::vector<FieldInfo> redis_fields();
Result<std::unique_ptr<Broker>> make_sqlite(const Metadata& metadata, ComponentContext& context);
std::vector<FieldInfo> sqlite_fields();

namespace {
constexpr Kind<Broker> kKinds[] = {
    {"pubsub.in-memory", "v1", &make_in_memory, &in_memory_fields},
    {"pubsub.redis", "v1", &make_redis, &redis_fields},
    {"pubsub.sqlite", "v1", &make_sqlite, &sqlite_fields},
};
}  // namespace

std::span<const Kind<Broker>> kinds() noexcept { return kKinds; }

}  // namespace outrigger::components::pubsub
