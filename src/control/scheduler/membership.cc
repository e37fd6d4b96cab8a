#include "control/scheduler/membership.h"

#include "base/log.h"
#include "base/scope.h"

namespace outrigger::control::scheduler {
namespace {

const Logger log("dapr.scheduler.server.replicas");

}  // namespace

bool Share::continues(std::uint64_t partition_id) const noexcept {
  if (!since || !place().has(partition_id)) return false;
  return std::ranges::all_of(
      *since, [partition_id](const Place& place) { return place.has(partition_id); });
}

void Share::follow_untold(const Share& before) {
  if (!since) return;
  if (!before.since || before.since->size() > kPlacesMax) {
    since.reset();
    return;
  }
  since->push_back(before.place());
  since->insert(since->end(), before.since->begin(), before.since->end());
}

Task<void> drain_share(const ShareEvents* events) {
  auto drained = co_await with_timeout(events->drain(), kDrainMax);
  if (drained || drained.error().code() == Code::cancelled) co_return;
  log.warn("Sidecars are still at work on triggers of the share that ends; they may repeat");
}

std::optional<Share> Roll::share_of(const std::string& key, std::uint64_t says) const {
  Share share;
  share.total = members.size();
  bool found = false;
  for (const auto& [name, member] : members) {
    if (member.says != says) return std::nullopt;
    share.hosts.push_back(member.address);
    if (name == key) {
      share.index = share.hosts.size() - 1;
      found = true;
    }
  }
  if (!found) return std::nullopt;
  return share;
}

std::uint64_t Roll::digest() const noexcept {
  // FNV-1a: replicas of different builds must find the same.
  std::uint64_t hash = 0xcbf29ce484222325;
  const auto add = [&hash](unsigned char byte) { hash = (hash ^ byte) * 0x100000001b3; };
  for (const auto& [key, member] : members) {
    for (const char c : key) add(static_cast<unsigned char>(c));
    for (unsigned shift = 0; shift < 64; shift += 8) {
      add(static_cast<unsigned char>(member.uid >> shift));
    }
  }
  return hash;
}

}  // namespace outrigger::control::scheduler
