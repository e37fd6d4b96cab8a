#include "components/component.h"

#include "base/strings.h"

namespace outrigger::components::detail {

bool same_type(std::string_view a, std::string_view b) noexcept { return equals_fold(a, b); }

bool matches(std::string_view row_version, bool is_default, bool several,
             std::string_view version) noexcept {
  if (equals_fold(row_version, version)) return true;
  if (several) return version.empty() && is_default;
  return row_version == "v1" && (version.empty() || equals_fold(version, "v0"));
}

}  // namespace outrigger::components::detail
