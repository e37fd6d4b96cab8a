#include <algorithm>

#include "base/json.h"
#include "base/strings.h"
#include "control/placement/wire.h"
#include "dapr/proto/placement/v1/placement.pb.h"

// The fields that are deprecated are those that other versions still read and write.
#pragma clang diagnostic ignored "-Wdeprecated-declarations"

namespace outrigger::control::placement {
namespace {

namespace pb = dapr::proto::placement::v1;

std::optional<Step> step_of(pb::HostOperation operation) {
  switch (operation) {
    case pb::REPORT: return Step::report;
    case pb::LOCK: return Step::lock;
    case pb::UPDATE: return Step::update;
    case pb::UNLOCK: return Step::unlock;
    default: return std::nullopt;
  }
}

std::string_view name_of(Step step) {
  switch (step) {
    case Step::lock: return "lock";
    case Step::update: return "update";
    case Step::unlock: return "unlock";
    case Step::report: break;
  }
  return "";
}

/// dapr.internal.<namespace>.<app>.<more>: workflows and their activities.
bool may_host(const std::string& entity, const HostReport& host) {
  const auto parts = split(entity, '.');
  if (parts.size() < 2 || parts[0] != "dapr" || parts[1] != "internal") return true;
  return parts.size() >= 4 && parts[2] == host.app_namespace && parts[3] == host.id;
}

Result<> check(const HostReport& host, pb::HostOperation operation) {
  if (operation == pb::UNKNOWN && host.version) {
    return fail(Code::invalid_argument,
                "both operation and version must be set or both must be unset");
  }
  if (host.id.empty() || host.app_namespace.empty()) {
    return fail(Code::invalid_argument, "host ID and namespace must be provided");
  }
  for (const std::string& entity : host.entities) {
    if (!may_host(entity, host)) {
      return fail(Code::permission_denied, "entity " + entity + " is not allowed for app ID " +
                                               host.id + " in namespace " + host.app_namespace);
    }
  }
  return {};
}

// Each client builds its ring from names, ids and ports; the types of a host it does not need, and
// they would make tables grow with the square of the types.
void add_host(pb::PlacementTables& tables, const HostReport& host) {
  for (const std::string& entity : host.entities) {
    pb::Host& entry = (*(*tables.mutable_entries())[entity].mutable_load_map())[host.name];
    entry.set_name(host.name);
    entry.set_id(host.id);
    entry.set_port(host.port);
    entry.set_namespace_(host.app_namespace);
    entry.set_api_level(host.api_level);
  }
}

void write_host(json::Writer& writer, const HostReport& host) {
  writer.begin_object();
  if (!host.name.empty()) writer.member("name", host.name);
  if (host.port != 0) writer.member("port", host.port);
  if (!host.entities.empty()) writer.key("entities").begin_array();
  for (const std::string& entity : host.entities) writer.value(entity);
  if (!host.entities.empty()) writer.end_array();
  writer.member("id", host.id);
  if (host.api_level != 0) writer.member("api_level", host.api_level);
  writer.member("namespace", host.app_namespace);
  if (host.step) writer.member("operation", static_cast<int>(pb::REPORT));
  writer.end_object();
}

}  // namespace

Result<HostReport> parse_host(std::string_view bytes) {
  pb::Host message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return fail(Code::internal, "grpc: failed to unmarshal the received message");
  }
  HostReport host{.name = message.name(),
                  .port = message.port(),
                  .id = message.id(),
                  .app_namespace = message.namespace_(),
                  .entities = {message.entities().begin(), message.entities().end()},
                  .api_level = message.api_level(),
                  .step = step_of(message.operation()),
                  .version = std::nullopt};
  if (message.has_version()) host.version = message.version();
  std::ranges::sort(host.entities);
  OUT_CHECK(check(host, message.operation()));
  return host;
}

std::string order_message(Step step, std::uint64_t version,
                          const std::vector<const HostReport*>& hosts,
                          std::int64_t replication_factor) {
  pb::PlacementOrder order;
  order.set_operation(std::string(name_of(step)));
  order.set_version(version);
  if (step == Step::update) {
    pb::PlacementTables& tables = *order.mutable_tables();
    tables.set_version(std::to_string(version));
    tables.set_replication_factor(replication_factor);
    for (const HostReport* host : hosts) add_host(tables, *host);
  }
  return order.SerializeAsString();
}

std::string state_page(const std::map<std::string, NamespaceState>& namespaces) {
  // Go leaves out what is empty or zero.
  std::string out;
  json::Writer writer(out);
  writer.begin_object();
  if (!namespaces.empty()) writer.key("tables").begin_object();
  for (const auto& [name, state] : namespaces) {
    writer.key(name).begin_object();
    if (!state.hosts.empty()) writer.key("hosts").begin_array();
    for (const HostReport* host : state.hosts) write_host(writer, *host);
    if (!state.hosts.empty()) writer.end_array();
    if (state.version != 0) writer.member("version", state.version);
    writer.end_object();
  }
  if (!namespaces.empty()) writer.end_object();
  writer.end_object();
  return out;
}

}  // namespace outrigger::control::placement
