// Whatever comes by multicast: what is found has an address, and what is said back can be sent.
#include "components/nameresolution/mdns_records.h"

#include <cstdint>
#include <string_view>

#include "net/dns_message.h"

namespace mdns = outrigger::components::nameresolution::mdns;
namespace dns = outrigger::net::dns;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto message = dns::parse({reinterpret_cast<const char*>(data), size});
  if (!message) return 0;
  for (const auto& found : mdns::find_services(*message)) {
    OUT_ASSERT(!found.ipv4.empty() || !found.ipv6.empty());
  }
  static const mdns::Service service = mdns::make_service({.app_id = "orders",
                                                           .host = "vm",
                                                           .instance = "vm:1",
                                                           .address = "192.0.2.2",
                                                           .port = 50001})
                                           .value();
  if (const auto reply = mdns::answer(service, *message, mdns::Asker::multicast_dns)) {
    OUT_ASSERT(dns::serialise(reply->message).has_value());
  }
  // A plain DNS client's questions are repeated to it, and may be too many for that.
  if (const auto reply = mdns::answer(service, *message, mdns::Asker::legacy)) {
    OUT_ASSERT(message->questions.size() > 8 || dns::serialise(reply->message).has_value());
  }
  return 0;
}
