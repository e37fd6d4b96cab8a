#include "components/nameresolution/registry.h"

namespace outrigger::components::nameresolution {

// Each implementation defines its two functions in its own file.
Result<std::unique_ptr<Resolver>> make_kubernetes(const Metadata& metadata,
                                                  ComponentContext& context);
std::vector<FieldInfo> kubernetes_fields();
Result<std::unique_ptr<Resolver>> make_mdns(const Metadata& metadata, ComponentContext& context);
std::vector<FieldInfo> mdns_fields();
Result<std::unique_ptr<Resolver>> make_name_format(const Metadata& metadata,
                                                   ComponentContext& context);
std::vector<FieldInfo> name_format_fields();
Result<std::unique_ptr<Resolver>> make_sqlite(const Metadata& metadata, ComponentContext& context);
std::vector<FieldInfo> sqlite_fields();

namespace {
constexpr Kind<Resolver> kKinds[] = {
    {"nameresolution.kubernetes", "v1", &make_kubernetes, &kubernetes_fields},
    {"nameresolution.mdns", "v1", &make_mdns, &mdns_fields},
    {"nameresolution.nameformat", "v1", &make_name_format, &name_format_fields},
    {"nameresolution.sqlite", "v1", &make_sqlite, &sqlite_fields},
};
}  // namespace

std::span<const Kind<Resolver>> kinds() noexcept { return kKinds; }

Result<const Kind<Resolver>*> find_resolver(std::string_view component, std::string_view version) {
  const std::string type = "nameresolution." + std::string(component);
  const auto* kind = find_kind(kinds(), type, version);
  if (kind != nullptr) return kind;
  return fail(Code::not_found, "couldn't find name resolver " + std::string(component) + "/" +
                                   std::string(version.empty() ? "v1" : version));
}

}  // namespace outrigger::components::nameresolution
