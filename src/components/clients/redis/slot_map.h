#pragma once

#include <cstdint>
#include <vector>

#include "components/clients/redis/reply.h"
#include "net/transport.h"

namespace outrigger::components::redis {

/// A run of slots and the master that has them.
struct SlotRange {
  std::uint16_t first = 0;
  std::uint16_t last = 0;
  net::Address master;
};

/// Reads the reply of CLUSTER SLOTS. `asked` is the server that gave it, meant where it names no
/// host. Runs without a usable address are left out; an error if the reply has another shape.
[[nodiscard]] Result<std::vector<SlotRange>> read_slots(const Reply& reply,
                                                        const net::Address& asked);

/// The place that a MOVED or ASK error names.
struct Redirect {
  std::uint16_t slot = 0;
  net::Address address;
};
/// Reads "MOVED 3999 127.0.0.1:6381"; nullopt if it has another shape. `asked` as above.
[[nodiscard]] std::optional<Redirect> read_redirect(std::string_view error,
                                                    const net::Address& asked);

}  // namespace outrigger::components::redis
