#include "components/clients/redis/slot_map.h"

#include "base/strings.h"
#include "components/clients/redis/command.h"

namespace outrigger::components::redis {

Result<std::vector<SlotRange>> read_slots(const Reply& reply, const net::Address& asked) {
  const auto wrong = [] { return fail(Code::internal, "redis: CLUSTER SLOTS: unexpected reply"); };
  if (!reply.is_list()) return wrong();
  std::vector<SlotRange> ranges;
  for (const auto& item : reply.items) {
    if (!item.is_list() || item.items.size() < 3) return wrong();
    const auto first = item.items[0].as_integer();
    const auto last = item.items[1].as_integer();
    const auto& master = item.items[2];
    if (!first || !last || *first < 0 || *last < *first ||
        *last >= static_cast<std::int64_t>(kSlots) || master.items.size() < 2) {
      return wrong();
    }
    const auto port = master.items[1].as_integer();
    if (!port || *port <= 0 || *port > 65535 || master.items[0].text == "?") continue;
    const std::string& host = master.items[0].text;
    ranges.push_back({.first = static_cast<std::uint16_t>(*first),
                      .last = static_cast<std::uint16_t>(*last),
                      .master = {.host = host.empty() ? asked.host : host,
                                 .port = static_cast<std::uint16_t>(*port)}});
  }
  return ranges;
}

std::optional<Redirect> read_redirect(std::string_view error, const net::Address& asked) {
  const auto words = split(error, ' ');
  if (words.size() < 3) return std::nullopt;
  const auto slot = parse_int<std::uint16_t>(words[1]);
  const std::size_t colon = words[2].rfind(':');
  if (!slot || *slot >= kSlots || colon == std::string_view::npos) return std::nullopt;
  const auto port = parse_int<std::uint16_t>(words[2].substr(colon + 1));
  if (!port || *port == 0) return std::nullopt;
  std::string_view host = words[2].substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host.empty()) host = asked.host;
  return Redirect{.slot = *slot, .address = {.host = std::string(host), .port = *port}};
}

}  // namespace outrigger::components::redis
