// What is read can be written and is then read the same.
#include "net/dns_message.h"

#include <cstdint>
#include <string_view>

namespace dns = outrigger::net::dns;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto message = dns::parse({reinterpret_cast<const char*>(data), size});
  if (!message) return 0;
  const auto bytes = dns::serialise(*message);
  if (!bytes) {
    // Names that were pointers to much-used ones may take more room when the pointer is a target's.
    OUT_ASSERT(bytes.error().message().contains("9000"));
    return 0;
  }
  const auto again = dns::parse(*bytes);
  OUT_ASSERT(again.has_value() && *again == *message);
  return 0;
}
