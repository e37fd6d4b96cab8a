#include "base/readiness.h"

#include <algorithm>

namespace outrigger {

void Readiness::add(const std::string& target) { set(target, false); }

void Readiness::set(const std::string& target, bool ready) {
  const std::lock_guard lock(mutex_);
  targets_[target] = ready;
}

bool Readiness::ready() const {
  const std::lock_guard lock(mutex_);
  return !targets_.empty() &&
         std::ranges::all_of(targets_, [](const auto& entry) { return entry.second; });
}

std::vector<std::string> Readiness::unready() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [name, ready] : targets_) {
    if (!ready) names.push_back(name);
  }
  return names;
}

}  // namespace outrigger
