#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/dns_message.h"

/// What sidecars say to each other by multicast DNS, as messages: no I/O here. The service type of
/// an app is its id, in the domain "local"; an instance is "<host>:<pid>", its text the app id.
namespace outrigger::components::nameresolution::mdns {

namespace dns = net::dns;

/// A sidecar as it makes itself known.
struct Service {
  std::string app_id;
  std::string service_name;   ///< "<app id>.local"
  std::string instance_name;  ///< "<instance>.<app id>.local"
  std::string host_name;      ///< "<host>.local"
  std::uint16_t port = 0;
  std::variant<dns::A, dns::Aaaa> address;
};

struct ServiceOptions {
  std::string app_id;
  std::string host;      ///< The machine's name.
  std::string instance;  ///< Tells the app's instances apart, on all machines.
  std::string address;   ///< IPv4 or IPv6; "localhost" and brackets are understood.
  int port = 0;
};

/// Code::invalid_argument if the address is none. A host or instance that makes no DNS name is cut.
Result<Service> make_service(ServiceOptions options);
/// Whether the app's names fit in DNS (63 bytes); an app of which this is not true is never found.
[[nodiscard]] bool can_be_found(std::string_view app_id);

/// "Who serves these apps?"
dns::Message browse_query(const std::vector<std::string>& app_ids);
/// "I am here", unasked.
dns::Message announcement(const Service& service);
/// "I am gone".
dns::Message goodbye(const Service& service);

/// What to say to a query.
struct Answer {
  dns::Message message;
  /// To the asker alone instead of to all.
  bool unicast = false;
};
enum class Asker : std::uint8_t {
  multicast_dns,
  legacy,  ///< Not on the port of mDNS: a plain DNS client (RFC 6762, section 6.7).
};
/// nullopt if the query is not about the service, or the asker knows the answer.
std::optional<Answer> answer(const Service& service, const dns::Message& query, Asker asker);

/// A sidecar that a message tells of.
struct Found {
  std::string app_id;
  std::string ipv4;       ///< "192.0.2.1:50001"; empty if the message has none.
  std::string ipv6;       ///< "[2001:db8::1]:50001"
  bool loopback = false;  ///< The address means the machine of whoever uses it.
  bool gone = false;
};
/// The instances of which the message has all that is needed: name, text, port and address.
std::vector<Found> find_services(const dns::Message& response);

}  // namespace outrigger::components::nameresolution::mdns
