#include <algorithm>
#include <map>
#include <set>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/scope.h"
#include "net/http/client.h"
#include "net/http/server.h"
#include "net/http2/session.h"

namespace outrigger::net {
namespace {

using namespace std::chrono_literals;
using http2::ErrorCode;

/// A server that answers "/wait" when release() is called and everything else at once.
class Served final : RequestHandler {
 public:
  explicit Served(ServerOptions options)
      : server_(loops_, std::vector<RequestHandler*>{this}, std::move(options)) {
    loops_.start();
    auto listener = Listener::bind("127.0.0.1", 0).value();
    port = listener->port();
    server_.listen(std::move(listener));
  }
  ~Served() {
    stop(0ms);
    while (!stopped) std::this_thread::yield();
    loops_.stop_and_join();
  }
  void stop(Duration grace) {
    if (!stopping_.exchange(true)) {
      loops_[0].post([this, grace] { scope_.spawn(stop_server(grace)); });
    }
  }
  void release() {
    loops_[0].post([this] {
      released_ = true;
      release_.notify_all();
    });
  }

  std::uint16_t port = 0;
  std::atomic<bool> stopped = false;
  std::atomic<int> waiting = 0;
  std::atomic<int> large_answers = 0;

 private:
  Task<Response> handle(Request request) override {
    Response response;
    response.body = "fine";
    if (request.target == "/wait" || request.target.starts_with("/late/")) {
      ++waiting;
      while (!released_ && response.status == 200) {
        auto woken = co_await release_.wait();
        if (!woken) response.status = 503;
      }
    }
    if (request.target.starts_with("/large/") || request.target.starts_with("/late/")) {
      ++large_answers;
      response.body =
          std::string(std::stoul(request.target.substr(request.target.rfind('/') + 1)), 'w');
    }
    co_return response;
  }
  Task<void> stop_server(Duration grace) {
    co_await server_.stop(grace);
    stopped = true;
  }
  Loops loops_{1};
  Scope scope_;
  Signal release_;
  bool released_ = false;
  Server server_;
  std::atomic<bool> stopping_ = false;
};

int connected_to(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  OUT_ASSERT(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  const timeval limit{.tv_sec = 10, .tv_usec = 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  return fd;
}

/// An HTTP/2 client on a blocking socket: what it was told, in words.
class Peer final : http2::Handler {
 public:
  explicit Peer(std::uint16_t port) : fd_(connected_to(port)) { flush(); }
  ~Peer() override {
    session_.abandon(ErrorCode::cancel);
    ::close(fd_);
  }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  void get(std::string path) {
    http2::RequestHead head;
    head.method = "GET";
    head.scheme = "http";
    head.authority = "localhost";
    head.path = std::move(path);
    OUT_ASSERT(session_.request(std::move(head), http2::Body::none()).has_value());
    flush();
  }
  void ping() {
    session_.ping(7);
    flush();
  }
  /// Until `words` were said; false if the connection ended before, or ten seconds passed.
  bool hears(std::string_view words) {
    while (said.find(words) == std::string::npos) {
      if (!receive()) return false;
    }
    return true;
  }
  /// Until the connection ends; false if ten seconds passed without a word.
  bool ends() {
    while (receive()) {
    }
    return ended_;
  }

  std::string said;
  bool answers_pings = true;

 private:
  bool receive() {
    char bytes[4096];
    const ssize_t got = ::recv(fd_, bytes, sizeof bytes, 0);
    ended_ = got == 0 || (got < 0 && errno == ECONNRESET);
    if (got <= 0) return false;
    OUT_ASSERT(session_.feed({bytes, static_cast<std::size_t>(got)}).has_value());
    if (answers_pings) flush();
    return true;
  }
  void flush() {
    std::string out;
    session_.pull(out, 1U << 20);
    // The other side may be gone already.
    [[maybe_unused]] const auto sent = ::send(fd_, out.data(), out.size(), MSG_NOSIGNAL);
  }
  void on_head(http2::Stream&, http2::ResponseHead&& head, bool) override {
    said += "answer " + std::to_string(head.status) + "; ";
  }
  void on_data(http2::Stream& stream, std::string_view bytes) override {
    session_.consume(stream, bytes.size());
  }
  void on_end(http2::Stream&, Headers&&) override { said += "end; "; }
  void on_closed(http2::Stream&, ErrorCode code) override {
    said += "closed " + std::string(to_string(code)) + "; ";
  }
  void on_goaway(std::int32_t last, ErrorCode code, std::string_view debug) override {
    said += "goaway " + std::to_string(last) + " " + std::string(to_string(code)) + " " +
            std::string(debug) + "; ";
  }
  void on_ping() override { said += "ping; "; }
  void on_ping_ack(std::uint64_t) override { said += "pong; "; }

  int fd_;
  bool ended_ = false;
  http2::Session session_ = http2::Session::client(*this, {});
};

/// A client that opens windows for what it likes only: frames made by hand.
class Miser {
 public:
  explicit Miser(std::uint16_t port) : fd_(connected_to(port)) {
    std::string begin = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    begin += frame(kSettings, 0, 0, std::string("\0\4\0\0\0\0", 6));  // INITIAL_WINDOW_SIZE 0.
    begin += frame(kWindowUpdate, 0, 0, std::string("\x7f\0\0\0", 4));
    send(begin);
  }
  ~Miser() { ::close(fd_); }
  Miser(const Miser&) = delete;
  Miser& operator=(const Miser&) = delete;

  /// GET, on streams 1, 3, 5 and so on.
  void get(std::string_view path, int times) {
    constexpr std::uint8_t kEndOfStreamAndHeaders = 0x5;
    std::string block = "\x82\x86\x41\x01";  // :method GET, :scheme http, :authority
    block += "a\x04";
    block += static_cast<char>(path.size());
    block += path;
    std::string all;
    for (int i = 0; i < times; ++i, next_ += 2) {
      all += frame(kHeaders, kEndOfStreamAndHeaders, next_, block);
    }
    send(all);
  }
  void open_window(std::uint32_t stream) {
    send(frame(kWindowUpdate, 0, stream, std::string("\x3f\0\0\0", 4)));
  }
  /// Until the streams have ended, or ten seconds passed without a word.
  bool ended(std::set<std::uint32_t> streams) {
    while (!std::ranges::includes(ends_, streams)) {
      if (!receive()) return false;
    }
    return true;
  }
  /// Until so many streams were reset by this.
  bool reset(ErrorCode code, std::size_t streams) {
    while (resets_[code] < streams) {
      if (!receive()) return false;
    }
    return true;
  }
  std::map<std::uint32_t, std::size_t> bytes;
  std::optional<ErrorCode> goodbye;

 private:
  static constexpr std::uint8_t kData = 0, kHeaders = 1, kReset = 3, kSettings = 4, kGoaway = 7,
                                kWindowUpdate = 8;
  static std::string frame(std::uint8_t type, std::uint8_t flags, std::uint32_t stream,
                           std::string_view payload) {
    std::string out;
    for (const int shift : {16, 8, 0}) out += static_cast<char>(payload.size() >> shift & 0xff);
    out += static_cast<char>(type);
    out += static_cast<char>(flags);
    for (const int shift : {24, 16, 8, 0}) out += static_cast<char>(stream >> shift & 0xff);
    out += payload;
    return out;
  }
  void send(const std::string& out) {
    OUT_ASSERT(::send(fd_, out.data(), out.size(), MSG_NOSIGNAL) ==
               static_cast<ssize_t>(out.size()));
  }
  static std::uint32_t number(std::string_view bytes) {
    std::uint32_t value = 0;
    for (const char byte : bytes) value = value << 8 | static_cast<std::uint8_t>(byte);
    return value;
  }
  bool receive() {
    constexpr std::size_t kHeadBytes = 9;
    std::vector<char> part(1 << 20);
    const ssize_t got = ::recv(fd_, part.data(), part.size(), 0);
    if (got <= 0) return false;
    in_.append(part.data(), static_cast<std::size_t>(got));
    std::string_view left = in_;
    while (left.size() >= kHeadBytes && left.size() >= kHeadBytes + number(left.substr(0, 3))) {
      const std::uint32_t size = number(left.substr(0, 3));
      take(left[3], left[4], number(left.substr(5, 4)), left.substr(kHeadBytes, size));
      left.remove_prefix(kHeadBytes + size);
    }
    in_.erase(0, in_.size() - left.size());
    return true;
  }
  void take(char type, char flags, std::uint32_t stream, std::string_view payload) {
    if (type == kData) bytes[stream] += payload.size();
    if ((type == kData || type == kHeaders) && (flags & 1) != 0) ends_.insert(stream);
    if (type == kGoaway) goodbye = ErrorCode(number(payload.substr(4, 4)));
    if (type == kReset) ++resets_[ErrorCode(number(payload))];
  }

  int fd_;
  std::uint32_t next_ = 1;
  std::string in_;
  std::set<std::uint32_t> ends_;
  std::map<ErrorCode, std::size_t> resets_;
};

ServerOptions with(KeepAlive rules) {
  ServerOptions options;
  options.grpc = true;
  options.keep_alive = rules;
  return options;
}

TEST(Http2Server, AClientThatPingsTooOftenIsToldSoAndLeft) {
  Served served(with({.client_ping_min = 1h}));
  Peer peer(served.port);
  // The first is free, and so are two strikes.
  for (int i = 0; i < 3; ++i) {
    peer.said.clear();
    peer.ping();
    ASSERT_TRUE(peer.hears("pong; ")) << i;
  }
  peer.ping();
  EXPECT_TRUE(peer.hears("goaway 0 ENHANCE_YOUR_CALM too_many_pings; ")) << peer.said;
  EXPECT_TRUE(peer.ends());
}

TEST(Http2Server, PingsBetweenAnswersAreNoOffence) {
  Served served(with({.client_ping_min = 1h}));
  Peer peer(served.port);
  for (int i = 0; i < 10; ++i) {
    peer.said.clear();
    peer.get("/now");
    ASSERT_TRUE(peer.hears("end; "));
    peer.ping();
    ASSERT_TRUE(peer.hears("pong; ")) << i << peer.said;
  }
}

TEST(Http2Server, AServerThatStopsSaysGoodbyeAndLetsRequestsEnd) {
  Served served(with({}));
  Peer peer(served.port);
  peer.get("/wait");
  while (served.waiting == 0) std::this_thread::yield();
  served.stop(10s);
  ASSERT_TRUE(peer.hears("goaway 2147483647 NO_ERROR ; ")) << peer.said;
  // Until the second one nothing is refused, for the client may not have known.
  ASSERT_TRUE(peer.hears("goaway 1 NO_ERROR ; ")) << peer.said;
  EXPECT_FALSE(served.stopped);
  peer.said.clear();
  served.release();
  EXPECT_TRUE(peer.hears("answer 200; end; closed NO_ERROR; ")) << peer.said;
  EXPECT_TRUE(peer.ends());
}

TEST(Http2Server, AnIdleConnectionIsSaidGoodbyeTo) {
  Served served(with({.idle_max = 10ms}));
  Peer peer(served.port);
  EXPECT_TRUE(peer.hears("goaway 2147483647 NO_ERROR ; ")) << peer.said;
  EXPECT_TRUE(peer.ends());
}

TEST(Http2Server, ASilentClientIsPingedAndKeptAsLongAsItAnswers) {
  Served served(with({.ping_after = 5ms, .ping_timeout = 20s}));
  Peer peer(served.port);
  peer.get("/wait");
  ASSERT_TRUE(peer.hears("ping; ping; "));
  served.release();
  EXPECT_TRUE(peer.hears("answer 200; "));
}

TEST(Http2Server, ASilentClientThatDoesNotAnswerIsLeft) {
  Served served(with({.ping_after = 5ms, .ping_timeout = 20ms}));
  Peer peer(served.port);
  peer.answers_pings = false;
  EXPECT_TRUE(peer.ends());
  EXPECT_NE(peer.said.find("ping; "), std::string::npos);
}

TEST(Http2Server, AClientThatReadsNothingIsAnsweredNoMore) {
  Served served(with({}));
  Miser miser(served.port);
  // Eight of these are more than all connections together may leave unread.
  miser.get("/large/17000000", 20);
  EXPECT_TRUE(miser.reset(ErrorCode::refused_stream, 12));
  EXPECT_EQ(served.large_answers, 8);
  Peer reader(served.port);
  reader.get("/large/20000");
  EXPECT_TRUE(reader.hears("answer 200; end; closed NO_ERROR; "));
  // What it was given is kept for it, and once it is read there is room again.
  for (std::uint32_t stream = 1; stream < 16; stream += 2) miser.open_window(stream);
  EXPECT_TRUE(miser.ended({1, 3, 5, 7, 9, 11, 13, 15}));
  for (const auto& [stream, bytes] : miser.bytes) EXPECT_EQ(bytes, 17'000'000U) << stream;
  miser.get("/large/20000", 1);
  miser.open_window(41);
  EXPECT_TRUE(miser.ended({41}));
}

TEST(Http2Server, RequestsThatTakeLongRunAllAtTheSameTimeHoweverManyTheyAre) {
  ServerOptions options = with({});
  options.concurrent_streams_max = 2000;
  Served served(std::move(options));
  Miser miser(served.port);
  miser.get("/wait", 1500);
  while (served.waiting < 1500) std::this_thread::yield();
  served.release();
  std::set<std::uint32_t> all;
  for (std::uint32_t stream = 1; stream < 3000; stream += 2) {
    miser.open_window(stream);
    all.insert(stream);
  }
  EXPECT_TRUE(miser.ended(std::move(all)));
}

TEST(Http2Server, AClientThatNeverReadsIsLeftWhenThereIsNoRoom) {
  ServerOptions options = with({});
  options.unread_timeout = 2500ms;
  Served served(std::move(options));
  Miser miser(served.port);
  miser.get("/large/17000000", 8);
  EXPECT_FALSE(miser.ended({1})) << "the connection ends before any answer does";
  EXPECT_EQ(miser.goodbye, ErrorCode::enhance_your_calm);
  // What it held is free.
  Miser other(served.port);
  other.get("/large/17000000", 8);
  for (std::uint32_t stream = 1; stream < 16; stream += 2) other.open_window(stream);
  EXPECT_TRUE(other.ended({1, 3, 5, 7, 9, 11, 13, 15}));
}

TEST(Http2Server, AnswersForWhichThereIsNoRoomAreDropped) {
  Served served(with({}));
  Miser miser(served.port);
  miser.get("/late/17000000", 20);
  while (served.waiting < 20) std::this_thread::yield();
  served.release();
  EXPECT_TRUE(miser.reset(ErrorCode::enhance_your_calm, 4));
  for (std::uint32_t stream = 1; stream < 40; stream += 2) miser.open_window(stream);
  EXPECT_TRUE(miser.ended({1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31}));
  for (const auto& [stream, bytes] : miser.bytes) EXPECT_EQ(bytes, 17'000'000U) << stream;
}

TEST(Http2Server, AClientMayReadItsAnswersInAnyOrder) {
  Served served(with({}));
  Miser miser(served.port);
  miser.get("/large/2000000", 30);
  // The last first: the server has no room for it, as long as those before are not read.
  for (std::uint32_t stream = 59; stream <= 59; stream -= 2) {
    miser.open_window(stream);
    ASSERT_TRUE(miser.ended({stream}));
    EXPECT_EQ(miser.bytes[stream], 2'000'000U);
  }
}

Task<Result<int>> get_one(Client& client, Endpoint to) {
  Request request;
  request.method = "GET";
  request.scheme = "http";
  request.authority = "localhost";
  request.target = "/wait";
  OUT_CO_TRY(const auto response, co_await client.send(std::move(to), std::move(request)));
  co_return response.status;
}
Task<void> count_answers(Client& client, Endpoint to, int* answered) {
  auto status = co_await get_one(client, std::move(to));
  if (status && *status == 200) ++*answered;
}
Task<int> get_many(Endpoint to, int count) {
  Client client;
  int answered = 0;
  std::vector<Task<void>> all;
  for (int i = 0; i < count; ++i) all.push_back(count_answers(client, to, &answered));
  co_await run_all(std::move(all));
  co_await client.close();
  co_return answered;
}

/// Takes connections and says nothing.
struct Mute {
  Mute() : listener(Listener::bind("127.0.0.1", 0).value()) {
    listener->start([this](int fd, net::Peer) { fds.push_back(fd); });
  }
  ~Mute() {
    for (const int fd : fds) ::close(fd);
  }
  std::unique_ptr<Listener> listener;
  std::vector<int> fds;
};
Task<Error> call_mute() {
  Mute mute;
  Endpoint to;
  to.address = {"127.0.0.1", mute.listener->port()};
  to.protocol = Endpoint::Protocol::http2;
  ClientOptions options;
  options.connect_timeout = 20ms;
  Client client(options);
  auto status = co_await get_one(client, to);
  co_await client.close();
  co_return status.error();
}
TEST(Http2Client, AServerThatDoesNotBeginToSpeakIsUnavailable) {
  const Error error = run(call_mute());
  EXPECT_EQ(error.code(), Code::unavailable);
  EXPECT_EQ(error.message(), "the server has not begun to speak HTTP/2 in time");
}

TEST(Http2Server, RequestsAboveTheLimitOfAConnectionAreAnsweredToo) {
  ServerOptions options;
  options.concurrent_streams_max = 3;
  Served served(std::move(options));
  Endpoint to;
  to.address = {"127.0.0.1", served.port};
  to.protocol = Endpoint::Protocol::http2;
  served.release();
  EXPECT_EQ(run(get_many(to, 40)), 40);
}

}  // namespace
}  // namespace outrigger::net
