#include <atomic>
#include <deque>
#include <future>

#include <gmock/gmock.h>

#include "base/scope.h"
#include "dapr/proto/placement/v1/placement.pb.h"
#include "net/grpc/server.h"
#include "net/http/server.h"
#include "runtime/placement/service.h"

namespace outrigger::runtime::placement {
namespace {

using namespace std::chrono_literals;
namespace pb = dapr::proto::placement::v1;
using testing::ElementsAre;
using testing::IsEmpty;

/// A placement service that does what the test says: one stream at a time, on loop 0.
class Placement final {
 public:
  explicit Placement(Loops& loops) {
    for (unsigned i = 0; i < loops.size(); ++i) {
      service_.push_back(std::make_unique<net::grpc::Service>());
      service_.back()->stream(
          "/dapr.proto.placement.v1.Placement/ReportDaprStatus",
          [this](net::grpc::Call&, net::grpc::ServerStream& stream) { return serve(&stream); });
    }
    net::ServerOptions options;
    options.grpc = true;
    std::vector<net::RequestHandler*> handlers(loops.size(), service_[0].get());
    server_ = std::make_unique<net::Server>(loops, std::move(handlers), std::move(options));
  }
  void listen() {
    auto listener = net::Listener::bind("127.0.0.1", 0).value();
    port = listener->port();
    server_->listen(std::move(listener));
  }
  Task<void> close() {
    ending = true;
    changed.notify_all();
    co_await service_[0]->drain();
    co_await server_->stop(10ms);
  }
  [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port); }

  void order(std::string operation, std::uint64_t version,
             std::map<std::string, std::string> host_by_type = {}) {
    pb::PlacementOrder message;
    message.set_operation(std::move(operation));
    message.set_version(version);
    for (const auto& [type, host] : host_by_type) {
      message.mutable_tables()->set_replication_factor(10);
      auto& table = (*message.mutable_tables()->mutable_entries())[type];
      auto& entry = (*table.mutable_load_map())[host];
      entry.set_name(host);
      entry.set_id("app");
    }
    orders.push_back(message.SerializeAsString());
    changed.notify_all();
  }
  /// The next message of the client.
  Task<pb::Host> heard() {
    while (messages.empty()) [[maybe_unused]]
      auto woken = co_await changed.wait();
    pb::Host first = std::move(messages.front());
    messages.pop_front();
    co_return first;
  }

  std::uint16_t port = 0;
  std::optional<Error> refusal;
  bool hang_up = false;
  int streams = 0;
  std::deque<pb::Host> messages;
  std::deque<std::string> orders;
  Signal changed;
  bool ending = false;

 private:
  Task<Result<>> serve(net::grpc::ServerStream* stream) {
    ++streams;
    changed.notify_all();
    if (refusal) co_return fail(*refusal);
    Scope reader;
    reader.spawn(read(stream));
    Result<> ended;
    hang_up = false;
    while (ended && !hang_up && !ending) {
      if (orders.empty()) {
        ended = co_await changed.wait();
      } else {
        std::string order = std::move(orders.front());
        orders.pop_front();
        ended = co_await stream->write(std::move(order));
      }
    }
    reader.cancel();
    co_await reader.join();
    if (hang_up) co_return fail(Code::unavailable, "as the test says");
    co_return ended;
  }
  Task<void> read(net::grpc::ServerStream* stream) {
    for (;;) {
      auto message = co_await stream->read();
      if (!message || !*message) {
        hang_up = true;
        changed.notify_all();
        co_return;
      }
      pb::Host host;
      EXPECT_TRUE(host.ParseFromString(**message));
      messages.push_back(std::move(host));
      changed.notify_all();
    }
  }

  std::vector<std::unique_ptr<net::grpc::Service>> service_;
  std::unique_ptr<net::Server> server_;
};

class Halts final : public Listener {
 public:
  Task<void> halt_moved(std::vector<std::string> types) override {
    for (const auto& type : types) told.push_back(type);
    co_return;
  }
  Task<void> halt_all() override {
    told.emplace_back("*");
    co_return;
  }
  std::vector<std::string> told;
};

/// A placement service, a client and its service, all on one loop.
struct World {
  World() : loops(1), placement(loops) {}
  Loops loops;
  Placement placement;
  Readiness ready;
  Halts halts;
  std::unique_ptr<Service> service;
  std::unique_ptr<Client> client;
  int rounds = 0;

  void make_client(std::vector<std::string> addresses, Duration round_timeout = 30s,
                   Duration standstill = Service::kStandstill) {
    Options options;
    options.app_id = "app";
    options.app_namespace = "space";
    options.host_address = "10.0.0.1";
    options.internal_port = 50002;
    options.addresses = std::move(addresses);
    options.round_timeout = round_timeout;
    options.on_round = [this](const std::vector<std::string>&) { ++rounds; };
    service = std::make_unique<Service>(standstill);
    service->set_listener(&halts);
    std::vector<Service*> services = {service.get()};
    client = std::make_unique<Client>(std::move(options), loops, std::move(services), ready);
  }
  Task<void> expect_answer(pb::HostOperation operation, std::uint64_t version) {
    const pb::Host host = co_await placement.heard();
    EXPECT_EQ(host.operation(), operation);
    EXPECT_TRUE(host.has_version());
    EXPECT_EQ(host.version(), version);
  }
  Task<void> round(std::uint64_t version, std::map<std::string, std::string> tables) {
    placement.order("lock", version);
    co_await expect_answer(pb::LOCK, version);
    placement.order("update", version, std::move(tables));
    co_await expect_answer(pb::UPDATE, version);
    placement.order("unlock", version);
    co_await expect_answer(pb::UNLOCK, version);
  }
};

template <class F>
void with_world(F scenario) {
  World world;
  std::promise<void> done;
  Scope scope;
  auto life = [](World& w, F inner, std::promise<void>* end) -> Task<void> {
    w.placement.listen();
    co_await inner(w);
    co_await w.client->close();
    co_await w.placement.close();
    w.client.reset();
    w.service.reset();
    end->set_value();
  };
  world.loops.start();
  world.loops[0].post([&] { scope.spawn(life(world, scenario, &done)); });
  done.get_future().wait();
  world.loops.stop_and_join();
}

constexpr auto kMe = "10.0.0.1:50002";
constexpr auto kOther = "10.0.0.2:50002";

Task<void> registers(World& w) {
  w.make_client({w.placement.address()});
  w.client->set_types({"cat"});
  w.client->open();
  pb::Host report = co_await w.placement.heard();
  EXPECT_EQ(report.operation(), pb::REPORT);
  EXPECT_FALSE(report.has_version());
  EXPECT_EQ(report.name(), kMe);
  EXPECT_THAT(report.entities(), ElementsAre("cat"));
  EXPECT_THAT(w.ready.unready(), ElementsAre("internal-placement-service"));
  co_await w.round(1, {{"cat", kMe}});
  EXPECT_TRUE(w.client->ready());
  EXPECT_TRUE(w.service->ready());
  EXPECT_EQ(w.rounds, 1);
  EXPECT_THAT(w.ready.unready(), IsEmpty());
  EXPECT_TRUE(w.service->hosts("cat", "1"));
  w.client->set_types({"cat", "dog"});
  report = co_await w.placement.heard();
  EXPECT_EQ(report.operation(), pb::REPORT);
  EXPECT_FALSE(report.has_version());
  EXPECT_THAT(report.entities(), ElementsAre("cat", "dog"));
}
TEST(Client, ReportsWhatItHostsAndTakesTheStepsOfARound) { with_world(registers); }

Task<void> looks_up_while_locked(World& w) {
  w.make_client({w.placement.address()});
  w.client->open();
  co_await w.placement.heard();
  co_await w.round(1, {{"cat", kMe}, {"dog", kMe}});
  EXPECT_TRUE(w.service->claim_now("cat", "1", nullptr));
  w.placement.order("lock", 2);
  co_await w.expect_answer(pb::LOCK, 2);
  EXPECT_TRUE(w.service->claim_now("cat", "1", nullptr));
  w.halts.told.clear();
  w.placement.order("update", 2, {{"cat", kOther}, {"dog", kMe}});
  co_await w.expect_answer(pb::UPDATE, 2);
  EXPECT_THAT(w.halts.told, ElementsAre("cat"));
  EXPECT_FALSE(w.service->claim_now("cat", "1", nullptr));
  EXPECT_TRUE(w.service->claim_now("dog", "1", nullptr));
  w.placement.order("unlock", 2);
  co_await w.expect_answer(pb::UNLOCK, 2);
  EXPECT_TRUE(w.service->claim_now("cat", "1", nullptr));
}
TEST(Client, OnlyTypesThatMoveWaitAndOnlyFromTheUpdateOn) { with_world(looks_up_while_locked); }

Task<void> reconnects(World& w) {
  w.make_client({w.placement.address()});
  w.client->set_types({"cat"});
  w.client->open();
  co_await w.placement.heard();
  co_await w.round(1, {{"cat", kMe}});
  w.halts.told.clear();
  w.placement.hang_up = true;
  w.placement.changed.notify_all();
  const pb::Host report = co_await w.placement.heard();
  EXPECT_EQ(report.operation(), pb::REPORT);
  EXPECT_THAT(report.entities(), ElementsAre("cat"));
  EXPECT_THAT(w.halts.told, ElementsAre("*"));
  EXPECT_FALSE(w.client->ready());
  EXPECT_FALSE(w.service->claim_now("cat", "1", nullptr));
  w.placement.order("lock", 7);
  co_await w.expect_answer(pb::LOCK, 7);
  w.placement.order("update", 7, {{"cat", kMe}});
  co_await w.expect_answer(pb::UPDATE, 7);
  EXPECT_FALSE(w.service->claim_now("cat", "1", nullptr));
  w.placement.order("unlock", 7);
  co_await w.expect_answer(pb::UNLOCK, 7);
  EXPECT_TRUE(w.service->claim_now("cat", "1", nullptr));
  EXPECT_TRUE(w.client->ready());
}
TEST(Client, ALostStreamHaltsAllAndTheNextOneBeginsAnew) { with_world(reconnects); }

Task<void> gives_up_a_round(World& w) {
  w.make_client({w.placement.address()}, 20ms);
  w.client->open();
  co_await w.placement.heard();
  w.placement.order("lock", 1);
  co_await w.expect_answer(pb::LOCK, 1);
  const pb::Host again = co_await w.placement.heard();
  EXPECT_EQ(again.operation(), pb::REPORT);
  EXPECT_EQ(w.placement.streams, 2);
}
TEST(Client, ARoundThatDoesNotGoOnCostsTheStream) { with_world(gives_up_a_round); }

Task<void> stands_still(World& w) {
  w.make_client({w.placement.address()}, 30s, Duration::zero());
  w.client->set_types({"cat"});
  w.client->open();
  co_await w.placement.heard();
  co_await w.round(1, {{"cat", kMe}});
  w.halts.told.clear();
  EXPECT_FALSE(w.service->claim_now("cat", "1", nullptr));
  const pb::Host again = co_await w.placement.heard();
  EXPECT_EQ(again.operation(), pb::REPORT);
  EXPECT_THAT(again.entities(), ElementsAre("cat"));
  EXPECT_EQ(w.placement.streams, 2);
  EXPECT_THAT(w.halts.told, ElementsAre("*"));
  co_await w.round(2, {{"cat", kMe}});
}
TEST(Client, AfterAStandstillItBeginsAnew) { with_world(stands_still); }

Task<void> distrusts(World& w) {
  w.make_client({w.placement.address()});
  w.client->open();
  co_await w.placement.heard();
  w.placement.order("dance", 1);
  const pb::Host again = co_await w.placement.heard();
  EXPECT_EQ(again.operation(), pb::REPORT);
  w.placement.order("unlock", 3);  // Ignored: there is no answer before that of the round below.
  co_await w.round(4, {{"cat", kMe}});
}
TEST(Client, AnOrderItDoesNotKnowCostsTheStream) { with_world(distrusts); }

Task<void> finds_the_leader(World& w) {
  auto follower = std::make_unique<Placement>(w.loops);
  follower->listen();
  follower->refusal = Error(Code::failed_precondition,
                            "node id=b is not a leader. Only the leader can serve requests");
  w.make_client({follower->address(), "127.0.0.1:1", w.placement.address()});
  w.client->open();
  const pb::Host report = co_await w.placement.heard();
  EXPECT_EQ(report.operation(), pb::REPORT);
  EXPECT_EQ(follower->streams, 1);
  co_await follower->close();
}
TEST(Client, TriesItsAddressesInTurnUntilOneIsTheLeader) { with_world(finds_the_leader); }

Task<void> ends_in_a_drain(World& w) {
  w.make_client({w.placement.address()});
  w.client->set_drain(Drain{.timeout = 10ms});
  w.client->open();
  co_await w.placement.heard();
  co_await w.round(1, {{"cat", kMe}});
  Claim claim = std::move(*w.service->claim_now("cat", "1", nullptr)).value();
  w.placement.order("lock", 2);
  w.placement.order("update", 2, {{"cat", kOther}});
  co_await w.client->close();
  EXPECT_TRUE(claim.revoked());
  EXPECT_EQ(w.halts.told.back(), "*");
}
TEST(Client, CloseWaitsForCallsAndHaltsAll) { with_world(ends_in_a_drain); }

/// A sidecar of three loops, on each of which calls come and go without end, and placement on one
/// of its own.
struct Busy {
  Loops loops{3};
  Loops others{1};
  Placement placement{others};
  Readiness ready;
  std::vector<std::unique_ptr<Service>> services;
  std::unique_ptr<Client> client;
  std::atomic<bool> over = false;
  std::atomic<int> calls = 0;
};

Task<Result<>> call_without_end(Busy* busy, unsigned loop) {
  Service& service = *busy->services[loop];
  while (!busy->over) {
    auto claim = co_await service.claim("cat", std::to_string(busy->calls));
    if (!claim) co_return std::unexpected(std::move(claim).error());
    EXPECT_TRUE(claim->location().address == kMe || claim->location().address == kOther);
    [[maybe_unused]] auto slept = co_await sleep_for(0ms);
    ++busy->calls;
  }
  co_return Result<>();
}
Task<void> keep_calling(Busy* busy, unsigned loop) {
  std::move_only_function<Task<Result<>>()> make = [busy, loop] {
    return call_without_end(busy, loop);
  };
  auto ended = co_await call_on<void>(busy->loops[loop], std::move(make));
  EXPECT_TRUE(ended);
}
Task<void> move_to_and_fro(Busy* busy) {
  Options options;
  options.host_address = "10.0.0.1";
  options.internal_port = 50002;
  options.addresses = {busy->placement.address()};
  std::vector<Service*> services;
  for (unsigned i = 0; i < busy->loops.size(); ++i) {
    busy->services.push_back(std::make_unique<Service>());
    services.push_back(busy->services.back().get());
  }
  busy->client =
      std::make_unique<Client>(std::move(options), busy->loops, std::move(services), busy->ready);
  auto open = [](Client* client) -> Task<Result<>> {
    client->open();
    co_return Result<>();
  };
  auto close = [](Client* client) -> Task<Result<>> {
    co_await client->close();
    co_return Result<>();
  };
  std::move_only_function<Task<Result<>>()> opening = [&] { return open(busy->client.get()); };
  [[maybe_unused]] auto opened = co_await call_on<void>(busy->loops[0], std::move(opening));
  Scope callers;
  for (unsigned i = 0; i < busy->loops.size(); ++i) callers.spawn(keep_calling(busy, i));
  [[maybe_unused]] auto report = co_await busy->placement.heard();
  std::uint64_t version = 0;
  while (version < 100 || busy->calls < 300) {
    ++version;
    busy->placement.order("lock", version);
    busy->placement.order("update", version, {{"cat", version % 2 == 0 ? kMe : kOther}});
    busy->placement.order("unlock", version);
    for (int answers = 0; answers < 3; ++answers) co_await busy->placement.heard();
  }
  busy->over = true;
  co_await callers.join();
  std::move_only_function<Task<Result<>>()> closing = [&] { return close(busy->client.get()); };
  [[maybe_unused]] auto closed = co_await call_on<void>(busy->loops[0], std::move(closing));
  co_await busy->placement.close();
}
TEST(Client, CallsOfAllLoopsGoOnThroughAHundredRounds) {
  Busy busy;
  std::promise<void> done;
  Scope scope;
  auto life = [](Busy* all, std::promise<void>* end) -> Task<void> {
    all->placement.listen();
    co_await move_to_and_fro(all);
    end->set_value();
  };
  busy.loops.start();
  busy.others.start();
  busy.others[0].post([&] { scope.spawn(life(&busy, &done)); });
  done.get_future().wait();
  busy.loops.stop_and_join();
  busy.others.stop_and_join();
}

}  // namespace
}  // namespace outrigger::runtime::placement
