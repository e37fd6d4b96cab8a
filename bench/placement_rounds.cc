// How fast a placement service brings many sidecars to one view: simulated sidecars in one process,
// each with a connection of its own.
//   placement_rounds ADDRESS:PORT HOSTS CHANGES
// HOSTS join at once, then one of them changes its types CHANGES times, each after the round before
// is over everywhere. See bench/README.md.

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <span>

#include <sys/resource.h>

#include "base/scope.h"
#include "dapr/proto/placement/v1/placement.pb.h"
#include "net/grpc/channel.h"

namespace outrigger {
namespace {

namespace pb = dapr::proto::placement::v1;
using Clock = std::chrono::steady_clock;

constexpr std::string_view kMethod = "/dapr.proto.placement.v1.Placement/ReportDaprStatus";

double milliseconds_since(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

struct World;

/// A sidecar that answers at once.
struct Sidecar {
  Sidecar(World& in, net::Address address, int number);
  Task<void> live();
  Task<void> report(std::string type);

  World& world;
  std::string name;
  net::Client http;
  net::grpc::Channel channel;
  std::shared_ptr<net::grpc::ClientStream> stream;
  /// Hosts of the type "bench" and of the newest type, by the tables it was unlocked with.
  int hosts = 0;
  int newest_hosts = 0;
  bool unlocked = false;
};

struct World {
  std::vector<std::unique_ptr<Sidecar>> sidecars;
  std::string newest;
  Signal changed;
  Scope scope;
  bool broken = false;

  [[nodiscard]] bool settled(int newest_hosts) const {
    const int all = static_cast<int>(sidecars.size());
    return std::ranges::all_of(sidecars, [&](const auto& one) {
      return one->unlocked && one->hosts == all && one->newest_hosts == newest_hosts;
    });
  }
};

net::Endpoint endpoint_of(net::Address address) {
  net::Endpoint endpoint;
  endpoint.address = std::move(address);
  endpoint.protocol = net::Endpoint::Protocol::http2;
  return endpoint;
}

Sidecar::Sidecar(World& in, net::Address address, int number)
    : world(in),
      name("10.0." + std::to_string(number / 250) + "." + std::to_string(number % 250) + ":50002"),
      channel(http, endpoint_of(std::move(address))) {}

Task<void> Sidecar::report(std::string type) {
  pb::Host host;
  host.set_name(name);
  host.set_id("bench");
  host.set_namespace_("bench");
  host.set_operation(pb::REPORT);
  host.add_entities("bench");
  if (!type.empty()) host.add_entities(type);
  [[maybe_unused]] auto sent = co_await stream->write(host.SerializeAsString());
}

Task<void> Sidecar::live() {
  net::grpc::CallOptions options;
  options.message_bytes_max = std::size_t{64} << 20;
  stream = channel.stream(std::string(kMethod), std::move(options));
  co_await report("");
  for (;;) {
    auto bytes = co_await stream->read();
    if (!bytes || !*bytes) break;
    pb::PlacementOrder order;
    if (!order.ParseFromString(**bytes)) break;
    pb::Host answer;
    answer.set_id("bench");
    answer.set_namespace_("bench");
    answer.set_version(order.version());
    answer.set_operation(pb::LOCK);
    if (order.operation() == "update") {
      answer.set_operation(pb::UPDATE);
      const auto& tables = order.tables().entries();
      const auto count = [&](const std::string& type) {
        const auto found = tables.find(type);
        return found == tables.end() ? 0 : static_cast<int>(found->second.load_map().size());
      };
      hosts = count("bench");
      newest_hosts = count(world.newest);
    }
    unlocked = order.operation() == "unlock";
    if (unlocked) answer.set_operation(pb::UNLOCK);
    auto sent = co_await stream->write(answer.SerializeAsString());
    if (!sent) break;
    if (unlocked) world.changed.notify_all();
  }
  world.broken = true;
  world.changed.notify_all();
}

Task<void> until_settled(World& world, int newest_hosts) {
  while (!world.broken && !world.settled(newest_hosts)) {
    [[maybe_unused]] auto woken = co_await world.changed.wait();
  }
}

Task<void> measure(net::Address address, int hosts, int changes) {
  World world;
  auto begin = Clock::now();
  for (int i = 0; i < hosts; ++i) {
    world.sidecars.push_back(std::make_unique<Sidecar>(world, address, i));
    world.scope.spawn(world.sidecars.back()->live());
  }
  co_await until_settled(world, 0);
  std::printf("%d sidecars join: one view after %.1f ms\n", hosts, milliseconds_since(begin));
  begin = Clock::now();
  for (int i = 0; i < changes && !world.broken; ++i) {
    world.newest = "type" + std::to_string(i);
    for (auto& sidecar : world.sidecars) sidecar->newest_hosts = 0;
    co_await world.sidecars.front()->report(world.newest);
    co_await until_settled(world, 1);
  }
  const double spent = milliseconds_since(begin);
  if (changes > 0 && !world.broken) {
    std::printf("%d changes: %.2f ms a round, %.0f rounds a second\n", changes, spent / changes,
                1000 * changes / spent);
  }
  if (world.broken) std::printf("a stream has ended\n");
  for (auto& sidecar : world.sidecars) sidecar->stream->cancel();
  co_await world.scope.join();
  for (auto& sidecar : world.sidecars) {
    co_await sidecar->channel.drain();
    co_await sidecar->http.close();
  }
}

int number_of(std::string_view text) {
  int value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

int bench(std::span<char*> words) {
  if (words.size() != 4) {
    std::fprintf(stderr, "usage: placement_rounds ADDRESS:PORT HOSTS CHANGES\n");
    return 2;
  }
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  auto address = net::parse_address(words[1]);
  if (!address) {
    std::fprintf(stderr, "%s\n", address.error().message().c_str());
    return 2;
  }
  run(measure(*std::move(address), number_of(words[2]), number_of(words[3])));
  return 0;
}

}  // namespace
}  // namespace outrigger

int main(int argc, char** argv) { return outrigger::bench({argv, static_cast<std::size_t>(argc)}); }
