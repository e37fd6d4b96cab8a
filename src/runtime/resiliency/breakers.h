#pragma once

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
  explicit Breakers(std::size_t kept_max) : kept_max_(kept_max) {}

  std::shared_ptr<Breaker> get(const std::string& key,
                               const std::function<std::shared_ptr<Breaker>()>& make);

  struct Known {
    std::string key;
    std::shared_ptr<Breaker> breaker;
  };
  /// By key.
  [[nodiscard]] std::vector<Known> all() const;

 private:
  const std::size_t kept_max_;
  mutable std::mutex mutex_;
  std::list<Known> by_use_;  ///< The one that was used last is the first.
  std::unordered_map<std::string, std::list<Known>::iterator> by_key_;
};

}  // namespace outrigger::runtime::resiliency
