#include "components/nameresolution/mdns_engine.h"

#include <unistd.h>

namespace outrigger::components::nameresolution::mdns {
namespace {

using namespace std::chrono_literals;

/// A port of this test run's own, so that nobody else's mDNS is heard.
std::uint16_t test_port() { return static_cast<std::uint16_t>(20'000 + ::getpid() % 20'000); }

EngineOptions quick() {
  return {.group = {.port = test_port()}, .browse = 300ms, .browse_again = 100ms};
}

Service service(std::string app_id, int port, std::string address = "127.0.0.1") {
  return make_service({.app_id = std::move(app_id),
                       .host = "test",
                       .instance = "test:" + std::to_string(port),
                       .address = std::move(address),
                       .port = port})
      .value();
}

/// One sidecar: an engine and its mirror on the loop of the test.
struct Sidecar {
  explicit Sidecar(EngineOptions options = quick()) : engine(Loop::current(), std::move(options)) {}
  ~Sidecar() { engine.detach(*mirror); }
  Result<> start(std::string app_id, int port, std::string address = "127.0.0.1") {
    return engine.attach(service(std::move(app_id), port, std::move(address)), Loop::current(),
                         mirror);
  }
  std::optional<std::string> known(std::string_view app_id) {
    return mirror->next(app_id, Loop::current().now());
  }
  std::shared_ptr<Mirror> mirror = std::make_shared<Mirror>();
  Engine engine;
};

/// Runs turns of the loop until it is so; false after two seconds.
Task<bool> until(std::function<bool()> condition) {
  for (int i = 0; i < 200 && !condition(); ++i) {
    auto slept = co_await sleep_for(10ms);
    if (!slept) co_return false;
  }
  co_return condition();
}

Task<std::string> find(Sidecar* sidecar, std::string app_id) {
  auto found = co_await sidecar->engine.lookup(std::move(app_id));
  if (found) co_return *found;
  co_return std::string(found.error().message());
}

Task<bool> multicast_works() {
  Sidecar one;
  Sidecar other;
  if (!one.start("probe", 1) || !other.start("prober", 2)) co_return false;
  const std::string found = co_await find(&other, "probe");
  co_return found == "127.0.0.1:1";
}

class MdnsEngine : public testing::Test {
 protected:
  void SetUp() override {
    static const bool works = run(multicast_works());
    if (!works) GTEST_SKIP() << "multicast datagrams are not delivered on this machine";
  }
};

Task<void> find_each_other() {
  Sidecar a;
  Sidecar b;
  EXPECT_TRUE(a.start("a", 3501));
  EXPECT_TRUE(b.start("b", 3502));
  const std::string of_b = co_await find(&a, "b");
  const std::string of_a = co_await find(&b, "a");
  EXPECT_EQ(of_b, "127.0.0.1:3502");
  EXPECT_EQ(of_a, "127.0.0.1:3501");
  EXPECT_EQ(a.known("b"), "127.0.0.1:3502");
}
TEST_F(MdnsEngine, TwoSidecarsFindEachOther) { run(find_each_other()); }

Task<void> find_nobody() {
  Sidecar a;
  EXPECT_TRUE(a.start("a", 3501));
  const TimePoint begin = std::chrono::steady_clock::now();
  auto found = co_await a.engine.lookup("nobody");
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 290ms);
  EXPECT_FALSE(found);
  if (found) co_return;
  EXPECT_EQ(found.error().code(), Code::not_found);
  EXPECT_EQ(found.error().message(), "couldn't find service: nobody");
  auto impossible = co_await a.engine.lookup(std::string(64, 'x'));
  EXPECT_EQ(impossible.error().code(), Code::not_found);
}
TEST_F(MdnsEngine, AnAppThatNobodyServesIsNotFoundAfterTheTimeForBrowsing) { run(find_nobody()); }

Task<void> find_late() {
  Sidecar a;
  EXPECT_TRUE(a.start("a", 3501));
  std::string found;
  const auto look = [](Sidecar* from, std::string* out) -> Task<void> {
    *out = co_await find(from, "late");
  };
  Scope scope;
  scope.spawn(look(&a, &found));
  Sidecar late;
  EXPECT_TRUE(late.start("late", 3509));
  co_await scope.join();
  EXPECT_EQ(found, "127.0.0.1:3509");
}
TEST_F(MdnsEngine, AnAnnouncementEndsALookupThatWaits) { run(find_late()); }

Task<void> take_turns() {
  Sidecar a;
  Sidecar first;
  Sidecar second;
  EXPECT_TRUE(a.start("a", 3501));
  EXPECT_TRUE(first.start("b", 3502));
  EXPECT_TRUE(second.start("b", 3503));
  const std::string found = co_await find(&a, "b");
  EXPECT_THAT(found, testing::AnyOf("127.0.0.1:3502", "127.0.0.1:3503"));
  std::set<std::string> seen;
  const auto both = [&] {
    seen.insert(a.known("b").value_or("none"));
    return seen.size() == 2;
  };
  const bool heard_both = co_await until(both);
  EXPECT_TRUE(heard_both);
  EXPECT_NE(a.known("b"), a.known("b"));
}
TEST_F(MdnsEngine, TheAddressesOfAnAppTakeTurns) { run(take_turns()); }

Task<void> say_goodbye() {
  Sidecar a;
  EXPECT_TRUE(a.start("a", 3501));
  auto b = std::make_unique<Sidecar>();
  EXPECT_TRUE(b->start("b", 3502));
  const std::string found = co_await find(&a, "b");
  EXPECT_EQ(found, "127.0.0.1:3502");
  b.reset();
  const auto gone = [&] { return !a.known("b"); };
  const bool forgotten = co_await until(gone);
  EXPECT_TRUE(forgotten);
}
TEST_F(MdnsEngine, ASidecarThatSaysGoodbyeIsForgotten) { run(say_goodbye()); }

Task<void> evict_the_dead() {
  Sidecar a;
  Sidecar b;
  EXPECT_TRUE(a.start("a", 3501));
  EXPECT_TRUE(b.start("b", 3502));
  std::string found = co_await find(&a, "b");
  a.engine.evict("b", "127.0.0.1:9");  // Never heard of.
  EXPECT_EQ(a.known("b"), "127.0.0.1:3502");
  a.engine.evict("b", found);
  EXPECT_EQ(a.known("b"), std::nullopt);
  found = co_await find(&a, "b");
  EXPECT_EQ(found, "127.0.0.1:3502");
}
TEST_F(MdnsEngine, AnEvictedAddressIsLearntAnewOnlyFromItsOwner) { run(evict_the_dead()); }

Task<void> expire() {
  EngineOptions options = quick();
  options.address_life = 1h;
  options.refresh = 20ms;
  Sidecar a(options);
  Sidecar b;
  EXPECT_TRUE(a.start("a", 3501));
  EXPECT_TRUE(b.start("b", 3502));
  const std::string found = co_await find(&a, "b");
  EXPECT_EQ(found, "127.0.0.1:3502");
  // What was heard so far is good until then, and no longer.
  const TimePoint end = Loop::current().now() + options.address_life;
  EXPECT_EQ(a.mirror->next("b", end), std::nullopt);
  const auto refreshed = [&] { return a.mirror->next("b", end).has_value(); };
  const bool good_for_longer = co_await until(refreshed);
  EXPECT_TRUE(good_for_longer);
}
TEST_F(MdnsEngine, AddressesAreRefreshedBeforeTheyExpire) { run(expire()); }

Task<void> many_at_once() {
  Sidecar a;
  Sidecar b;
  EXPECT_TRUE(a.start("a", 3501));
  EXPECT_TRUE(b.start("b", 3502));
  std::vector<std::string> found(100);
  const auto look = [](Sidecar* from, std::string app_id, std::string* out) -> Task<void> {
    *out = co_await find(from, std::move(app_id));
  };
  Scope scope;
  for (std::size_t i = 0; i < found.size(); ++i) {
    scope.spawn(look(&a, i % 2 == 0 ? "b" : "nobody", &found[i]));
  }
  co_await scope.join();
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i], i % 2 == 0 ? "127.0.0.1:3502" : "couldn't find service: nobody");
  }
}
TEST_F(MdnsEngine, ManyLookupsAtOnceShareOneBrowse) { run(many_at_once()); }

Task<void> cancelled() {
  Sidecar a;
  EXPECT_TRUE(a.start("a", 3501));
  auto result = co_await with_timeout(a.engine.lookup("nobody"), 20ms);
  EXPECT_EQ(result.error().code(), Code::deadline_exceeded);
  // Closed while somebody looks.
  Scope scope;
  std::string found;
  const auto look = [](Sidecar* from, std::string* out) -> Task<void> {
    *out = co_await find(from, "nobody");
  };
  scope.spawn(look(&a, &found));
  a.engine.detach(*a.mirror);
  co_await scope.join();
  EXPECT_EQ(found, "couldn't find service: nobody");
  const std::string closed = co_await find(&a, "nobody");
  EXPECT_EQ(closed, "the mDNS resolver is closed");
}
TEST_F(MdnsEngine, ALookupEndsWhenItIsCancelledOrTheEngineIsClosed) { run(cancelled()); }

Task<void> too_many() {
  EngineOptions options = quick();
  options.apps_max = 3;
  options.refresh = 50ms;
  Sidecar a(options);
  EXPECT_TRUE(a.start("a", 3501));
  for (int i = 0; i < 3; ++i) {
    auto result = co_await with_timeout(a.engine.lookup("x" + std::to_string(i)), 1ms);
    EXPECT_EQ(result.error().code(), Code::deadline_exceeded);
  }
  auto refused = co_await a.engine.lookup("x3");
  EXPECT_EQ(refused.error().code(), Code::resource_exhausted);
  // Names that nobody waits for any more make room, once the time for browsing is over.
  Code after = Code::resource_exhausted;
  for (int tries = 0; tries < 1000; ++tries) {
    auto looked = co_await with_timeout(a.engine.lookup("x3"), 1ms);
    after = looked.error().code();
    if (after != Code::resource_exhausted) break;
    const auto slept = co_await sleep_for(5ms);
    EXPECT_TRUE(slept);
  }
  EXPECT_EQ(after, Code::deadline_exceeded);
}
TEST_F(MdnsEngine, NamesThatNobodyHasDoNotFillTheTable) { run(too_many()); }

struct Nobody final : net::MulticastSocket::Events {
  void on_datagram(std::string_view, const net::MulticastSocket::Source&) override {}
};

Task<void> hostile() {
  Sidecar a;
  Sidecar b;
  EXPECT_TRUE(a.start("a", 3501));
  EXPECT_TRUE(b.start("b", 3502));
  Nobody nobody;
  net::MulticastSocket attacker;
  EXPECT_TRUE(attacker.open(quick().group, nobody));
  const std::string good = dns::serialise(announcement(service("b", 6666))).value();
  for (std::size_t length = 0; length < good.size(); length += 3) {
    EXPECT_TRUE(attacker.send(std::string_view(good).substr(0, length)));
  }
  EXPECT_TRUE(attacker.send(std::string(8000, '\xc0')));
  // Longer than any mDNS message; whether the network carries it is its own affair.
  [[maybe_unused]] auto sent = attacker.send(std::string(60'000, 'x'));
  // For an app that nobody here asked for nothing is kept.
  EXPECT_TRUE(attacker.send(dns::serialise(announcement(service("unasked", 1))).value()));
  const std::string found = co_await find(&a, "b");
  EXPECT_EQ(found, "127.0.0.1:3502");
  EXPECT_EQ(a.known("unasked"), std::nullopt);
}
TEST_F(MdnsEngine, BrokenMessagesChangeNothing) { run(hostile()); }

Task<void> flood_of_addresses() {
  EngineOptions options = quick();
  options.addresses_max = 4;
  Sidecar a(options);
  Sidecar b;
  EXPECT_TRUE(a.start("a", 3501));
  EXPECT_TRUE(b.start("b", 3502));
  std::string found = co_await find(&a, "b");
  Nobody nobody;
  net::MulticastSocket attacker;
  EXPECT_TRUE(attacker.open(quick().group, nobody));
  for (int port = 1; port <= 50; ++port) {
    EXPECT_TRUE(attacker.send(dns::serialise(announcement(service("b", port))).value()));
  }
  std::set<std::string> seen;
  const auto four = [&] {
    seen.insert(a.known("b").value_or("none"));
    return seen.size() >= 4;
  };
  const bool filled = co_await until(four);
  EXPECT_TRUE(filled);
  for (int i = 0; i < 20; ++i) seen.insert(a.known("b").value_or("none"));
  EXPECT_EQ(seen.size(), 4U);
  EXPECT_TRUE(seen.contains("127.0.0.1:3502"));
}
TEST_F(MdnsEngine, AnAppHasALimitedNumberOfAddresses) { run(flood_of_addresses()); }

TEST(MdnsMirror, PrefersIpv4AndSkipsWhatHasExpired) {
  const TimePoint now{1h};
  AppAddresses app;
  app.used = std::make_shared<std::atomic<Duration::rep>>(0);
  app.addresses = {{"[2001:db8::1]:1", true, now + 1s},
                   {"192.0.2.1:1", false, now},
                   {"192.0.2.2:1", false, now + 1s},
                   {"192.0.2.3:1", false, now + 2s}};
  Mirror mirror;
  mirror.set("app", std::make_shared<const AppAddresses>(app));
  EXPECT_EQ(mirror.next("app", now), "192.0.2.2:1");
  EXPECT_EQ(mirror.next("app", now), "192.0.2.3:1");
  EXPECT_EQ(mirror.next("app", now), "192.0.2.2:1");
  mirror.remove("app", "192.0.2.2:1");
  EXPECT_EQ(mirror.next("app", now), "192.0.2.3:1");
  EXPECT_EQ(mirror.next("app", now + 2s), std::nullopt);
  mirror.remove("app", "192.0.2.3:1");
  EXPECT_EQ(mirror.next("app", now), "[2001:db8::1]:1");
  EXPECT_EQ(mirror.next("other", now), std::nullopt);
}

}  // namespace
}  // namespace outrigger::components::nameresolution::mdns
