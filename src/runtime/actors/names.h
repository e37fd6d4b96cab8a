#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace outrigger::runtime::actors {

/// An actor: its type and its id among all of that type.
struct ActorRef {
  std::string type;
  std::string id;

  /// "type||id", the name that keys and messages have it under.
  [[nodiscard]] std::string key() const { return type + "||" + id; }
  bool operator==(const ActorRef&) const = default;
};

/// Code::unknown with upstream's text for a name that would not stay one part of a path: with
/// / \ # ? or control characters, "." and "..".
[[nodiscard]] Result<> check_name(std::string_view name);

/// Of types that belong to the workflow engine, and to nobody else.
[[nodiscard]] bool is_reserved_type(std::string_view type) noexcept;

/// Which of the loops the actor lives on.
[[nodiscard]] std::uint64_t hash_of(std::string_view type, std::string_view id) noexcept;

}  // namespace outrigger::runtime::actors
