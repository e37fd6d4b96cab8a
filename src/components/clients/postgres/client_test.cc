#include "components/clients/postgres/client.h"

#include <functional>
#include <thread>

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

/// Servers that misbehave. What a good one does is tested with a real one (tests/conformance).
namespace outrigger::components::postgres {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;
using testing::HasSubstr;

/// Authentication is not needed; the key for cancelling; ready.
const std::string kWelcome = "R\0\0\0\x08\0\0\0\0K\0\0\0\x0c\0\0\0\1\0\0\0\2Z\0\0\0\5I"s;

/// Accepts connections on loopback and lets `talk` deal with each in turn, in a thread.
class FakeServer {
 public:
  explicit FakeServer(std::function<void(int fd)> talk) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* raw = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(::bind(listener_, raw, sizeof address), 0);
    EXPECT_EQ(::listen(listener_, 8), 0);
    socklen_t size = sizeof address;
    EXPECT_EQ(::getsockname(listener_, raw, &size), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::jthread([this, talk = std::move(talk)](const std::stop_token& stop) {
      while (!stop.stop_requested()) {
        pollfd waits{.fd = listener_, .events = POLLIN, .revents = 0};
        if (::poll(&waits, 1, 10) != 1) continue;
        const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        if (fd < 0) continue;
        talk(fd);
        open_.push_back(fd);
      }
    });
  }
  ~FakeServer() {
    thread_.request_stop();
    thread_.join();
    for (const int fd : open_) ::close(fd);
    ::close(listener_);
  }
  [[nodiscard]] std::string words() const {
    return "host=127.0.0.1 port=" + std::to_string(port_) +
           " user=u dbname=d sslmode=disable connect_timeout=1";
  }

 private:
  int listener_ = -1;
  int port_ = 0;
  std::vector<int> open_;
  std::jthread thread_;
};

void say(int fd, const std::string& bytes) {
  EXPECT_EQ(::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(bytes.size()));
}
void hear(int fd) {
  std::array<char, 4096> bytes;
  EXPECT_GE(::recv(fd, bytes.data(), bytes.size(), 0), 0);
}

class PostgresClient : public testing::Test {
 protected:
  void TearDown() override {
    if (client_) run_on(loop_, client_->close());
  }
  Result<> ping(const std::string& words, Duration timeout) {
    auto settings = make_settings({.connection_string = words}, timeout);
    EXPECT_TRUE(settings);
    client_.emplace(loop_, *settings);
    return run_on(loop_, client_->ping());
  }
  Loop loop_;
  std::optional<Client> client_;
};

TEST_F(PostgresClient, AServerThatSaysNothingIsGivenUp) {
  const FakeServer server([](int) {});
  auto reached = ping(server.words(), 20s);
  ASSERT_FALSE(reached);
  EXPECT_EQ(reached.error().code(), Code::unavailable);
  EXPECT_THAT(reached.error().message(), HasSubstr("127.0.0.1: i/o timeout"));
}

TEST_F(PostgresClient, NobodyAtThePortIsAnErrorAtOnce) {
  auto reached = ping("host=127.0.0.1 port=1 user=u", 20s);
  ASSERT_FALSE(reached);
  EXPECT_EQ(reached.error().code(), Code::unavailable);
  EXPECT_THAT(reached.error().message(), HasSubstr("refused"));
}

TEST_F(PostgresClient, AServerOfAnotherKindIsAnError) {
  const FakeServer server([](int fd) {
    hear(fd);
    say(fd, "HTTP/1.1 400 Bad Request\r\n\r\n");
    ::shutdown(fd, SHUT_RDWR);
  });
  auto reached = ping(server.words(), 20s);
  ASSERT_FALSE(reached);
  EXPECT_EQ(reached.error().code(), Code::unavailable);
}

TEST_F(PostgresClient, AServerThatStopsToAnswerIsLeftWithTheDeadline) {
  const FakeServer server([](int fd) {
    hear(fd);
    say(fd, kWelcome);
  });
  auto reached = ping(server.words(), 200ms);
  ASSERT_FALSE(reached);
  EXPECT_EQ(reached.error().code(), Code::deadline_exceeded);
}

TEST_F(PostgresClient, AServerThatHangsUpOnEveryRequestIsNotAskedForEver) {
  const FakeServer server([](int fd) {
    hear(fd);
    say(fd, kWelcome);
    hear(fd);
    ::shutdown(fd, SHUT_RDWR);
  });
  auto reached = ping(server.words(), 20s);
  ASSERT_FALSE(reached);
  EXPECT_EQ(reached.error().code(), Code::unavailable);
}

TEST_F(PostgresClient, AnAnswerThatIsNoneBreaksTheConnectionOnly) {
  for (const std::string& answer :
       {"Z\0\0\0\5IZ\0\0\0\5IZ\0\0\0\5I"s, "D\0\0\0\7\0\1\xff"s, "T\xff\xff\xff\xff"s,
        "\0\0\0\0\0"s, "E\0\0\0\4"s, "G\0\0\0\7\0\0\0"s, "C\0\0\0\5\0C\0\0\0\5\0"s,
        std::string(10'000, '\xff')}) {
    const FakeServer server([&](int fd) {
      hear(fd);
      say(fd, kWelcome);
      hear(fd);
      say(fd, answer);
      ::shutdown(fd, SHUT_RDWR);
    });
    [[maybe_unused]] auto reached = ping(server.words(), 5s);
    run_on(loop_, client_->close());
    client_.reset();
  }
}

TEST_F(PostgresClient, TheNextHostIsTriedIfOneCannotBeReached) {
  const FakeServer server([](int fd) {
    hear(fd);
    say(fd, kWelcome);
    hear(fd);
    say(fd, "Z\0\0\0\5I"s);
  });
  const std::string port = server.words().substr(server.words().find("port=") + 5);
  const std::string words =
      "host=127.0.0.1,127.0.0.1 sslmode=disable user=u port=1," + port.substr(0, port.find(' '));
  auto reached = ping(words, 30s);
  EXPECT_TRUE(reached) << reached.error().message();
}

TEST_F(PostgresClient, ACallThatIsCancelledWhileConnectingEndsAtOnce) {
  const FakeServer server([](int) {});
  auto settings = make_settings({.connection_string = server.words()}, 20s);
  ASSERT_TRUE(settings);
  client_.emplace(loop_, *settings);
  const auto begin = std::chrono::steady_clock::now();
  auto reached = run_on(loop_, with_timeout(client_->ping(), 10ms));
  ASSERT_FALSE(reached);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s);
}

TEST_F(PostgresClient, ARequestThatIsTooLargeIsRefusedAndHarmsNoOther) {
  const FakeServer server([](int fd) {
    hear(fd);
    say(fd, kWelcome);
    hear(fd);
    say(fd, "Z\0\0\0\5I"s);
  });
  auto reached = ping(server.words(), 30s);
  ASSERT_TRUE(reached) << reached.error().message();
  const Statement statement("SELECT 1");
  Step step{.statement = &statement, .values = {}};
  for (int i = 0; i < 33; ++i) step.values.emplace_back("x");
  auto refused = run_on(loop_, client_->query(std::move(step), Effect::read));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::invalid_argument);
}

}  // namespace
}  // namespace outrigger::components::postgres
