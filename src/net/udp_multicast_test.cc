#include "net/udp_multicast.h"

#include <unistd.h>

#include "base/scope.h"

namespace outrigger::net {
namespace {

using namespace std::chrono_literals;

/// A port of this test run's own, so that nobody else's mDNS is heard.
std::uint16_t test_port() { return static_cast<std::uint16_t>(20'000 + ::getpid() % 20'000); }

struct Heard final : MulticastSocket::Events {
  std::vector<std::string> bytes;
  MulticastSocket::Source last;
  Signal changed;
  MulticastSocket* close_when_heard = nullptr;
  void on_datagram(std::string_view datagram, const MulticastSocket::Source& source) override {
    bytes.emplace_back(datagram);
    last = source;
    changed.notify_all();
    if (close_when_heard != nullptr) close_when_heard->close();
  }
};

Task<Result<>> wait_for_one(Heard* heard) {
  while (heard->bytes.empty()) {
    OUT_CO_CHECK(co_await heard->changed.wait());
  }
  co_return Result<>();
}

/// Whether something was heard within a time that a loaded machine needs too.
Task<bool> hears(Heard* heard) {
  auto done = co_await with_timeout(wait_for_one(heard), 5s);
  co_return done.has_value();
}

Task<Result<>> two_sockets_on_one_port(bool* works) {
  const MulticastGroup group{.port = test_port()};
  Heard first;
  Heard second;
  MulticastSocket a;
  MulticastSocket b;
  OUT_CO_CHECK(a.open(group, first));
  OUT_CO_CHECK(b.open(group, second));
  OUT_CO_CHECK(a.send("hello"));
  *works = co_await hears(&first);
  if (!*works) co_return Result<>();
  const bool both = co_await hears(&second);
  EXPECT_TRUE(both);
  EXPECT_EQ(second.bytes.at(0), "hello");
  EXPECT_TRUE(second.last.to_group);
  EXPECT_TRUE(second.last.from_here);
  EXPECT_EQ(second.last.port, group.port);
  first.bytes.clear();
  const MulticastSocket::Source source = second.last;
  OUT_CO_CHECK(b.send("answer", source));
  const bool answered = co_await hears(&first);
  EXPECT_TRUE(answered);
  EXPECT_EQ(first.last.interface, source.interface);
  co_return Result<>();
}

TEST(UdpMulticast, EverySocketOfTheGroupOnThisMachineHearsWhatOneSends) {
  bool works = false;
  const auto done = run(two_sockets_on_one_port(&works));
  if (!done) GTEST_SKIP() << "no multicast here: " << done.error().message();
  if (!works) GTEST_SKIP() << "multicast datagrams are not delivered on this machine";
}

Task<Result<bool>> close_inside_the_callback() {
  Heard heard;
  MulticastSocket socket;
  heard.close_when_heard = &socket;
  OUT_CO_CHECK(socket.open({.port = test_port()}, heard));
  OUT_CO_CHECK(socket.send("one"));
  OUT_CO_CHECK(socket.send("two"));
  const bool any = co_await hears(&heard);
  co_return !any || !socket.send("three");
}
TEST(UdpMulticast, MayBeClosedInsideItsCallback) {
  const auto closed = run(close_inside_the_callback());
  if (!closed) GTEST_SKIP() << "no multicast here: " << closed.error().message();
  EXPECT_TRUE(*closed);
}

Task<Result<>> open_wrong() {
  Heard heard;
  MulticastSocket socket;
  auto opened = socket.open({.ipv4 = "no address", .ipv6 = ""}, heard);
  co_return opened;
}
TEST(UdpMulticast, AnAddressThatIsNoneIsAnError) { EXPECT_FALSE(run(open_wrong())); }

}  // namespace
}  // namespace outrigger::net
