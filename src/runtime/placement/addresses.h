#pragma once

#include <string>
#include <vector>

#include "base/task.h"
#include "net/transport.h"

namespace outrigger::runtime::placement {

/// Where placement may be, in turn. Private to this folder.
class Addresses {
 public:
  /// `resolve`: only the first counts, and its name is looked up for each turn (Kubernetes).
  Addresses(std::vector<std::string> texts, bool resolve);

  Task<Result<net::Address>> next();
  /// How many there were to choose from at the last turn.
  [[nodiscard]] std::size_t count() const noexcept { return count_; }

 private:
  std::vector<std::string> texts_;
  bool resolve_;
  std::size_t turn_ = 0;
  std::size_t count_ = 1;
};

}  // namespace outrigger::runtime::placement
