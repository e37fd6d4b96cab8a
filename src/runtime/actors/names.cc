#include "runtime/actors/names.h"

#include <functional>

#include "base/strings.h"

namespace outrigger::runtime::actors {

Result<> check_name(std::string_view name) {
  if (name.find_first_of(std::string_view("#?\0/\\", 5)) != std::string_view::npos) {
    return fail(Code::unknown, "name contains forbidden character: " + quoted(name));
  }
  for (std::size_t i = 0; i < name.size(); ++i) {
    const auto byte = static_cast<unsigned char>(name[i]);
    if (byte >= 0x20 && byte != 0x7f) continue;
    return fail(Code::unknown, "name contains control character at position " + std::to_string(i) +
                                   ": " + quoted(name));
  }
  if (name == "." || name == "..") {
    return fail(Code::unknown, "name is a path traversal sequence: " + quoted(name));
  }
  return {};
}

bool is_reserved_type(std::string_view type) noexcept { return type.starts_with("dapr.internal."); }

std::uint64_t hash_of(std::string_view type, std::string_view id) noexcept {
  const std::uint64_t kind = std::hash<std::string_view>()(type);
  std::uint64_t mixed = std::hash<std::string_view>()(id) ^ (kind * 0x9e3779b97f4a7c15ULL);
  // A finaliser, so that both the low and the high bits are good ones.
  mixed = (mixed ^ (mixed >> 32)) * 0xd6e8feb86659fd93ULL;
  return mixed ^ (mixed >> 32);
}

}  // namespace outrigger::runtime::actors
