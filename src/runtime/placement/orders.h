#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/placement/ring.h"

/// The messages of the placement stream. Private to this folder.
namespace outrigger::runtime::placement {

/// A step of a round, as the placement service orders it.
struct Order {
  enum class Operation : std::uint8_t { lock, update, unlock, unknown };
  Operation operation = Operation::unknown;
  /// As it came.
  std::string operation_name;
  std::uint64_t version = 0;
  /// With update.
  TableSource tables;
};

/// Who reports.
struct Reporter {
  std::string app_id;
  std::string app_namespace;
  std::string host_address;
  int internal_port = 0;
};

/// Code::internal if the bytes are not an order. Whether a host is this sidecar is told from
/// `self`.
Result<Order> parse_order(std::string_view bytes, const Reporter& self);
/// What this sidecar hosts.
std::string report_message(const Reporter& self, const std::vector<std::string>& types);
/// That it has taken a step: lock, update or unlock.
std::string answer_message(const Reporter& self, Order::Operation operation, std::uint64_t version);

}  // namespace outrigger::runtime::placement
