#include "net/http2/session.h"

namespace outrigger::net::http2 {
namespace {

constexpr std::uint8_t kData = 0, kHeaders = 1, kPriority = 2, kReset = 3, kSettings = 4, kPing = 6,
                       kGoaway = 7, kWindow = 8, kContinuation = 9;
constexpr std::uint8_t kEndStream = 1, kEndHeaders = 4;
constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
// :method GET, :scheme http, :path / of the static table, :authority a.
constexpr std::string_view kGet = "\x82\x86\x84\x01\x01\x61";

std::string number(std::uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>((value >> shift) & 0xff);
  return bytes;
}

std::string frame(std::uint8_t type, std::uint8_t flags, std::uint32_t id,
                  std::string_view payload = {}) {
  std::string bytes = number(static_cast<std::uint32_t>(payload.size())).substr(1);
  bytes += static_cast<char>(type);
  bytes += static_cast<char>(flags);
  return bytes + number(id) + std::string(payload);
}

std::string literal(std::string_view name, std::string_view value) {
  std::string bytes(1, '\0');
  for (const std::string_view text : {name, value}) {
    OUT_ASSERT(text.size() < 127);
    bytes += static_cast<char>(text.size());
    bytes += text;
  }
  return bytes;
}

struct Seen {
  std::uint8_t type = 0;
  std::uint32_t id = 0;
  std::string payload;
  [[nodiscard]] std::uint32_t word(std::size_t at) const {
    std::uint32_t value = 0;
    for (const char c : payload.substr(at, 4)) value = value << 8 | static_cast<std::uint8_t>(c);
    return value;
  }
};

// Answers each complete request, if told to with a body.
class Server : public Handler {
 public:
  void on_head(Stream& stream, RequestHead&&, bool) override {
    ++heads;
    if (reset_at_once) session->reset(stream, ErrorCode::cancel);
  }
  void on_data(Stream& stream, std::string_view bytes) override {
    received += bytes.size();
    session->consume(stream, bytes.size());
  }
  void on_end(Stream& stream, Headers&&) override {
    ++ends;
    if (body) ASSERT_TRUE(session->respond(stream, 200, {}, Body::of(*body)));
  }
  void on_closed(Stream&, ErrorCode code) override { closed.push_back(code); }
  void on_ping() override { ++pings; }

  Session* session = nullptr;
  std::optional<std::string> body;
  bool reset_at_once = false;
  int heads = 0, ends = 0, pings = 0;
  std::size_t received = 0;
  std::vector<ErrorCode> closed;
};

class Http2Hostile : public testing::Test {
 public:
  void start(Settings settings = {}) {
    settings.now = [this] { return now; };
    session.emplace(Session::server(server, settings));
    server.session = &*session;
    ASSERT_TRUE(session->feed(std::string(kPreface) + frame(kSettings, 0, 0)));
    frames();
  }
  bool feed(std::string_view bytes) { return session->feed(bytes).has_value(); }
  // What the session wants to send, taken apart.
  std::vector<Seen> frames(std::size_t bytes_max = 1 << 20) {
    std::string out;
    session->pull(out, bytes_max);
    std::vector<Seen> seen;
    for (std::string_view rest = out; rest.size() >= 9;) {
      const Seen head{.payload = std::string(rest.substr(0, 9))};
      const std::size_t size = head.word(0) >> 8;
      seen.push_back({.type = static_cast<std::uint8_t>(rest[3]),
                      .id = head.word(5),
                      .payload = std::string(rest.substr(9, size))});
      rest.remove_prefix(9 + size);
    }
    return seen;
  }
  // The code of the GOAWAY that is sent, or -1.
  std::int64_t goaway() {
    std::int64_t code = -1;
    for (const Seen& seen : frames()) {
      if (seen.type == kGoaway) code = seen.word(4);
    }
    return code;
  }
  static std::string get(std::uint32_t id) {
    return frame(kHeaders, kEndStream | kEndHeaders, id, kGet);
  }
  static std::string open(std::uint32_t id) { return frame(kHeaders, kEndHeaders, id, kGet); }

  Server server;
  std::optional<Session> session;
  TimePoint now{};
};

constexpr std::int64_t kCalm = static_cast<std::int64_t>(ErrorCode::enhance_your_calm);

TEST_F(Http2Hostile, WhatIsNoPrefaceEndsTheConnection) {
  session.emplace(Session::server(server, {}));
  EXPECT_FALSE(feed("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
  EXPECT_EQ(goaway(), 1);
  EXPECT_TRUE(session->done());
  EXPECT_FALSE(feed("more"));
}

TEST_F(Http2Hostile, AnUpgradedRequestIsTheFirstStream) {
  session.emplace(Session::server(server, {}));
  server.session = &*session;
  server.body = "upgraded";
  RequestHead head{.method = "POST", .scheme = "http", .authority = "a", .path = "/"};
  // SETTINGS_INITIAL_WINDOW_SIZE = 5.
  ASSERT_TRUE(session->upgrade(std::string_view("\0\4\0\0\0\5", 6), std::move(head), "body"));
  EXPECT_EQ(server.heads, 1);
  EXPECT_EQ(server.ends, 1);
  EXPECT_EQ(server.received, 4U);
  EXPECT_EQ(session->unconsumed_bytes(), 0U);
  ASSERT_TRUE(feed(std::string(kPreface) + frame(kSettings, 0, 0) + get(3)));
  std::string body;
  for (const Seen& seen : frames()) {
    EXPECT_NE(seen.type, kGoaway);
    if (seen.type == kData && seen.id == 1) body += seen.payload;
  }
  EXPECT_EQ(body, "upgra") << "the upgrade's settings hold";
  EXPECT_EQ(server.heads, 2);
}

TEST_F(Http2Hostile, AnUpgradeWithMalformedSettingsIsRefused) {
  session.emplace(Session::server(server, {}));
  auto refused = session->upgrade("12345", {.method = "GET"}, "");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::invalid_argument);
  EXPECT_EQ(session->open_streams(), 0U);
}

TEST_F(Http2Hostile, RapidResetEndsTheConnection) {
  start({.resets_burst = 100, .resets_per_second = 10});
  std::uint32_t id = 1;
  for (int i = 0; i < 100; ++i, id += 2) feed(open(id) + frame(kReset, 0, id, number(8)));
  EXPECT_EQ(goaway(), -1);
  now += std::chrono::seconds(2);
  for (int i = 0; i < 20; ++i, id += 2) feed(open(id) + frame(kReset, 0, id, number(8)));
  EXPECT_EQ(goaway(), -1);
  feed(open(id) + frame(kReset, 0, id, number(8)));
  EXPECT_EQ(goaway(), kCalm);
  EXPECT_TRUE(session->done());
  EXPECT_EQ(server.closed.size(), 121U);
}

TEST_F(Http2Hostile, ResetsProvokedFromTheServerCountAsWell) {
  start({.resets_burst = 100, .resets_per_second = 10});
  std::int64_t code = -1;
  for (std::uint32_t id = 1; id < 400 && code < 0; id += 2) {
    // A window that overflows is an error of the stream.
    feed(open(id) + frame(kWindow, 0, id, number(0x7fffffff)));
    code = goaway();
  }
  EXPECT_EQ(code, kCalm);
  EXPECT_LE(server.heads, 102);
}

TEST_F(Http2Hostile, OurOwnResetsDoNotCount) {
  start({.resets_burst = 10, .resets_per_second = 1});
  server.reset_at_once = true;
  for (std::uint32_t id = 1; id < 200; id += 2) {
    ASSERT_TRUE(feed(open(id)));
    EXPECT_EQ(goaway(), -1);
  }
}

TEST_F(Http2Hostile, PingsWhoseAnswersAreNotReadEndTheConnection) {
  start({.acks_waiting_max = 50});
  std::string pings;
  for (int i = 0; i < 50; ++i) pings += frame(kPing, 0, 0, "12345678");
  EXPECT_TRUE(feed(pings));
  EXPECT_EQ(server.pings, 50);
  EXPECT_FALSE(feed(pings));
  EXPECT_TRUE(session->wants_write());
  EXPECT_EQ(goaway(), kCalm);
  EXPECT_TRUE(session->done());
}

TEST_F(Http2Hostile, SettingsWhoseAnswersAreNotReadEndTheConnection) {
  start({.acks_waiting_max = 50});
  std::string many;
  for (int i = 0; i < 100; ++i) many += frame(kSettings, 0, 0);
  EXPECT_FALSE(feed(many));
  EXPECT_EQ(goaway(), kCalm);
}

TEST_F(Http2Hostile, FramesWithoutContentAreLimited) {
  const std::string empties[] = {frame(kData, 0, 1), frame(kSettings, 0, 0),
                                 frame(kPriority, 0, 1, number(3) + "\x10")};
  for (const std::string& empty : empties) {
    start({.idle_frames_burst = 200, .idle_frames_per_second = 1});
    feed(open(1));
    std::int64_t code = -1;
    int sent = 0;
    while (code < 0 && sent < 1000) {
      feed(empty);
      code = goaway();
      ++sent;
    }
    EXPECT_EQ(code, kCalm);
    EXPECT_NEAR(sent, 200, 2);
  }
}

TEST_F(Http2Hostile, AnEndlessHeaderBlockEndsTheConnection) {
  start();
  ASSERT_TRUE(feed(frame(kHeaders, kEndStream, 1, kGet)));
  std::int64_t code = -1;
  int sent = 0;
  for (; sent < 1000 && code < 0; ++sent) {
    feed(frame(kContinuation, 0, 1, literal("x", std::string(100, 'a'))));
    code = goaway();
  }
  EXPECT_GT(code, 0);
  EXPECT_LT(sent, 100);
  EXPECT_EQ(server.heads, 0);
}

TEST_F(Http2Hostile, AFieldRepeatedFromTheTableDoesNotPassTheHeaderLimit) {
  start({.header_list_bytes_max = 10'000});
  // A field that goes into the dynamic table once and is then named by one byte (index 62).
  std::string block(kGet);
  block += std::string("\x40\x01x\x64", 4) + std::string(100, 'b');
  block += std::string(10'000, '\xbe');
  ASSERT_TRUE(feed(frame(kHeaders, kEndStream | kEndHeaders, 1, block)));
  EXPECT_EQ(server.heads, 0);
  const auto seen = frames();
  ASSERT_FALSE(seen.empty());
  EXPECT_EQ(seen.back().type, kReset);
  EXPECT_EQ(seen.back().word(0), static_cast<std::uint32_t>(ErrorCode::frame_size_error));
  ASSERT_TRUE(feed(get(3)));
  EXPECT_EQ(server.heads, 1);
}

TEST_F(Http2Hostile, ARequestWhoseAnswersAreNeverReadIsLimited) {
  start({.concurrent_streams_max = 10, .frames_waiting_max = 500, .resets_burst = 1'000'000});
  bool good = true;
  std::uint32_t id = 1;
  for (; good && id < 10'000; id += 2) {
    good = feed(open(id) + frame(kWindow, 0, id, number(0x7fffffff)));
  }
  EXPECT_FALSE(good);
  EXPECT_LT(id, 2000U);
  EXPECT_EQ(goaway(), kCalm);
}

TEST_F(Http2Hostile, StreamsAboveTheLimitAreNotOpened) {
  start({.concurrent_streams_max = 5});
  // The client has acknowledged our settings, so it must know the limit.
  feed(frame(kSettings, 1, 0));
  for (std::uint32_t id = 1; id < 40; id += 2) feed(get(id));
  EXPECT_EQ(server.heads, 5);
  EXPECT_EQ(session->open_streams(), 5U);
}

TEST_F(Http2Hostile, FramesOnAStreamThatTheClientEndedAreAnErrorOfTheConnection) {
  for (const std::uint8_t type : {kData, kHeaders}) {
    start();
    server.body = "ok";
    ASSERT_TRUE(feed(get(1)));
    frames();
    EXPECT_TRUE(feed(frame(type, kEndHeaders | kEndStream, 1, type == kData ? "x" : kGet)));
    EXPECT_EQ(goaway(), static_cast<std::int64_t>(ErrorCode::stream_closed));
    EXPECT_TRUE(session->done());
  }
}

TEST_F(Http2Hostile, FramesOnAStreamThatTheClientResetAreAnErrorOfTheStream) {
  start();
  // Cut at every place, because the head of the offending frame may come in pieces.
  const std::string bytes =
      open(1) + frame(kReset, 0, 1, number(8)) + frame(kData, 0, 1, "abc") + get(3);
  for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
    start();
    server = {};
    server.session = &*session;
    ASSERT_TRUE(feed(std::string_view(bytes).substr(0, cut)));
    ASSERT_TRUE(feed(std::string_view(bytes).substr(cut)));
    bool reset = false;
    for (const Seen& seen : frames()) {
      reset = reset || (seen.type == kReset && seen.id == 1 &&
                        seen.word(0) == static_cast<std::uint32_t>(ErrorCode::stream_closed));
      EXPECT_NE(seen.type, kGoaway);
    }
    EXPECT_TRUE(reset) << cut;
    EXPECT_EQ(server.heads, 2);
    EXPECT_EQ(server.received, 0U);
  }
}

TEST_F(Http2Hostile, FramesUnderWayWhenWeResetAreNoOffence) {
  start();
  server.reset_at_once = true;
  ASSERT_TRUE(feed(open(1)));
  frames();
  ASSERT_TRUE(feed(frame(kData, 0, 1, "abc") +
                   frame(kHeaders, kEndHeaders | kEndStream, 1, literal("t", "v"))));
  EXPECT_EQ(goaway(), -1);
  EXPECT_FALSE(session->done());
}

TEST_F(Http2Hostile, AStreamBelowAnOlderOneIsAnErrorOfTheConnection) {
  start();
  ASSERT_TRUE(feed(get(5)));
  EXPECT_EQ(goaway(), -1);
  ASSERT_TRUE(feed(get(3)));
  EXPECT_EQ(goaway(), 1);
  EXPECT_EQ(server.heads, 1);
}

TEST_F(Http2Hostile, AContentLengthThatIsNotKeptResetsTheStream) {
  start();
  const std::string head = std::string(kGet) + literal("content-length", "5");
  ASSERT_TRUE(feed(frame(kHeaders, kEndHeaders, 1, head) + frame(kData, kEndStream, 1, "abc")));
  EXPECT_EQ(server.ends, 0);
  ASSERT_TRUE(feed(frame(kHeaders, kEndHeaders, 3, head) + frame(kData, kEndStream, 3, "abcdef")));
  EXPECT_EQ(server.ends, 0);
  frames();
  EXPECT_EQ(server.closed, (std::vector{ErrorCode::protocol_error, ErrorCode::protocol_error}));
}

TEST_F(Http2Hostile, HeadsThatAreMalformedNeverReachTheHandler) {
  const std::string bad[] = {
      std::string("\x82\x86\x01\x01\x61"),                          // No path.
      std::string("\x82\x86\x84\x01\x01\x61\x84"),                  // Two paths.
      literal("x", "y") + std::string(kGet),                        // Pseudo-headers after others.
      std::string(kGet) + literal("Upper", "y"),                    //
      std::string(kGet) + literal("connection", "close"),           //
      std::string(kGet) + literal("transfer-encoding", "chunked"),  //
      std::string(kGet) + literal("te", "gzip"),                    //
      std::string(kGet) + literal(":status", "200"),                //
      std::string(kGet) + literal(":unknown", "y"),                 //
      std::string(kGet) + literal("x", "a\nb"),                     //
      std::string(kGet) + literal("content-length", "abc"),         //
      std::string(kGet) + literal("", "y"),                         //
  };
  start();
  std::uint32_t id = 1;
  for (const std::string& block : bad) {
    ASSERT_TRUE(feed(frame(kHeaders, kEndHeaders | kEndStream, id, block))) << id;
    bool reset = false;
    for (const Seen& seen : frames()) reset = reset || (seen.type == kReset && seen.id == id);
    EXPECT_TRUE(reset) << id;
    id += 2;
  }
  EXPECT_EQ(server.heads, 0);
  EXPECT_EQ(session->open_streams(), 0U);
}

TEST_F(Http2Hostile, AClientThatGivesNoWindowCostsNoMoreThanTheBodies) {
  session.emplace(Session::server(server, {}));
  server.session = &*session;
  server.body = std::string(100'000, 'z');
  // SETTINGS_INITIAL_WINDOW_SIZE = 0.
  feed(std::string(kPreface) + frame(kSettings, 0, 0, std::string("\0\4\0\0\0\0", 6)));
  for (std::uint32_t id = 1; id < 200; id += 2) feed(get(id));
  std::string out;
  session->pull(out, 1 << 20);
  EXPECT_LT(out.size(), 10'000U);
  EXPECT_FALSE(session->wants_write());
  // One byte at a time is slow, not wrong.
  for (int i = 0; i < 10; ++i) {
    feed(frame(kWindow, 0, 1, number(1)));
    const auto seen = frames();
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_EQ(seen[0].payload, "z");
  }
}

TEST_F(Http2Hostile, AWindowThatOverflowsEndsStreamOrConnection) {
  start();
  feed(open(1) + frame(kWindow, 0, 1, number(0x7fffffff)));
  const auto seen = frames();
  ASSERT_FALSE(seen.empty());
  EXPECT_EQ(seen.back().type, kReset);
  EXPECT_EQ(seen.back().word(0), static_cast<std::uint32_t>(ErrorCode::flow_control_error));
  feed(frame(kWindow, 0, 0, number(0x7fffffff)));
  EXPECT_EQ(goaway(), static_cast<std::int64_t>(ErrorCode::flow_control_error));
}

TEST_F(Http2Hostile, MoreDataThanTheWindowEndsTheConnection) {
  class Lazy : public Handler {
    void on_data(Stream&, std::string_view) override {}
    void on_end(Stream&, Headers&&) override {}
    void on_closed(Stream&, ErrorCode) override {}
  } lazy;
  session.emplace(Session::server(lazy, {.connection_window_bytes = 65'535}));
  feed(std::string(kPreface) + frame(kSettings, 0, 0) + open(1));
  for (int i = 0; i < 5; ++i) feed(frame(kData, 0, 1, std::string(16'384, 'q')));
  EXPECT_EQ(goaway(), static_cast<std::int64_t>(ErrorCode::flow_control_error));
}

}  // namespace
}  // namespace outrigger::net::http2
