#include "runtime/resiliency/breakers.h"

#include <algorithm>

namespace outrigger::runtime::resiliency {

std::shared_ptr<Breaker> Breakers::get(const std::string& key,
                                       const std::function<std::shared_ptr<Breaker>()>& make) {
  const std::lock_guard lock(mutex_);
  const auto found = by_key_.find(key);
  if (found != by_key_.end()) {
    by_use_.splice(by_use_.begin(), by_use_, found->second);
    return found->second->breaker;
  }
  by_use_.push_front({key, make()});
  by_key_.emplace(key, by_use_.begin());
  if (by_use_.size() > kept_max_) {
    by_key_.erase(by_use_.back().key);
    by_use_.pop_back();
  }
  return by_use_.front().breaker;
}

std::vector<Breakers::Known> Breakers::all() const {
  std::unique_lock lock(mutex_);
  std::vector<Known> known(by_use_.begin(), by_use_.end());
  lock.unlock();
  std::ranges::sort(known, {}, &Known::key);
  return known;
}

}  // namespace outrigger::runtime::resiliency
