#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "control/scheduler/store.h"

namespace outrigger::control::scheduler {

/// When the jobs of a share are due, for an engine that cannot be asked. Some 200 bytes a job.
class EtcdIndex {
 public:
  struct Entry {
    std::string name;
    Waking waking;
  };

  /// Of a job that replaces whatever has its name; the id of that.
  std::optional<JobId> put(JobId id, std::string name, Waking waking);
  /// nullptr if there is none.
  [[nodiscard]] const Entry* find(JobId id) const;
  [[nodiscard]] std::optional<JobId> find(std::string_view name) const;
  void erase(JobId id);
  void move(JobId id, Waking waking);
  [[nodiscard]] std::vector<Due> due(Due after, WallTime until, std::size_t limit) const;
  /// As Store::shorten_waits().
  void shorten_waits(WallTime now);
  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
  void clear();

 private:
  std::unordered_map<JobId, Entry> entries_;
  std::unordered_map<std::string_view, JobId> names_;  // Views of the entries' names.
  std::set<Due> order_;
};

}  // namespace outrigger::control::scheduler
