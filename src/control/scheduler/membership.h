#pragma once

#include <map>
#include <optional>
#include <string>

#include "control/scheduler/store.h"

/// How replicas share the jobs: each says how many replicas it counts, and when all count the same,
/// each has the jobs of its place in the order of their names (facts/wire_notes.md, section 21b).
namespace outrigger::control::scheduler {

/// What a replica says of itself.
struct Membership {
  std::uint64_t total = 0;
  /// Random: tells two processes with one id apart.
  std::uint64_t uid = 0;
  std::string address;
  bool operator==(const Membership&) const = default;
};

/// What all replicas say.
struct Roll {
  std::map<std::string, Membership> members;  ///< By key.
  /// The share of the one with this key if all count the same; without a term.
  [[nodiscard]] std::optional<Share> share_of(const std::string& key) const;
};

}  // namespace outrigger::control::scheduler
