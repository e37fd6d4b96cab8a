#include "control/placement/streams.h"

#include <gmock/gmock.h>

#include "control/placement/wire.h"
#include "dapr/proto/placement/v1/placement.pb.h"

namespace outrigger::control::placement {
namespace {

using namespace std::chrono_literals;
namespace pb = dapr::proto::placement::v1;
using testing::HasSubstr;

/// A sidecar at the other end of a stream that has no network in between.
class Sidecar final : public net::grpc::ServerStream {
 public:
  Sidecar(std::string app, std::vector<std::string> types) : app_(std::move(app)) {
    pb::Host host = said(pb::REPORT);
    host.set_name(app_ + ":1");
    for (const auto& type : types) host.add_entities(type);
    say(host);
  }

  pb::Host said(pb::HostOperation operation) const {
    pb::Host host;
    host.set_id(app_);
    host.set_namespace_("space");
    host.set_operation(operation);
    return host;
  }
  void say(const pb::Host& host) { OUT_ASSERT(to_server_.try_push(host.SerializeAsString())); }
  void say_bytes(std::string bytes) { OUT_ASSERT(to_server_.try_push(std::move(bytes))); }
  void hang_up() { to_server_.close(); }

  Task<Result<std::optional<std::string>>> read() override {
    auto message = co_await to_server_.pop();
    co_return message;
  }
  Task<Result<>> write(std::string message) override {
    while (stuck) {
      OUT_CO_CHECK(co_await changed.wait());
    }
    pb::PlacementOrder order;
    EXPECT_TRUE(order.ParseFromString(message));
    ++orders;
    if (order.operation() == "update") tables = order.tables();
    if (order.operation() == "unlock") ++rounds;
    if (answers) {
      pb::Host host = said(order.operation() == "lock"     ? pb::LOCK
                           : order.operation() == "update" ? pb::UPDATE
                                                           : pb::UNLOCK);
      host.set_version(order.version());
      say(host);
    }
    changed.notify_all();
    co_return Result<>();
  }
  void send_headers() override {}

  Streams::Caller caller{.address = "peer", .identity = std::nullopt};
  bool answers = true;
  bool stuck = false;
  int orders = 0;
  int rounds = 0;
  pb::PlacementTables tables;
  Signal changed;
  std::optional<Result<>> ended;

 private:
  std::string app_;
  Queue<std::string> to_server_{10'000};
};

struct World {
  explicit World(RoundRules rules = {}) : streams({.rules = rules}, metrics) {}
  telemetry::Registry metrics{telemetry::RegistryOptions{}};
  Streams streams;
  std::vector<std::unique_ptr<Sidecar>> sidecars;
  Scope scope;

  Sidecar& join(std::string app, std::vector<std::string> types) {
    sidecars.push_back(std::make_unique<Sidecar>(std::move(app), std::move(types)));
    scope.spawn(serve(sidecars.back().get()));
    return *sidecars.back();
  }
  Task<void> serve(Sidecar* sidecar) {
    auto ended = co_await streams.serve(sidecar, sidecar->caller);
    sidecar->ended.emplace(std::move(ended));
    sidecar->changed.notify_all();
  }
  Task<void> leave() {
    for (auto& sidecar : sidecars) sidecar->hang_up();
    co_await scope.join();
    co_await streams.close();
    EXPECT_EQ(streams.state(), "{}");
  }
};

Task<void> turns(int count = 20) {
  for (int i = 0; i < count; ++i) [[maybe_unused]]
    auto slept = co_await sleep_for(0ms);
}
template <class F>
void with_world(F scenario, RoundRules rules = {}) {
  auto life = [](F inner, RoundRules given) -> Task<void> {
    World world(given);
    co_await inner(world);
    co_await world.leave();
  };
  run(life(scenario, rules));
}

Task<void> tells_all(World& w) {
  w.join("a", {"cat"});
  w.join("b", {"cat", "dog"});
  w.join("c", {});
  co_await turns();
  for (const auto& sidecar : w.sidecars) {
    EXPECT_EQ(sidecar->tables.entries().size(), 2U);
    EXPECT_EQ(sidecar->tables.entries().at("cat").load_map().size(), 2U);
    EXPECT_EQ(sidecar->tables.entries().at("dog").load_map().at("b:1").id(), "b");
    EXPECT_EQ(sidecar->tables.replication_factor(), 100);
  }
  EXPECT_THAT(
      w.streams.state(),
      HasSubstr(R"("hosts":[{"name":"a:1","entities":["cat"],"id":"a","namespace":"space")"));
  const std::string metrics = w.metrics.render();
  EXPECT_THAT(metrics, HasSubstr("dapr_placement_runtimes_total{host_namespace=\"space\"} 3"));
  EXPECT_THAT(metrics,
              HasSubstr("dapr_placement_actor_runtimes_total{host_namespace=\"space\"} 2"));
}
TEST(Streams, TellAllSidecarsOfANamespaceWhereActorsLive) { with_world(tells_all); }

Task<void> closes_hung(World& w) {
  Sidecar& first = w.join("a", {"cat"});
  co_await turns();
  Sidecar& hung = w.join("b", {"cat"});
  hung.stuck = true;  // Takes no bytes at all.
  while (!hung.ended) {
    auto woken = co_await hung.changed.wait();
    EXPECT_TRUE(woken);
  }
  EXPECT_FALSE(hung.ended->has_value());
  EXPECT_EQ(hung.ended->error().code(), Code::deadline_exceeded);
  co_await turns();
  EXPECT_EQ(first.tables.entries().at("cat").load_map().size(), 1U);
  EXPECT_FALSE(first.ended);
}
TEST(Streams, ASidecarThatTakesNothingIsClosedInTime) {
  with_world(closes_hung, {.timeout = 20ms});
}

Task<void> closes_all_hung(World& w) {
  Sidecar& first = w.join("a", {"cat"});
  Sidecar& second = w.join("b", {"cat"});
  Sidecar& third = w.join("c", {"cat"});
  co_await turns();
  first.stuck = true;
  second.stuck = true;
  // Both owe their answer since the same moment, so both are closed in one turn.
  third.hang_up();
  for (Sidecar* hung : {&first, &second}) {
    while (!hung->ended) {
      auto woken = co_await hung->changed.wait();
      EXPECT_TRUE(woken);
    }
    EXPECT_EQ(hung->ended->error().code(), Code::deadline_exceeded);
  }
  Sidecar& next = w.join("d", {"cat"});
  co_await turns();
  EXPECT_EQ(next.tables.entries().at("cat").load_map().size(), 1U);
}
TEST(Streams, ANamespaceOutlivesTheLastOfItsSidecarsThatHang) {
  with_world(closes_all_hung, {.timeout = 20ms});
}

Task<void> refuses(World& w) {
  Sidecar& good = w.join("a", {"cat"});
  const std::string refused[] = {"\xff\xff", ""};
  for (const std::string& bytes : refused) {
    auto bad = std::make_unique<Sidecar>("x", std::vector<std::string>{});
    [[maybe_unused]] auto first = co_await bad->read();
    bad->say_bytes(bytes);
    auto ended = co_await w.streams.serve(bad.get(), bad->caller);
    EXPECT_FALSE(ended);
  }
  Sidecar& thief = w.join("b", {"dapr.internal.space.a.workflow"});
  co_await turns();
  EXPECT_EQ(thief.ended->error().code(), Code::permission_denied);
  EXPECT_EQ(thief.ended->error().message(),
            "entity dapr.internal.space.a.workflow is not allowed for app ID b in namespace space");
  Sidecar& owner = w.join("b", {"dapr.internal.space.b.workflow"});
  co_await turns();
  EXPECT_FALSE(owner.ended);
  pb::Host moved = owner.said(pb::REPORT);
  moved.set_namespace_("elsewhere");
  owner.say(moved);
  co_await turns();
  EXPECT_EQ(owner.ended->error().code(), Code::invalid_argument);
  EXPECT_FALSE(good.ended);
  co_await turns();
  EXPECT_EQ(good.tables.entries().size(), 1U);
}
TEST(Streams, WhatASidecarMayNotSayEndsItsStreamAlone) { with_world(refuses); }

Task<void> believes_certificates(World& w) {
  const auto refusal = [&](std::string space, std::string app) -> Task<std::string> {
    auto liar = std::make_unique<Sidecar>("a", std::vector<std::string>{"cat"});
    liar->caller.identity = {
        .trust_domain = "public", .app_namespace = std::move(space), .app_id = std::move(app)};
    liar->hang_up();
    auto ended = co_await w.streams.serve(liar.get(), liar->caller);
    co_return ended ? "" : ended.error().message();
  };
  EXPECT_EQ(co_await refusal("space", "b"),
            "provided app ID a doesn't match the one in the SPIFFE ID (b)");
  EXPECT_EQ(co_await refusal("other", "a"),
            "provided client namespace space doesn't match the one in the SPIFFE ID (other)");
  EXPECT_EQ(co_await refusal("space", "a"), "");
}
TEST(Streams, WhoeverHasACertificateSpeaksForItselfOnly) { with_world(believes_certificates); }

Task<void> ends_all(World& w) {
  w.join("a", {"cat"});
  Sidecar& stuck = w.join("b", {});
  stuck.stuck = true;
  co_await turns();
  w.streams.end_all(Error(Code::unavailable, "placement server is shutting down"));
  co_await turns();
  for (const auto& sidecar : w.sidecars) {
    EXPECT_EQ(sidecar->ended->error().message(), "placement server is shutting down");
  }
}
TEST(Streams, AtTheEndAllStreamsEnd) { with_world(ends_all); }

Task<void> serves_many(World& w) {
  for (int i = 0; i < 300; ++i) w.join("app" + std::to_string(i), {"cat"});
  for (int i = 0; i < 300; i += 2) w.sidecars[static_cast<std::size_t>(i)]->hang_up();
  co_await turns(200);
  for (int i = 1; i < 300; i += 2) {
    const Sidecar& sidecar = *w.sidecars[static_cast<std::size_t>(i)];
    EXPECT_EQ(sidecar.tables.entries().at("cat").load_map().size(), 150U);
    EXPECT_LE(sidecar.rounds, 4);
  }
}
TEST(Streams, ManyThatComeAndGoAtOnceTakeFewRounds) { with_world(serves_many); }

TEST(Wire, AHostIsCheckedInUpstreamsWords) {
  pb::Host host;
  host.set_version(1);
  EXPECT_EQ(parse_host(host.SerializeAsString()).error().message(),
            "both operation and version must be set or both must be unset");
  host.clear_version();
  host.set_id("a");
  EXPECT_EQ(parse_host(host.SerializeAsString()).error().message(),
            "host ID and namespace must be provided");
  host.set_namespace_("n");
  for (const char* entity : {"dapr.internal", "dapr.internal.n", "dapr.internal.other.a.x"}) {
    host.clear_entities();
    host.add_entities(entity);
    EXPECT_EQ(parse_host(host.SerializeAsString()).error().code(), Code::permission_denied);
  }
  host.clear_entities();
  for (const char* entity : {"zebra", "dapr.internal.n.a", "dapr.other"}) host.add_entities(entity);
  const auto parsed = parse_host(host.SerializeAsString());
  ASSERT_TRUE(parsed);
  EXPECT_THAT(parsed->entities, testing::ElementsAre("dapr.internal.n.a", "dapr.other", "zebra"));
  EXPECT_EQ(parsed->step, std::nullopt);
}

}  // namespace
}  // namespace outrigger::control::placement
