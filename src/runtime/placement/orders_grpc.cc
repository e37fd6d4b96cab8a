#include "base/strings.h"
#include "dapr/proto/placement/v1/placement.pb.h"
#include "runtime/placement/orders.h"

// The fields that are deprecated are those that other versions still read and write.
#pragma clang diagnostic ignored "-Wdeprecated-declarations"

namespace outrigger::runtime::placement {
namespace {

namespace pb = dapr::proto::placement::v1;

// Of the sidecar's protocol with placement, as upstream reports it.
constexpr std::uint32_t kApiLevel = 20;

Order::Operation operation_of(std::string_view name) {
  if (name == "lock") return Order::Operation::lock;
  if (name == "update") return Order::Operation::update;
  if (name == "unlock") return Order::Operation::unlock;
  return Order::Operation::unknown;
}

pb::HostOperation operation_of(Order::Operation operation) {
  switch (operation) {
    case Order::Operation::lock: return pb::LOCK;
    case Order::Operation::update: return pb::UPDATE;
    case Order::Operation::unlock: return pb::UNLOCK;
    case Order::Operation::unknown: break;
  }
  return pb::UNKNOWN;
}

TableSource tables_of(const pb::PlacementTables& tables, const Reporter& self) {
  TableSource source;
  source.factor = tables.replication_factor();
  for (const auto& [type, table] : tables.entries()) {
    std::vector<RingHost>& hosts = source.hosts[type];
    hosts.reserve(static_cast<std::size_t>(table.load_map_size()));
    for (const auto& [key, host] : table.load_map()) {
      const bool local = is_local(host.name(), self.host_address, self.internal_port);
      Location location{.address = host.name(), .app_id = host.id(), .local = local};
      hosts.push_back({.key = key, .port = host.port(), .location = std::move(location)});
    }
  }
  return source;
}

}  // namespace

Result<Order> parse_order(std::string_view bytes, const Reporter& self) {
  pb::PlacementOrder message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return fail(Code::internal, "the placement service sent bytes that are no order");
  }
  Order order;
  order.operation = operation_of(message.operation());
  order.operation_name = message.operation();
  order.version = message.version();
  // Older services number only their tables, in decimal.
  if (order.version == 0) {
    order.version = parse_int<std::uint64_t>(message.tables().version()).value_or(0);
  }
  if (order.operation == Order::Operation::update) order.tables = tables_of(message.tables(), self);
  order.tables.version = order.version;
  return order;
}

std::string report_message(const Reporter& self, const std::vector<std::string>& types) {
  pb::Host host;
  host.set_name(join_host_port(self.host_address, self.internal_port));
  host.set_id(self.app_id);
  host.set_namespace_(self.app_namespace);
  host.set_api_level(kApiLevel);
  host.set_operation(pb::REPORT);
  for (const std::string& type : types) host.add_entities(type);
  return host.SerializeAsString();
}

std::string answer_message(const Reporter& self, Order::Operation operation,
                           std::uint64_t version) {
  pb::Host host;
  host.set_id(self.app_id);
  host.set_namespace_(self.app_namespace);
  host.set_operation(operation_of(operation));
  host.set_version(version);
  return host.SerializeAsString();
}

}  // namespace outrigger::runtime::placement
