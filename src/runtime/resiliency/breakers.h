#pragma once

#include <algorithm>
#include <atomic>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "runtime/resiliency/breaker.h"

namespace outrigger::runtime::resiliency {

/// The breakers of one target by key (an endpoint, an actor), of which those that were used last
/// are kept. All loops share them.
class Breakers {
 public:
  struct Known {
    std::string key;
    std::shared_ptr<Breaker> breaker;
    /// The name of the policy it was made by.
    std::string policy;
  };
  explicit Breakers(std::size_t kept_max) : kept_max_(std::max<std::size_t>(kept_max, 1)) {}

  /// The breaker of that key, made if there is none, or one of another policy.
  std::shared_ptr<Breaker> get(const std::string& key, const std::string& policy,
                               const std::function<std::shared_ptr<Breaker>()>& make);
  /// One that was made elsewhere and used before all that are here: the first that is forgotten.
  /// Nothing if there is one of that key, or no room.
  void put(Known known);

  /// The one that was used last is the first.
  [[nodiscard]] std::vector<Known> all() const;
  [[nodiscard]] std::size_t size() const;

  [[nodiscard]] std::size_t kept_max() const noexcept { return kept_max_; }
  void limit(std::size_t kept_max);

 private:
  std::atomic<std::size_t> kept_max_;
  mutable std::mutex mutex_;
  void trim();
  std::list<Known> by_use_;  ///< The one that was used last is the first.
  std::unordered_map<std::string, std::list<Known>::iterator> by_key_;
};

}  // namespace outrigger::runtime::resiliency
