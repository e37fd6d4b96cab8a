#include "net/listener.h"

#include <system_error>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"

namespace outrigger::net {
namespace {

/// While it lives, this process can open no descriptor more.
class NoDescriptors {
 public:
  NoDescriptors() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const int next = ::dup(0);
    ::close(next);
    rlimit limit = before_;
    limit.rlim_cur = static_cast<rlim_t>(next);
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
  ~NoDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

class Callers {
 public:
  Callers() {
    for (int& fd : fds_) fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  }
  ~Callers() {
    for (const int fd : fds_) ::close(fd);
  }
  [[nodiscard]] bool connect(std::uint16_t port) const {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (const int fd : fds_) {
      if (::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) return false;
    }
    return true;
  }

 private:
  int fds_[3];
};

TEST(Listener, WithoutDescriptorsItSaysSoOnceAndAcceptsWhenThereAreSomeAgain) {
  const LogCapture logged;
  const Callers callers;
  Loop loop;
  auto listener = Listener::bind("127.0.0.1", 0).value();
  int accepted = 0;
  int turns = 0;
  bool started = false;
  loop.post([&] {
    listener->start([&](int fd, const Peer&) {
      ::close(fd);
      ++accepted;
    });
    started = true;
  });
  loop.run_until([&] { return started; });
  // The sanitizers need descriptors of their own for what they see for the first time.
  const Callers first;
  ASSERT_TRUE(first.connect(listener->port()));
  const std::string words = "listen 127.0.0.1:0: connections wait, for none can be accepted: " +
                            std::system_category().message(EMFILE);
  loop.run_until([&] { return accepted == 3; });
  {
    const NoDescriptors full;
    ASSERT_TRUE(callers.connect(listener->port()));
    bool over = false;
    Timer enough([&] { over = true; });
    loop.post([&] { enough.start(std::chrono::milliseconds(300)); });
    loop.run_until([&] {
      ++turns;
      return over;
    });
  }
  EXPECT_EQ(accepted, 3);
  EXPECT_LT(turns, 50) << "it spins";
  loop.run_until([&] { return accepted == 6; });
  const std::string text = logged.text();
  const std::size_t at = text.find(words);
  ASSERT_NE(at, std::string::npos) << text;
  EXPECT_EQ(text.find(words, at + 1), std::string::npos) << text;
  listener->close();
}

TEST(Listener, WhatTwoShareRefusesNobodyUntilBothHaveClosed) {
  auto first = Listener::bind("127.0.0.1", 0).value();
  auto second = first->again();
  EXPECT_EQ(second->port(), first->port());
  EXPECT_EQ(second->name(), first->name());
  first->close();
  {
    const Callers waiting;
    EXPECT_TRUE(waiting.connect(second->port()));
    Loop loop;
    int accepted = 0;
    loop.post([&] {
      second->start([&](int fd, const Peer&) {
        ::close(fd);
        ++accepted;
      });
    });
    loop.run_until([&] { return accepted == 3; });
    second->close();
  }
  const Callers late;
  EXPECT_FALSE(late.connect(second->port()));
}

TEST(Listener, TheFileOfASocketIsThereUntilTheLastHasClosed) {
  const std::string path = ::testing::TempDir() + "shared.socket";
  auto first = Listener::bind_unix(path).value();
  auto second = first->again();
  first->close();
  EXPECT_EQ(::access(path.c_str(), F_OK), 0);
  second->close();
  EXPECT_NE(::access(path.c_str(), F_OK), 0);
}

}  // namespace
}  // namespace outrigger::net
