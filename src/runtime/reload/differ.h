#pragma once

#include <map>
#include <ranges>
#include <string>
#include <vector>

#include "resources/component.h"

/// Files that change while the sidecar runs: what is read again, and what follows from it.
namespace outrigger::runtime::reload {

/// How one list of resources becomes another. `deleted` has the last one first, for what came later
/// may stand on what came before; the others are in the order of the new list.
template <class T>
struct Changes {
  std::vector<T> deleted, changed, created;

  [[nodiscard]] bool empty() const noexcept {
    return deleted.empty() && changed.empty() && created.empty();
  }
};

/// By name. Of several of one name in a list the last counts.
template <class T>
Changes<T> difference(const std::vector<T>& before, const std::vector<T>& now) {
  std::map<std::string, const T*> old_ones, new_ones;
  for (const T& item : before) old_ones.insert_or_assign(item.name, &item);
  for (const T& item : now) new_ones.insert_or_assign(item.name, &item);
  Changes<T> changes;
  for (const T& item : before | std::views::reverse) {
    const bool counts = old_ones.at(item.name) == &item;
    if (counts && !new_ones.contains(item.name)) changes.deleted.push_back(item);
  }
  for (const T& item : now) {
    if (new_ones.at(item.name) != &item) continue;
    const auto old = old_ones.find(item.name);
    if (old == old_ones.end()) {
      changes.created.push_back(item);
    } else if (!(*old->second == item)) {
      changes.changed.push_back(item);
    }
  }
  return changes;
}

/// The same for components: secret stores come first and go last, for others are made of what is in
/// them.
[[nodiscard]] inline Changes<resources::Component> component_changes(
    const std::vector<resources::Component>& before, const std::vector<resources::Component>& now) {
  const auto arrange = [](std::vector<resources::Component>& list, bool stores_first) {
    std::vector<resources::Component> arranged;
    for (const bool stores : {stores_first, !stores_first}) {
      for (const resources::Component& each : list) {
        if ((each.category() == "secretstores") == stores) arranged.push_back(each);
      }
    }
    list = std::move(arranged);
  };
  auto changes = difference(before, now);
  arrange(changes.changed, true);
  arrange(changes.created, true);
  arrange(changes.deleted, false);
  return changes;
}

}  // namespace outrigger::runtime::reload
