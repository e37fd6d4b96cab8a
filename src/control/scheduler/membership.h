#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "control/scheduler/store.h"

/// How replicas share the jobs: each says which replicas it sees, and when all say the same, each
/// has the jobs of its place in the order of their names (facts/wire_notes.md, section 21b). Who
/// says something new has given up the share it had before.
namespace outrigger::control::scheduler {

/// What a replica says of itself.
struct Membership {
  /// What it takes the replicas to be: their number, which is all that upstream's say, or where
  /// ours are among themselves a digest(), which is another one if one goes and another comes.
  std::uint64_t says = 0;
  /// Random: tells two processes with one id apart.
  std::uint64_t uid = 0;
  std::string address;
  bool operator==(const Membership&) const = default;
};

/// What whoever has a share is told of it: on the same loop, never inside a call to the one who
/// tells. A share ends with lost(), or with the next owned().
struct ShareEvents {
  std::function<void(Share)> owned;
  /// Before lost(), if the share ends because the replicas are others: as Store::Events::drain().
  std::function<Task<Result<>>()> drain;
  std::function<void()> lost;
};

/// Of replicas that have come and gone without pause since a share ended, so many are remembered.
constexpr std::size_t kPlacesMax = 64;

/// Lets what is in flight come to its end, for kDrainMax at most.
Task<void> drain_share(const ShareEvents* events);

/// What all replicas say.
struct Roll {
  std::map<std::string, Membership> members;  ///< By key.
  /// The share of the one with this key if all say this; without a term.
  [[nodiscard]] std::optional<Share> share_of(const std::string& key, std::uint64_t says) const;
  /// Of the keys and uids.
  [[nodiscard]] std::uint64_t digest() const noexcept;
};

}  // namespace outrigger::control::scheduler
