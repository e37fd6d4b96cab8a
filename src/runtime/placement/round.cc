#include "runtime/placement/round.h"

namespace outrigger::runtime::placement {

Round::Action Round::next(const Order& order) {
  switch (order.operation) {
    case Order::Operation::lock:
      operation_ = order.operation;
      version_ = order.version;
      return Action::answer;
    case Order::Operation::update:
      if (version_ > order.version) {
        reason_ = "version mismatch: expected " + std::to_string(version_) + ", got " +
                  std::to_string(order.version);
        return Action::close;
      }
      operation_ = order.operation;
      return Action::update;
    case Order::Operation::unlock:
      if (operation_ != Order::Operation::update || version_ > order.version) {
        reason_ = "unlock without its update";
        return Action::ignore;
      }
      operation_ = order.operation;
      version_ = order.version;
      return Action::unlock;
    case Order::Operation::unknown: break;
  }
  reason_ = "unknown operation: " + order.operation_name;
  return Action::close;
}

void Round::updated(const std::vector<std::string>& changed) {
  moved_.insert(changed.begin(), changed.end());
}

std::vector<std::string> Round::released() {
  std::vector<std::string> types(moved_.begin(), moved_.end());
  moved_.clear();
  return types;
}

}  // namespace outrigger::runtime::placement
