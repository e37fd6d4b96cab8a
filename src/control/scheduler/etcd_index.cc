#include "control/scheduler/etcd_index.h"

namespace outrigger::control::scheduler {

std::optional<JobId> EtcdIndex::put(JobId id, std::string name, Waking waking) {
  const auto replaced = find(name);
  if (replaced) erase(*replaced);
  const auto [entry, added] = entries_.emplace(id, Entry{std::move(name), waking});
  OUT_ASSERT(added);  // An id is used once.
  names_.emplace(entry->second.name, id);
  order_.insert({waking.due, id});
  return replaced;
}

const EtcdIndex::Entry* EtcdIndex::find(JobId id) const {
  const auto found = entries_.find(id);
  return found == entries_.end() ? nullptr : &found->second;
}

std::optional<JobId> EtcdIndex::find(std::string_view name) const {
  const auto found = names_.find(name);
  if (found == names_.end()) return std::nullopt;
  return found->second;
}

void EtcdIndex::erase(JobId id) {
  const auto found = entries_.find(id);
  if (found == entries_.end()) return;
  order_.erase({found->second.waking.due, id});
  names_.erase(found->second.name);
  entries_.erase(found);
}

void EtcdIndex::move(JobId id, Waking waking) {
  const auto found = entries_.find(id);
  if (found == entries_.end()) return;
  order_.erase({found->second.waking.due, id});
  found->second.waking = waking;
  order_.insert({waking.due, id});
}

std::vector<Due> EtcdIndex::due(Due after, WallTime until, std::size_t limit) const {
  std::vector<Due> found;
  for (auto next = order_.upper_bound(after); next != order_.end(); ++next) {
    if (next->when > until || found.size() >= limit) break;
    found.push_back(*next);
  }
  return found;
}

void EtcdIndex::shorten_waits(WallTime now) {
  std::vector<JobId> late;
  for (auto next = order_.upper_bound({now, ~JobId{0}}); next != order_.end(); ++next) {
    const Waking& waking = entries_.at(next->id).waking;
    if (due_at(waking, now) < waking.due) late.push_back(next->id);
  }
  for (const JobId id : late) {
    Waking waking = entries_.at(id).waking;
    waking.due = due_at(waking, now);
    move(id, waking);
  }
}

void EtcdIndex::clear() {
  order_.clear();
  names_.clear();
  entries_.clear();
}

}  // namespace outrigger::control::scheduler
