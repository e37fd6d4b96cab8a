#include "net/http/server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/scope.h"

namespace outrigger::net {
namespace {

using namespace std::chrono_literals;

/// A server on one loop whose handler is a function.
class Served final : RequestHandler {
 public:
  using Handle = std::function<Task<Response>(Request)>;
  explicit Served(Handle handle, ServerOptions options = {})
      : handle_(std::move(handle)),
        server_(loops_, std::vector<RequestHandler*>{this}, std::move(options)) {
    loops_.start();
    auto listener = Listener::bind("127.0.0.1", 0).value();
    port_ = listener->port();
    server_.listen(std::move(listener));
  }
  ~Served() {
    std::atomic<bool> done = false;
    loops_[0].post([&] { stopper_.spawn(stop(&done)); });
    while (!done) std::this_thread::yield();
    loops_.stop_and_join();
  }
  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  [[nodiscard]] std::size_t connections() const noexcept { return server_.connections(); }

 private:
  Task<Response> handle(Request request) override { return handle_(std::move(request)); }
  Task<void> stop(std::atomic<bool>* done) {
    co_await server_.stop(0ms);
    *done = true;
  }
  Handle handle_;
  Loops loops_{1};
  Scope stopper_;
  Server server_;
  std::uint16_t port_ = 0;
};

/// A client that blocks, and speaks no protocol by itself.
class Caller {
 public:
  explicit Caller(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    OUT_ASSERT(::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    const timeval limit{.tv_sec = 10, .tv_usec = 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  }
  ~Caller() { ::close(fd_); }
  Caller(const Caller&) = delete;
  Caller& operator=(const Caller&) = delete;

  void send(std::string_view bytes) const {
    OUT_ASSERT(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
               static_cast<ssize_t>(bytes.size()));
  }
  void end() const { ::shutdown(fd_, SHUT_WR); }
  /// Up to the end of the connection, or nothing for ten seconds.
  [[nodiscard]] std::string rest() const { return until(""); }
  /// Up to where `end` is at the end.
  [[nodiscard]] std::string until(std::string_view end) const {
    std::string all;
    char bytes[4096];
    while (end.empty() || !all.ends_with(end)) {
      const ssize_t got = ::recv(fd_, bytes, sizeof bytes, 0);
      if (got <= 0) break;
      all.append(bytes, static_cast<std::size_t>(got));
    }
    return all;
  }

 private:
  int fd_;
};

Task<Response> large(Request) {
  Response response;
  response.body = std::string(20'000'000, 'w');
  co_return response;
}

TEST(HttpServer, AnAnswerReachesAClientThatHasEndedItsSide) {
  Served served(large);
  for (const char* connection : {"keep-alive", "close"}) {
    const Caller caller(served.port());
    caller.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: " + std::string(connection) + "\r\n\r\n");
    caller.end();
    EXPECT_GT(caller.rest().size(), 20'000'000U) << connection;
  }
  while (served.connections() != 0) std::this_thread::yield();
}

}  // namespace
}  // namespace outrigger::net
