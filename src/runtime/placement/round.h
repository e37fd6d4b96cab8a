#pragma once

#include <set>
#include <string>
#include <vector>

#include "runtime/placement/orders.h"

namespace outrigger::runtime::placement {

/// What one stream has been ordered so far, and what follows from the next order: the logic of the
/// Client without its I/O. Private to this folder.
class Round {
 public:
  enum class Action : std::uint8_t {
    answer,  ///< Nothing to do but answer.
    update,  ///< Install tables, then updated(), then answer.
    unlock,  ///< Release released(), then answer.
    ignore,  ///< Nothing at all.
    close    ///< The stream cannot be trusted: end it because of reason().
  };

  Action next(const Order& order);
  /// After `update`: the types that moved by these tables.
  void updated(const std::vector<std::string>& changed);
  /// After `unlock`: what moved since the last one. The service may leave unlocks out.
  std::vector<std::string> released();

  /// What an answer says.
  [[nodiscard]] std::uint64_t version() const noexcept { return version_; }
  [[nodiscard]] const std::string& reason() const noexcept { return reason_; }

 private:
  Order::Operation operation_ = Order::Operation::lock;
  std::uint64_t version_ = 0;
  std::set<std::string> moved_;
  std::string reason_;
};

}  // namespace outrigger::runtime::placement
