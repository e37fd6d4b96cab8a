#include "runtime/resiliency/breakers.h"

#include <iterator>

namespace outrigger::runtime::resiliency {

std::shared_ptr<Breaker> Breakers::get(const std::string& key, const std::string& policy,
                                       const std::function<std::shared_ptr<Breaker>()>& make) {
  const std::lock_guard lock(mutex_);
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) {
    by_use_.push_front({key, make(), policy});
    by_key_.emplace(key, by_use_.begin());
    trim();
    return by_use_.front().breaker;
  }
  by_use_.splice(by_use_.begin(), by_use_, found->second);
  Known& known = by_use_.front();
  if (known.policy != policy) known = {key, make(), policy};
  return known.breaker;
}

void Breakers::put(Known known) {
  const std::lock_guard lock(mutex_);
  if (by_key_.contains(known.key)) return;
  by_use_.push_back(std::move(known));
  by_key_.emplace(by_use_.back().key, std::prev(by_use_.end()));
  trim();
}

void Breakers::trim() {
  while (by_use_.size() > kept_max_) {
    by_key_.erase(by_use_.back().key);
    by_use_.pop_back();
  }
}

void Breakers::limit(std::size_t kept_max) {
  kept_max = std::max<std::size_t>(kept_max, 1);
  if (kept_max == kept_max_.load(std::memory_order_relaxed)) return;
  const std::lock_guard lock(mutex_);
  kept_max_ = kept_max;
  trim();
}

std::size_t Breakers::size() const {
  const std::lock_guard lock(mutex_);
  return by_use_.size();
}

std::vector<Breakers::Known> Breakers::all() const {
  const std::lock_guard lock(mutex_);
  return {by_use_.begin(), by_use_.end()};
}

}  // namespace outrigger::runtime::resiliency
