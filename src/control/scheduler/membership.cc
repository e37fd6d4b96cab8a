#include "control/scheduler/membership.h"

namespace outrigger::control::scheduler {

std::optional<Share> Roll::share_of(const std::string& key) const {
  Share share;
  share.total = members.size();
  bool found = false;
  for (const auto& [name, member] : members) {
    if (member.total != share.total) return std::nullopt;
    share.hosts.push_back(member.address);
    if (name == key) {
      share.index = share.hosts.size() - 1;
      found = true;
    }
  }
  if (!found) return std::nullopt;
  return share;
}

}  // namespace outrigger::control::scheduler
