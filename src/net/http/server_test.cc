#include "net/http/server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/scope.h"
#include "net/tls.h"

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
    if (!stopped_) stop(0ms);
    loops_.stop_and_join();
  }
  void stop(Duration grace, Duration farewell = {}) {
    stopped_ = true;
    std::atomic<bool> done = false;
    loops_[0].post([&] { stopper_.spawn(stop(grace, farewell, &done)); });
    while (!done) std::this_thread::yield();
  }
  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  [[nodiscard]] std::size_t connections() const noexcept { return server_.connections(); }

 private:
  Task<Response> handle(Request request) override { return handle_(std::move(request)); }
  Task<void> stop(Duration grace, Duration farewell, std::atomic<bool>* done) {
    co_await server_.stop(grace, farewell);
    *done = true;
  }
  Handle handle_;
  Loops loops_{1};
  Scope stopper_;
  Server server_;
  std::uint16_t port_ = 0;
  bool stopped_ = false;
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
  [[nodiscard]] std::string some() const {
    char bytes[4096];
    const ssize_t got = ::recv(fd_, bytes, sizeof bytes, 0);
    return {bytes, got > 0 ? static_cast<std::size_t>(got) : 0};
  }
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

std::atomic<int> large_answers = 0;

Task<Response> counted(Request request) {
  const bool is_large = request.target == "/large";
  if (is_large) ++large_answers;
  Response response;
  response.body = is_large ? std::string(20'000'000, 'w') : "small";
  co_return response;
}

TEST(HttpServer, WhoIsIdleOrHasJustComeWhenItStopsIsServedOnceMore) {
  constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  Served served(counted);
  const Caller idle(served.port());
  idle.send(kGet);
  EXPECT_TRUE(idle.until("small").ends_with("small"));
  const Caller silent(served.port());
  while (served.connections() != 2) std::this_thread::yield();
  std::thread stopping([&] { served.stop(10s, 1h); });
  for (const Caller* caller : {&idle, &silent}) {
    std::string answer;
    do {
      caller->send(kGet);
      answer = caller->until("small");
    } while (answer.ends_with("small") && !answer.contains("Connection: close"));
    EXPECT_TRUE(answer.ends_with("small")) << answer;
    EXPECT_EQ(caller->rest(), "");
  }
  stopping.join();
}

TEST(HttpServer, WhoDoesNotReadIsAnsweredNoMore) {
  Served served(counted);
  const Caller caller(served.port());
  std::string requests;
  for (int i = 0; i < 5; ++i) requests += "GET /large HTTP/1.1\r\nHost: a\r\n\r\n";
  caller.send(requests);
  const Caller other(served.port());
  for (int i = 0; i < 50; ++i) {
    other.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_TRUE(other.until("small").ends_with("small"));
  }
  EXPECT_LE(large_answers, 1);
  // Who goes on reading gets them all.
  caller.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  EXPECT_GT(caller.rest().size(), 100'000'000U);
  EXPECT_EQ(large_answers, 5);
}

TEST(HttpServer, AConnectionThatSaysNothingIsClosed) {
  ServerOptions options;
  options.head_timeout = 20ms;
  Served served(large, options);
  const auto started = std::chrono::steady_clock::now();
  for (const char* words : {"", "PRI * HTTP"}) {  // The second may become HTTP/2 or not.
    const Caller caller(served.port());
    caller.send(words);
    EXPECT_EQ(caller.rest(), "");
  }
  EXPECT_LT(std::chrono::steady_clock::now() - started, 9s);  // Not the caller's own patience.
}

// Of tests only; nobody checks it.
constexpr const char* kCertificate = R"(-----BEGIN CERTIFICATE-----
MIIBgTCCASegAwIBAgIUSoTVRjQ+G+GP/JSrqYa1z+/1D4cwCgYIKoZIzj0EAwIw
FTETMBEGA1UEAwwKdGVzdC5sb2NhbDAgFw0yNjExMjIyMTIzMjNaGA8yMTI2MTAy
OTIxMjMyM1owFTETMBEGA1UEAwwKdGVzdC5sb2NhbDBZMBMGByqGSM49AgEGCCqG
SM49AwEHA0IABLCuYtIzLwZT4DE2ecQUt22kohj0Ke49UsQMTwqDLNnUskssVF8p
ET4r2otVv1EwYP5NVfH4YzK9ZeEk4xASP06jUzBRMB0GA1UdDgQWBBRC4O02D08+
MZE8M30qg7LDswcEWTAfBgNVHSMEGDAWgBRC4O02D08+MZE8M30qg7LDswcEWTAP
BgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCIHN5v8K3yZNCapPa6Bo3
obZF7Y5+z4Q87OPSY9A/8FkrAiEAm4vBJSFTewzU0+NoB5LaeUL0T+EN1Rq7dhN6
7l+5M7k=
-----END CERTIFICATE-----
)";
constexpr const char* kKey = R"(-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgck9sJ7sVNbQzj7uW
g4JsMlxnnuCXTWQHwFAi36nEKb2hRANCAASwrmLSMy8GU+AxNnnEFLdtpKIY9Cnu
PVLEDE8KgyzZ1LJLLFRfKRE+K9qLVb9RMGD+TVXx+GMyvWXhJOMQEj9O
-----END PRIVATE KEY-----
)";

TEST(HttpServer, AHandshakeThatDoesNotEndIsClosed) {
  TlsOptions tls;
  tls.certificate_chain_pem = kCertificate;
  tls.private_key_pem = kKey;
  ServerOptions options;
  options.head_timeout = 20ms;
  options.tls = TlsContext::server(tls).value();
  Served served(large, options);
  const auto started = std::chrono::steady_clock::now();
  for (const std::string_view words :
       {std::string_view(), std::string_view("\x16\x03\x01\x01", 4)}) {
    const Caller caller(served.port());
    caller.send(words);
    EXPECT_EQ(caller.rest(), "");
  }
  EXPECT_LT(std::chrono::steady_clock::now() - started, 9s);
}

TEST(HttpServer, WhoIsRefusedInTheHandshakeIsToldWhy) {
  TlsOptions tls;
  tls.certificate_chain_pem = kCertificate;
  tls.private_key_pem = kKey;
  ServerOptions options;
  options.tls = TlsContext::server(tls).value();
  Served served(large, options);
  const Caller caller(served.port());
  caller.send(std::string_view("\x16\x03\x01\x00\x05hello", 10));
  const std::string alert = caller.rest();
  // RFC 8446, section 6: content type 21, level fatal.
  ASSERT_EQ(alert.size(), 7U) << "no alert";
  EXPECT_EQ(alert[0], 21);
  EXPECT_EQ(alert[5], 2);
}

TEST(HttpServer, AClientThatIgnoresAGoodbyeDoesNotHoldUpTheEndForLong) {
  Served served(large);
  const Caller caller(served.port());
  const std::string_view preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  constexpr std::string_view kSettings("\0\0\0\4\0\0\0\0\0", 9);
  constexpr std::string_view kAcknowledged("\0\0\0\4\1\0\0\0\0", 9);
  caller.send(std::string(preface).append(kSettings));
  // Our settings' acknowledgement shows that the server has begun.
  std::string seen;
  while (seen.find(kAcknowledged) == std::string::npos) {
    const std::string more = caller.some();
    ASSERT_FALSE(more.empty());
    seen += more;
  }
  const auto started = std::chrono::steady_clock::now();
  served.stop(60s);
  EXPECT_LT(std::chrono::steady_clock::now() - started, 4s);
}

Task<Response> echo_unless_refused(Request request) {
  Response response;
  if (request.target == "/refuse") {
    response.status = 403;
  } else if (request.target == "/mirror") {
    response.content_length = request.content_length;
    response.body = std::move(request.body);
  } else {
    auto body = co_await request.body.read_all(1000);
    response.body = body ? *body : body.error().message();
  }
  co_return response;
}

TEST(HttpServer, AClientIsToldToContinueWhenItsBodyIsWanted) {
  Served served(echo_unless_refused);
  for (const char* path : {"/echo", "/mirror"}) {
    const Caller caller(served.port());
    caller.send("PUT " + std::string(path) +
                " HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
    EXPECT_TRUE(caller.until("\r\n\r\n").starts_with("HTTP/1.1 100 Continue\r\n\r\n")) << path;
    caller.send("body");
    EXPECT_TRUE(caller.until("body").ends_with("body")) << path;
  }
}

TEST(HttpServer, AClientWhoseBodyIsNotWantedIsNotToldToContinue) {
  Served served(echo_unless_refused);
  const Caller caller(served.port());
  caller.send(
      "PUT /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
  const std::string answer = caller.rest();
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 403 Forbidden\r\n")) << answer;
  EXPECT_NE(answer.find("Connection: close\r\n"), std::string::npos) << answer;
}

Task<Response> with_status_of_path(Request request) {
  Response response;
  response.status = std::stoi(request.target.substr(1));
  co_return response;
}

TEST(HttpServer, AStatusThatEndsNoRequestIsAnErrorOfTheServer) {
  Served served(with_status_of_path);
  for (const char* path : {"/101", "/0", "/1000", "/-5"}) {
    const Caller caller(served.port());
    caller.send("GET " + std::string(path) + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    EXPECT_TRUE(caller.rest().starts_with("HTTP/1.1 500 ")) << path;
  }
  const Caller caller(served.port());
  caller.send("GET /304 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(caller.rest().find("Content-Length"), std::string::npos);
}

Task<Response> with_status_a_turn_later(Request request) {
  Completion<> later;
  Loop::current().post([&later] { later.set({}); });
  [[maybe_unused]] auto now = co_await later.wait();
  auto response = co_await with_status_of_path(std::move(request));
  co_return response;
}

TEST(HttpServer, AnUpgradeBehindAnotherRequestIsAnsweredAsItIs) {
  Served served(with_status_a_turn_later);
  const Caller caller(served.port());
  caller.send(
      "GET /201 HTTP/1.1\r\nHost: a\r\n\r\n"
      "GET /202 HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings, close\r\n"
      "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n");
  const std::string answers = caller.rest();
  EXPECT_NE(answers.find("HTTP/1.1 201 "), std::string::npos);
  EXPECT_NE(answers.find("HTTP/1.1 202 "), std::string::npos);
}

}  // namespace
}  // namespace outrigger::net
