#include "net/http/client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/scope.h"
#include "net/http2/session.h"
#include "net/listener.h"

namespace outrigger::net {
namespace {

using namespace std::chrono_literals;

/// What a peer does with the head of a request that is its `nth`, from one: anything but an answer.
using Treat = std::function<bool(http2::Session& session, http2::Stream& stream,
                                 Transport& transport, int nth)>;

/// An HTTP/2 peer that answers only the requests that it does not treat otherwise.
class Peer2 {
 public:
  explicit Peer2(Treat treat) : treat_(std::move(treat)) {
    listener_->start([this](int fd, Peer peer) {
      connections_.push_back(std::make_unique<Connection>(*this, fd, std::move(peer)));
    });
  }
  [[nodiscard]] Endpoint endpoint() const {
    Endpoint to;
    to.address = {"127.0.0.1", listener_->port()};
    to.protocol = Endpoint::Protocol::http2;
    return to;
  }
  [[nodiscard]] int heads() const noexcept { return heads_; }
  [[nodiscard]] std::size_t connections() const noexcept { return connections_.size(); }

 private:
  struct Connection final : Transport::Events, http2::Handler {
    Connection(Peer2& owner, int fd, Peer peer)
        : owner(owner),
          transport(make_socket_transport(fd, std::move(peer))),
          session(http2::Session::server(*this, {})) {
      transport->start(*this);
      flush();
    }
    void on_bytes(std::string_view bytes) override {
      EXPECT_TRUE(session.feed(bytes));
      flush();
    }
    void flush() {
      std::string out;
      session.pull(out, 1U << 20);
      transport->send(std::move(out));
    }
    void on_end() override { transport->close(); }
    void on_error(const Error&) override {}
    void on_drained() override {}
    void on_head(http2::Stream& stream, http2::RequestHead&&, bool) override {
      answered = !owner.treat_(session, stream, *transport, ++owner.heads_);
    }
    void on_data(http2::Stream& stream, std::string_view bytes) override {
      body += bytes;
      session.consume(stream, bytes.size());
    }
    void on_end(http2::Stream& stream, Headers&&) override {
      if (answered) EXPECT_TRUE(session.respond(stream, 200, {}, http2::Body::of("got " + body)));
    }
    void on_closed(http2::Stream&, http2::ErrorCode) override {}

    Peer2& owner;
    std::unique_ptr<Transport> transport;
    http2::Session session;
    std::string body;
    bool answered = false;
  };

  Treat treat_;
  int heads_ = 0;
  std::unique_ptr<Listener> listener_ = Listener::bind("127.0.0.1", 0).value();
  std::vector<std::unique_ptr<Connection>> connections_;
};

/// Refuses the first `count` requests.
Treat refuse_first(int count) {
  return [count](http2::Session& session, http2::Stream& stream, Transport&, int nth) {
    if (nth <= count) session.reset(stream, http2::ErrorCode::refused_stream);
    return nth <= count;
  };
}

Request make_request(std::string method, Body body = {}) {
  Request request;
  request.method = std::move(method);
  request.target = "/";
  request.authority = "test.local";
  request.body = std::move(body);
  return request;
}

Task<Result<std::string>> fetch(Client& client, Endpoint to, Request request) {
  auto response = co_await client.send(std::move(to), std::move(request));
  if (!response) co_return std::unexpected(std::move(response).error());
  auto body = co_await response->body.read_all(1U << 20);
  co_return body;
}

Task<std::string> post_to(Endpoint to, Body body) {
  Client client;
  auto answer = co_await fetch(client, std::move(to), make_request("POST", std::move(body)));
  co_await client.close();
  co_return answer ? *answer : std::string(to_string(answer.error().code()));
}

TEST(HttpClient, ARequestThatThePeerRefusesIsSentAgainTwice) {
  Loop loop;
  for (const auto& [refusals, outcome] : {std::pair(2, "got x"), std::pair(3, "Unavailable")}) {
    std::optional<Peer2> peer;
    auto scenario = [](std::optional<Peer2>& one, int count) -> Task<std::string> {
      one.emplace(refuse_first(count));
      auto answer = co_await post_to(one->endpoint(), "x");
      co_return answer;
    };
    EXPECT_EQ(run_on(loop, scenario(peer, refusals)), outcome);
    EXPECT_EQ(peer->heads(), 3);
  }
}

Task<void> wrong_length_field(std::optional<Peer2>& peer) {
  peer.emplace(refuse_first(0));
  Client client;
  Request request = make_request("POST", "x");
  request.headers.add("content-length", "5");
  auto answer = co_await fetch(client, peer->endpoint(), std::move(request));
  EXPECT_EQ(answer.value_or("error"), "got x");
  co_await client.close();
}
TEST(HttpClient, AWholeBodyGoesOutWithItsOwnLengthWhateverAFieldSays) {
  Loop loop;
  std::optional<Peer2> peer;
  run_on(loop, wrong_length_field(peer));
}

TEST(HttpClient, ARequestAboveTheLastStreamOfAGoawayIsSentAgainOnAnotherConnection) {
  Loop loop;
  std::optional<Peer2> peer;
  auto scenario = [](std::optional<Peer2>& one) -> Task<std::string> {
    one.emplace([](http2::Session&, http2::Stream&, Transport& transport, int nth) {
      // GOAWAY: no stream was processed, NO_ERROR.
      if (nth == 1) transport.send(std::string("\0\0\x8\x7\0\0\0\0\0\0\0\0\0\0\0\0\0", 17));
      return nth == 1;
    });
    auto answer = co_await post_to(one->endpoint(), "x");
    co_return answer;
  };
  EXPECT_EQ(run_on(loop, scenario(peer)), "got x");
  EXPECT_EQ(peer->connections(), 2U);
}

TEST(HttpClient, AnAnswerThatCannotBeReadIsNoSignThatTheRequestWasNotProcessed) {
  Loop loop;
  std::optional<Peer2> peer;
  auto scenario = [](std::optional<Peer2>& one) -> Task<std::string> {
    one.emplace([](http2::Session&, http2::Stream&, Transport& transport, int) {
      // HEADERS of stream 1 with a field that HPACK has no place for.
      transport.send(std::string("\0\0\x1\x1\x5\0\0\0\x1\x80", 10));
      return true;
    });
    auto answer = co_await post_to(one->endpoint(), "x");
    co_return answer;
  };
  EXPECT_EQ(run_on(loop, scenario(peer)), "Internal");
  EXPECT_EQ(peer->heads(), 1);
}

TEST(HttpClient, ARefusedRequestWithAStreamIsSentAgainIfNothingOfItIsUsedUp) {
  Loop loop;
  for (const bool early : {false, true}) {
    std::optional<Peer2> peer;
    auto scenario = [](std::optional<Peer2>& one, bool bytes_early) -> Task<std::string> {
      auto pipe = std::make_shared<Pipe>();
      if (bytes_early) pipe->push(std::string_view("y"));
      one.emplace([pipe](http2::Session& session, http2::Stream& stream, Transport&, int nth) {
        if (nth == 1) session.reset(stream, http2::ErrorCode::refused_stream);
        if (nth == 2) pipe->push(std::string_view("y"));
        if (nth == 2) pipe->finish();
        return nth == 1;
      });
      auto answer = co_await post_to(one->endpoint(), Body(pipe));
      // Nobody may wait for a reader that is gone.
      auto room = co_await pipe->write("z");
      if (bytes_early) EXPECT_FALSE(room);
      co_return answer;
    };
    EXPECT_EQ(run_on(loop, scenario(peer, early)), early ? "Unavailable" : "got y");
    EXPECT_EQ(peer->heads(), early ? 1 : 2);
  }
}

/// An HTTP/1.1 peer that counts its connections and answers each read with one response.
class Peer1 {
 public:
  Peer1() {
    listener_->start([this](int fd, Peer peer) {
      connections_.push_back(std::make_unique<Connection>(*this, fd, std::move(peer)));
    });
  }
  [[nodiscard]] Endpoint endpoint() const {
    Endpoint to;
    to.address = {"127.0.0.1", listener_->port()};
    return to;
  }
  [[nodiscard]] std::size_t connections() const noexcept { return connections_.size(); }
  [[nodiscard]] const std::string& received() const noexcept { return received_; }

 private:
  struct Connection final : Transport::Events {
    Connection(Peer1& owner, int fd, Peer peer)
        : owner(owner), transport(make_socket_transport(fd, std::move(peer))) {
      transport->start(*this);
    }
    void on_bytes(std::string_view bytes) override {
      owner.received_ += bytes;
      transport->send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    }
    void on_end() override { transport->close(); }
    void on_error(const Error&) override {}
    void on_drained() override {}
    Peer1& owner;
    std::unique_ptr<Transport> transport;
  };
  std::string received_;
  std::unique_ptr<Listener> listener_ = Listener::bind("127.0.0.1", 0).value();
  std::vector<std::unique_ptr<Connection>> connections_;
};

Task<std::size_t> unsendable_requests() {
  Peer1 peer;
  Client client;
  for (int i = 0; i < 5; ++i) {
    Request request = make_request("GET");
    request.headers.add("x", "a\nb");
    auto refused = co_await client.send(peer.endpoint(), std::move(request));
    EXPECT_EQ(refused ? Code::ok : refused.error().code(), Code::invalid_argument);
  }
  auto fine = co_await fetch(client, peer.endpoint(), make_request("GET"));
  EXPECT_EQ(fine.value_or("error"), "ok");
  co_await client.close();
  co_return peer.connections();
}
TEST(HttpClient, ARequestThatCannotBeSentCostsNoConnection) {
  EXPECT_EQ(run(unsendable_requests()), 1U);
}

Task<void> wrong_lengths() {
  Peer1 peer;
  Client client;
  for (const std::string_view body : {"", "abc", "abcdGET /smuggled HTTP/1.1\r\n\r\n"}) {
    auto pipe = std::make_shared<Pipe>();
    if (!body.empty()) pipe->push(body);
    pipe->finish();
    Request request = make_request("POST", Body(pipe));
    request.content_length = 4;
    auto answer = co_await fetch(client, peer.endpoint(), std::move(request));
    EXPECT_EQ(answer ? Code::ok : answer.error().code(), Code::invalid_argument);
  }
  auto pipe = std::make_shared<Pipe>();
  pipe->push(std::string_view("abcd"));
  pipe->finish();
  Request request = make_request("POST", Body(pipe));
  request.content_length = 4;
  auto fine = co_await fetch(client, peer.endpoint(), std::move(request));
  EXPECT_EQ(fine.value_or("error"), "ok");
  // A field that says otherwise is not what goes out.
  Request whole = make_request("POST", "abcd");
  whole.headers.add("content-length", "2");
  auto other = co_await fetch(client, peer.endpoint(), std::move(whole));
  EXPECT_EQ(other.value_or("error"), "ok");
  EXPECT_EQ(peer.connections(), 4U);
  EXPECT_EQ(peer.received().find("smuggled"), std::string::npos);
  EXPECT_EQ(peer.received().find("Content-Length: 2"), std::string::npos);
  co_await client.close();
}
TEST(HttpClient, ABodyOfAnotherLengthThanDeclaredFailsAndCostsItsConnection) {
  run(wrong_lengths());
}

Task<void> forgotten_connections() {
  Peer1 peer;
  Client client;
  auto first = co_await fetch(client, peer.endpoint(), make_request("GET"));
  auto second = co_await fetch(client, peer.endpoint(), make_request("GET"));
  EXPECT_EQ(peer.connections(), 1U);
  Scope scope;
  auto other = [](Client& of, Endpoint to) -> Task<void> {
    [[maybe_unused]] auto answer = co_await fetch(of, std::move(to), make_request("GET"));
  };
  scope.spawn(other(client, peer.endpoint()));  // Running as it is forgotten.
  client.forget(peer.endpoint());
  co_await scope.join();
  auto third = co_await fetch(client, peer.endpoint(), make_request("GET"));
  EXPECT_EQ(third.value_or("error"), "ok");
  EXPECT_EQ(peer.connections(), 2U);
  co_await client.close();
}
TEST(HttpClient, AForgottenConnectionTakesNoFurtherRequest) { run(forgotten_connections()); }

/// A port where connection attempts neither succeed nor fail: its queue of waiting ones is full.
class FullPort {
 public:
  FullPort() {
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* raw = reinterpret_cast<sockaddr*>(&address_);
    OUT_ASSERT(::bind(sockets_[0], raw, sizeof address_) == 0 && ::listen(sockets_[0], 0) == 0);
    socklen_t size = sizeof address_;
    ::getsockname(sockets_[0], raw, &size);
    for (std::size_t i = 1; i < sockets_.size(); ++i) ::connect(sockets_[i], raw, size);
  }
  ~FullPort() {
    for (const int socket : sockets_) ::close(socket);
  }
  [[nodiscard]] Endpoint endpoint() const {
    Endpoint to;
    to.address = {"127.0.0.1", ntohs(address_.sin_port)};
    to.protocol = Endpoint::Protocol::http2;
    return to;
  }

 private:
  static int open() { return ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0); }
  sockaddr_in address_{};
  std::array<int, 6> sockets_{open(), open(), open(), open(), open(), open()};
};

Task<void> count_ends(Client& client, Endpoint to, Code expected, int& ended) {
  auto answer = co_await client.send(std::move(to), make_request("GET"));
  EXPECT_EQ(answer ? Code::ok : answer.error().code(), expected);
  ++ended;
}

Task<void> closed_while_connecting() {
  const FullPort port;
  int ended = 0;
  Scope scope;
  auto client = std::make_unique<Client>();
  for (int i = 0; i < 3; ++i) {
    scope.spawn(count_ends(*client, port.endpoint(), Code::cancelled, ended));
  }
  co_await client->close();
  EXPECT_EQ(ended, 3);
  client.reset();
  co_await scope.join();
}
TEST(HttpClient, CloseWaitsForRequestsThatWaitForAConnection) { run(closed_while_connecting()); }

Task<void> waiting_together() {
  const FullPort port;
  ClientOptions options;
  options.connect_timeout = 200ms;
  Client client(options);
  int ended = 0;
  Scope scope;
  const auto started = std::chrono::steady_clock::now();
  for (int i = 0; i < 50; ++i) {
    scope.spawn(count_ends(client, port.endpoint(), Code::deadline_exceeded, ended));
  }
  co_await scope.join();
  EXPECT_EQ(ended, 50);
  EXPECT_LT(std::chrono::steady_clock::now() - started, 5s);  // Not 50 times 200 ms.
  co_await client.close();
}
TEST(HttpClient, RequestsThatWaitForOneConnectionAttemptShareItsFailure) {
  run(waiting_together());
}

}  // namespace
}  // namespace outrigger::net
