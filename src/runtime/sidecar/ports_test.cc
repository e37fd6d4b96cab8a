#include "runtime/sidecar/ports.h"

#include <filesystem>

#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

namespace outrigger::runtime {
namespace {

using namespace std::chrono_literals;

ino_t inode(const std::string& path) {
  struct stat file{};
  EXPECT_EQ(::stat(path.c_str(), &file), 0);
  return file.st_ino;
}

std::vector<std::string> loopback() { return {"127.0.0.1"}; }

class PortsTest : public testing::Test {
 protected:
  PortsTest() : taken_(net::Listener::bind("127.0.0.1", 0).value()), port_(taken_->port()) {}

  Loop loop_;
  std::unique_ptr<net::Listener> taken_;
  const int port_;
  Ports ports_;
  const LogCapture logged_;
};

TEST_F(PortsTest, APortInUseIsAnErrorAtOnceWhereNobodyMayBeLeavingIt) {
  const TimePoint started = std::chrono::steady_clock::now();
  auto bound = run_on(loop_, bind_port(ports_, loopback(), port_, Patience::none));
  ASSERT_FALSE(bound);
  EXPECT_NE(bound.error().message().find("127.0.0.1:" + std::to_string(port_)), std::string::npos)
      << bound.error().message();
  EXPECT_LT(std::chrono::steady_clock::now() - started, 5s);
}

TEST_F(PortsTest, APortThatBecomesFreeInTimeIsTakenAndTheWaitIsToldOnce) {
  Timer leaving([this] { taken_.reset(); });
  loop_.post([&] { leaving.start(250ms); });
  auto bound = run_on(loop_, bind_port(ports_, loopback(), port_, Patience::as_upstream));
  ASSERT_TRUE(bound);
  EXPECT_EQ((*bound)[0]->port(), port_);
  const std::string words = "port " + std::to_string(port_) + " is not free yet";
  const std::string text = logged_.text();
  ASSERT_TRUE(logged_.contains(words)) << text;
  EXPECT_EQ(text.find(words, text.find(words) + 1), std::string::npos) << text;
}

TEST_F(PortsTest, OfSeveralAddressesOneIsEnoughAndTheOthersAreTold) {
  std::vector<std::string> both = {"127.0.0.1", "127.0.0.2"};
  auto bound = run_on(loop_, bind_port(ports_, std::move(both), port_, Patience::none));
  ASSERT_TRUE(bound);
  EXPECT_EQ(bound->size(), 1u);
  EXPECT_TRUE(logged_.contains("is not open on every address asked for: listen 127.0.0.1:"))
      << logged_.text();
}

TEST_F(PortsTest, TheNextLifeListensOnWhatTheOneBeforeDid) {
  ports_.begin_life();
  auto first = ports_.bind("127.0.0.1", 0).value();
  auto second = ports_.bind("127.0.0.1", 0).value();
  const int ports[] = {first->port(), second->port()};
  ASSERT_NE(ports[0], ports[1]);
  first.reset();
  second.reset();
  EXPECT_FALSE(net::Listener::bind("127.0.0.1", static_cast<std::uint16_t>(ports[0])));
  ports_.begin_life();
  first = ports_.bind("127.0.0.1", 0).value();
  EXPECT_EQ(first->port(), ports[0]);
  ports_.complete();
  EXPECT_TRUE(net::Listener::bind("127.0.0.1", static_cast<std::uint16_t>(ports[1])));
  EXPECT_EQ(ports_.bind("[::1]", 0).value()->name(), "[::1]:0");
  ports_.let_go();
  first.reset();
  EXPECT_TRUE(net::Listener::bind("127.0.0.1", static_cast<std::uint16_t>(ports[0])));
}

TEST_F(PortsTest, ASocketWhoseFileIsGoneIsMadeAgain) {
  const std::string path = testing::TempDir() + "ports_test_" + std::to_string(::getpid());
  ports_.begin_life();
  auto first = ports_.bind_unix(path).value();
  const auto before = inode(path);
  ports_.begin_life();
  first = ports_.bind_unix(path).value();
  EXPECT_EQ(inode(path), before);
  std::filesystem::remove(path);
  first.reset();
  ports_.begin_life();
  first = ports_.bind_unix(path).value();
  EXPECT_TRUE(std::filesystem::is_socket(path));
  ports_.complete();
  EXPECT_TRUE(std::filesystem::is_socket(path));
  first.reset();
  ports_.let_go();
}

TEST_F(PortsTest, ALifeThatEndsBeforeItHasAskedForAllLeavesThemToTheNext) {
  ports_.begin_life();
  const int first = ports_.bind("127.0.0.1", 0).value()->port();
  const int second = ports_.bind("127.0.0.1", 0).value()->port();
  ports_.begin_life();
  EXPECT_EQ(ports_.bind("127.0.0.1", 0).value()->port(), first);
  ports_.begin_life();
  ports_.begin_life();
  EXPECT_EQ(ports_.bind("127.0.0.1", 0).value()->port(), first);
  EXPECT_TRUE(ports_.keeps("127.0.0.1", 0));
  EXPECT_FALSE(ports_.keeps("127.0.0.1", second));
  EXPECT_EQ(ports_.bind("127.0.0.1", 0).value()->port(), second);
  EXPECT_FALSE(ports_.keeps("127.0.0.1", 0));
}

}  // namespace
}  // namespace outrigger::runtime
