// What placement and sidecars say to each other: the first byte tells which side hears the rest,
// which is messages of one length byte each.

#include <cstdint>
#include <string_view>

#include "control/placement/rounds.h"
#include "control/placement/wire.h"
#include "runtime/placement/orders.h"
#include "runtime/placement/round.h"

namespace outrigger {
namespace {

std::string_view next_message(std::string_view& rest) {
  const std::size_t size =
      std::min<std::size_t>(static_cast<std::uint8_t>(rest[0]), rest.size() - 1);
  const std::string_view message = rest.substr(1, size);
  rest.remove_prefix(1 + size);
  return message;
}

// A placement service that says anything.
void hear_orders(std::string_view rest) {
  using namespace runtime::placement;
  const Reporter self{"app", "space", "127.0.0.1", 50002};
  PointCache cache;
  Round round;
  std::shared_ptr<const Tables> tables;
  while (!rest.empty()) {
    auto order = parse_order(next_message(rest), self);
    if (!order || round.next(*order) != Round::Action::update) continue;
    auto made = make_tables(std::move(order->tables), tables.get(), cache);
    if (!made) continue;
    const auto changed = changed_types(tables.get(), **made);
    round.updated(changed);
    for (const std::string& type : changed) (*made)->find(type, "id");
    tables = *std::move(made);
  }
}

// Four sidecars that say anything, by turns, or go.
void hear_reports(std::string_view rest) {
  using namespace control::placement;
  Rounds rounds({.timeout = std::chrono::seconds(8)});
  TimePoint now{};
  StreamId last = 0;
  std::array<StreamId, 4> streams{};
  for (std::size_t turn = 0; !rest.empty(); ++turn) {
    StreamId& stream = streams[turn % streams.size()];
    now += std::chrono::milliseconds(300);
    rounds.on_time(now);
    auto host = parse_host(next_message(rest));
    if (!host) {
      rounds.remove(stream, now);
      stream = 0;
    } else if (stream == 0) {
      rounds.add(stream = ++last, *std::move(host), now);
    } else {
      rounds.report(stream, *std::move(host), now);
    }
    for (const Rounds::Action& action : rounds.take_actions()) {
      if (action.end) {
        for (StreamId& one : streams) one = one == action.stream ? 0 : one;
      } else {
        order_message(action.order, action.version, rounds.hosts(), 100);
      }
    }
  }
  state_page({{"space", {.version = rounds.version(), .hosts = rounds.hosts()}}});
}

}  // namespace
}  // namespace outrigger

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  if (data[0] % 2 == 0) {
    outrigger::hear_orders(input.substr(1));
  } else {
    outrigger::hear_reports(input.substr(1));
  }
  return 0;
}
