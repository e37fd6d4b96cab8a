#include "net/http2/session.h"

#include <random>

namespace outrigger::net::http2 {
namespace {

struct Seen {
  RequestHead request;
  ResponseHead response;
  std::vector<int> informational;
  std::string body;
  Headers trailers;
  bool headed = false;
  bool end_with_head = false;
  bool ended = false;
  std::optional<ErrorCode> closed;
  std::size_t after_closed = 0;
};

// Records what one side is told; consumes at once unless told otherwise.
class Recorder : public Handler {
 public:
  void on_head(Stream& stream, RequestHead&& head, bool end) override {
    Seen& seen = note(stream);
    seen.headed = true;
    seen.request = std::move(head);
    seen.end_with_head = end;
    streams.push_back(&stream);
    if (answer) answer(stream);
  }
  void on_head(Stream& stream, ResponseHead&& head, bool end) override {
    Seen& seen = note(stream);
    seen.headed = true;
    seen.response = std::move(head);
    seen.end_with_head = end;
  }
  void on_informational(Stream& stream, ResponseHead&& head) override {
    note(stream).informational.push_back(head.status);
  }
  void on_data(Stream& stream, std::string_view bytes) override {
    note(stream).body += bytes;
    if (consume) session->consume(stream, bytes.size());
  }
  void on_end(Stream& stream, Headers&& trailers) override {
    Seen& seen = note(stream);
    seen.ended = true;
    seen.trailers = std::move(trailers);
    if (complete) complete(stream);
  }
  void on_closed(Stream& stream, ErrorCode code) override {
    note(stream).closed = code;
    std::erase(streams, &stream);
  }
  void on_goaway(std::int32_t last, ErrorCode code, std::string_view debug) override {
    goaways.push_back({last, code, std::string(debug)});
  }
  void on_ping_ack(std::uint64_t opaque) override { acks.push_back(opaque); }
  void on_settings() override { ++settings_seen; }

  Seen& note(Stream& stream) {
    Seen& seen = by_id[stream.id()];
    if (seen.closed) ++seen.after_closed;
    return seen;
  }

  struct Goaway {
    std::int32_t last;
    ErrorCode code;
    std::string debug;
  };
  Session* session = nullptr;
  std::map<std::int32_t, Seen> by_id;
  std::vector<Stream*> streams;
  std::vector<Goaway> goaways;
  std::vector<std::uint64_t> acks;
  int settings_seen = 0;
  bool consume = true;
  std::function<void(Stream&)> answer;
  std::function<void(Stream&)> complete;
};

// Gives what it holds, then waits; `finish()` lets it end.
class Pipe : public DataSource {
 public:
  Next next(std::size_t max) override {
    const std::size_t bytes = std::min(max, held.size());
    return {.bytes = bytes, .end = finished && bytes == held.size()};
  }
  void take(std::string& out, std::size_t bytes) override {
    out.append(held, 0, bytes);
    held.erase(0, bytes);
    taken += bytes;
  }
  Headers trailers() override { return std::move(last); }

  std::string held;
  Headers last;
  bool finished = false;
  std::size_t taken = 0;
};

// A client and a server whose bytes are carried in pieces of random size.
class Http2Session : public testing::Test {
 public:
  void SetUp() override { start({}, {}); }

  void start(Settings client_settings, Settings server_settings) {
    client.emplace(Session::client(at_client, client_settings));
    server.emplace(Session::server(at_server, server_settings));
    at_client.session = &*client;
    at_server.session = &*server;
  }

  bool carry(Session& from, Session& to) {
    std::string bytes;
    from.pull(bytes, 1 + random_() % 70000);
    const bool any = !bytes.empty();
    std::string_view rest = bytes;
    while (!rest.empty()) {
      const std::size_t piece = std::min<std::size_t>(rest.size(), 1 + random_() % piece_max);
      if (!to.feed(rest.substr(0, piece))) feed_failed = true;
      rest.remove_prefix(piece);
    }
    return any;
  }
  void pump() {
    for (int i = 0; i < 100000; ++i) {
      const bool there = carry(*client, *server);
      const bool back = carry(*server, *client);
      if (!there && !back) return;
    }
    FAIL() << "never quiet";
  }
  RequestHead post(std::string path) {
    return {.method = "POST", .scheme = "http", .authority = "app", .path = std::move(path)};
  }
  Stream& send(Body body, Headers headers = {}) {
    RequestHead head = post("/x");
    head.headers = std::move(headers);
    auto sent = client->request(std::move(head), std::move(body));
    OUT_ASSERT(sent);
    return **sent;
  }
  // The server answers every complete request with its own body.
  void echo() {
    at_server.complete = [this](Stream& stream) {
      std::string body = at_server.by_id[stream.id()].body;
      Headers headers{{"content-type", "text/plain"}};
      Headers trailers{{"x-done", "yes"}};
      EXPECT_TRUE(server->respond(stream, 200, headers, Body::of(std::move(body), trailers)));
    };
  }

  Recorder at_client;
  Recorder at_server;
  std::optional<Session> client;
  std::optional<Session> server;
  std::size_t piece_max = 5000;
  bool feed_failed = false;

 private:
  std::mt19937 random_{42};
};

TEST_F(Http2Session, ARequestWithoutBodyIsAnsweredWithBodyAndTrailers) {
  at_server.answer = [this](Stream& stream) {
    Headers headers{{"Content-Type", "text/plain"}, {"connection", "close"}};
    Headers trailers{{"grpc-status", "0"}};
    ASSERT_TRUE(server->respond(stream, 201, headers, Body::of("hello", trailers)));
  };
  RequestHead head = post("/v1.0/invoke");
  head.headers.add("X-Mixed-Case", " padded ");
  head.headers.add("Host", "ignored");
  head.headers.add("te", "gzip");
  head.headers.add("transfer-encoding", "chunked");
  ASSERT_TRUE(client->request(std::move(head), Body::none()));
  pump();

  const Seen& there = at_server.by_id.at(1);
  EXPECT_EQ(there.request.method, "POST");
  EXPECT_EQ(there.request.scheme, "http");
  EXPECT_EQ(there.request.authority, "app");
  EXPECT_EQ(there.request.path, "/v1.0/invoke");
  ASSERT_EQ(there.request.headers.size(), 1U);
  EXPECT_EQ(there.request.headers[0].name, "x-mixed-case");
  EXPECT_EQ(there.request.headers[0].value, "padded");
  EXPECT_TRUE(there.end_with_head);
  EXPECT_TRUE(there.ended);
  EXPECT_EQ(there.closed, ErrorCode::no_error);
  const Seen& back = at_client.by_id.at(1);
  EXPECT_EQ(back.response.status, 201);
  ASSERT_EQ(back.response.headers.size(), 1U);
  EXPECT_EQ(back.response.headers[0].name, "content-type");
  EXPECT_EQ(back.body, "hello");
  EXPECT_TRUE(back.ended);
  EXPECT_EQ(back.trailers.value("grpc-status"), "0");
  EXPECT_EQ(back.closed, ErrorCode::no_error);
  EXPECT_EQ(client->open_streams() + server->open_streams(), 0U);
}

TEST_F(Http2Session, LargeBodiesPassBothWaysWhateverTheChunks) {
  echo();
  std::string body(3'000'000, '\0');
  std::mt19937 random(7);
  for (char& c : body) c = static_cast<char>(random());
  for (const std::size_t piece : {1UL, 17UL, 100000UL}) {
    piece_max = piece == 1 ? 40 : piece;
    const std::int32_t id = send(Body::of(body)).id();
    pump();
    EXPECT_TRUE(at_client.by_id.at(id).body == body);
    EXPECT_EQ(at_client.by_id.at(id).trailers.value("x-done"), "yes");
  }
}

TEST_F(Http2Session, ManyStreamsRunAtOnceAndOwnersAreKept) {
  echo();
  int owners[300];
  for (int& owner : owners) {
    Stream& stream = send(Body::of(std::string(1000, 'a')));
    stream.owner = &owner;
  }
  EXPECT_EQ(client->open_streams(), 300U);
  pump();
  EXPECT_EQ(at_client.by_id.size(), 300U);
  for (const auto& [id, seen] : at_client.by_id) EXPECT_EQ(seen.body.size(), 1000U) << id;
  EXPECT_EQ(client->open_streams(), 0U);
}

TEST_F(Http2Session, ASlowConsumerHoldsTheSenderAtTheWindow) {
  Settings small{.stream_window_bytes = 100'000, .connection_window_bytes = 150'000};
  start({}, small);
  at_server.consume = false;
  Pipe one, two;
  one.held = two.held = std::string(1'000'000, 'b');
  one.finished = two.finished = true;
  send(Body::from(one));
  send(Body::from(two));
  pump();
  EXPECT_LE(one.taken, 100'000U);
  EXPECT_LE(two.taken, 100'000U);
  EXPECT_EQ(server->unconsumed_bytes(), 150'000U);
  ASSERT_EQ(at_server.streams.size(), 2U);
  for (Stream* stream : at_server.streams) server->consume(*stream, 45'000);
  pump();
  EXPECT_GT(one.taken + two.taken, 150'000U);
  at_server.consume = true;
  for (Stream* stream : at_server.streams) server->consume(*stream, 1'000'000);
  pump();
  EXPECT_EQ(one.taken + two.taken, 2'000'000U);
  EXPECT_EQ(server->unconsumed_bytes(), 0U);
}

TEST_F(Http2Session, BytesConsumedAsTheStreamClosesAreReturnedOnceOnly) {
  Settings small{.stream_window_bytes = 1'000'000, .connection_window_bytes = 65535};
  start(small, {});
  // As a caller does that takes a response as a whole, once it has ended.
  class Late final : public Recorder {
   public:
    void on_closed(Stream& stream, ErrorCode code) override {
      session->consume(stream, note(stream).body.size());
      Recorder::on_closed(stream, code);
    }
  } late;
  client.emplace(Session::client(late, small));
  late.session = &*client;
  late.consume = false;
  std::size_t bytes = 30'000;
  at_server.complete = [&](Stream& stream) {
    ASSERT_TRUE(server->respond(stream, 200, {}, Body::of(std::string(bytes, 'r'))));
  };
  for (int i = 0; i < 20; ++i) {
    send(Body::none());
    pump();
  }
  EXPECT_EQ(late.by_id.at(39).body.size(), 30'000U);
  bytes = 900'000;
  Stream& large = send(Body::none());
  const std::int32_t id = large.id();
  pump();
  const std::size_t at_first = late.by_id.at(id).body.size();
  EXPECT_LE(at_first, 65535U);
  client->consume(large, 1);
  pump();
  EXPECT_EQ(late.by_id.at(id).body.size(), at_first);
}

TEST_F(Http2Session, BytesNeverConsumedAreReturnedWhenTheStreamCloses) {
  Settings small{.stream_window_bytes = 65535, .connection_window_bytes = 65535};
  start({}, small);
  at_server.consume = false;
  for (int i = 0; i < 20; ++i) {
    Pipe pipe;
    pipe.held = std::string(60'000, 'c');
    Stream& stream = send(Body::from(pipe));
    pump();
    EXPECT_EQ(pipe.taken, 60'000U) << i;
    client->reset(stream, ErrorCode::cancel);
    pump();
  }
  EXPECT_EQ(server->unconsumed_bytes(), 0U);
}

TEST_F(Http2Session, ASourceWaitsUntilResumed) {
  Pipe up, down;
  down.last = Headers{{"x-last", "1"}};
  at_server.answer = [&](Stream& stream) {
    ASSERT_TRUE(server->respond(stream, 200, {}, Body::from(down)));
  };
  Stream& stream = send(Body::from(up));
  pump();
  EXPECT_TRUE(at_client.by_id.at(1).headed);
  up.held = "ping";
  client->resume(stream);
  pump();
  EXPECT_EQ(at_server.by_id.at(1).body, "ping");
  EXPECT_FALSE(at_server.by_id.at(1).ended);
  down.held = "pong";
  server->resume(*at_server.streams[0]);
  pump();
  EXPECT_EQ(at_client.by_id.at(1).body, "pong");
  up.finished = true;
  client->resume(stream);
  pump();
  EXPECT_TRUE(at_server.by_id.at(1).ended);
  EXPECT_FALSE(at_server.by_id.at(1).closed);
  down.finished = true;
  server->resume(*at_server.streams[0]);
  pump();
  EXPECT_EQ(at_client.by_id.at(1).trailers.value("x-last"), "1");
  EXPECT_EQ(at_client.by_id.at(1).closed, ErrorCode::no_error);
}

TEST_F(Http2Session, PullKeepsToItsSizeWithinAFrame) {
  at_server.answer = [this](Stream& stream) {
    ASSERT_TRUE(server->respond(stream, 200, {}, Body::of(std::string(900'000, 'd'))));
  };
  send(Body::none());
  carry(*client, *server);
  carry(*server, *client);
  carry(*client, *server);
  std::string out;
  EXPECT_GE(server->pull(out, 50'000), 50'000U);
  EXPECT_LT(out.size(), 50'000U + 16384 + 9);
}

TEST_F(Http2Session, AnEarlyResponseEndsTheRequestWithoutError) {
  at_server.answer = [this](Stream& stream) {
    ASSERT_TRUE(server->respond(stream, 413, {}, Body::of("too large")));
  };
  Pipe pipe;
  pipe.held = std::string(10'000'000, 'e');
  send(Body::from(pipe));
  pump();
  const Seen& back = at_client.by_id.at(1);
  EXPECT_EQ(back.response.status, 413);
  EXPECT_EQ(back.body, "too large");
  EXPECT_TRUE(back.ended);
  EXPECT_EQ(back.closed, ErrorCode::no_error);
  EXPECT_EQ(at_server.by_id.at(1).closed, ErrorCode::no_error);
  EXPECT_FALSE(at_server.by_id.at(1).ended);
  EXPECT_EQ(server->unconsumed_bytes(), 0U);
}

TEST_F(Http2Session, AResetByTheClientClosesBothSidesAndNothingFollows) {
  Pipe pipe;
  Stream& stream = send(Body::from(pipe));
  pump();
  client->reset(stream, ErrorCode::cancel);
  EXPECT_FALSE(at_client.by_id[1].closed) << "not from within reset()";
  pump();
  EXPECT_EQ(at_client.by_id.at(1).closed, ErrorCode::cancel);
  EXPECT_EQ(at_server.by_id.at(1).closed, ErrorCode::cancel);
}

TEST_F(Http2Session, AResetByTheServerReachesTheClient) {
  at_server.answer = [this](Stream& stream) {
    server->reset(stream, ErrorCode::refused_stream);
    EXPECT_FALSE(server->respond(stream, 200, {}, Body::none()));
  };
  send(Body::of("body"));
  pump();
  EXPECT_EQ(at_client.by_id.at(1).closed, ErrorCode::refused_stream);
  EXPECT_EQ(at_server.by_id.at(1).closed, ErrorCode::refused_stream);
  EXPECT_TRUE(at_server.by_id.at(1).body.empty());
  EXPECT_FALSE(at_server.by_id.at(1).ended);
}

TEST_F(Http2Session, InformationalResponsesComeBeforeTheFinalOne) {
  at_server.answer = [this](Stream& stream) {
    Headers hints{{"link", "</a>"}};
    ASSERT_TRUE(server->inform(stream, 100, {}));
    ASSERT_TRUE(server->inform(stream, 103, hints));
    ASSERT_TRUE(server->respond(stream, 204, {}, Body::none()));
  };
  send(Body::none());
  pump();
  EXPECT_EQ(at_client.by_id.at(1).informational, (std::vector<int>{100, 103}));
  EXPECT_EQ(at_client.by_id.at(1).response.status, 204);
  EXPECT_TRUE(at_client.by_id.at(1).end_with_head);
}

TEST_F(Http2Session, CookiesThatWereSplitBecomeOneField) {
  echo();
  Headers cookies{{"cookie", "a=1"}, {"x", "y"}, {"cookie", "b=2"}};
  send(Body::none(), cookies);
  pump();
  EXPECT_EQ(at_server.by_id.at(1).request.headers.joined("cookie"), "a=1; b=2");
  EXPECT_EQ(at_server.by_id.at(1).request.headers.value("x"), "y");
}

TEST_F(Http2Session, TrailersOfARequestArrive) {
  echo();
  Headers trailers{{"X-Checksum", "abc"}};
  send(Body::of("data", trailers));
  pump();
  EXPECT_EQ(at_server.by_id.at(1).trailers.value("x-checksum"), "abc");
  EXPECT_EQ(at_client.by_id.at(1).body, "data");
}

TEST_F(Http2Session, FieldsThatHttpCannotCarryAreRefusedBeforeAnythingIsSent) {
  for (const auto& [name, value] : std::vector<std::pair<std::string, std::string>>{
           {"bad name", "v"}, {"", "v"}, {":path", "/"}, {"x", "a\r\nb"}, {"x", {"a\0b", 3}}}) {
    RequestHead head = post("/");
    head.headers.add(name, value);
    auto refused = client->request(std::move(head), Body::none());
    ASSERT_FALSE(refused) << name;
    EXPECT_EQ(refused.error().code(), Code::invalid_argument);
  }
  RequestHead head = post("/a\nb");
  EXPECT_FALSE(client->request(std::move(head), Body::none()));
  bool asked = false;
  at_server.answer = [&](Stream& stream) {
    asked = true;
    Headers bad{{"x", "\n"}};
    Headers good{{"x", "y"}};
    EXPECT_FALSE(server->respond(stream, 200, bad, Body::none()));
    EXPECT_FALSE(server->respond(stream, 200, good, Body::of("", bad)));
    EXPECT_TRUE(server->respond(stream, 500, good, Body::none()));
  };
  send(Body::none());
  pump();
  EXPECT_TRUE(asked);
  EXPECT_EQ(at_client.by_id.at(1).response.status, 500);
}

TEST_F(Http2Session, TrailersOfASourceThatCannotBeSentEndTheStreamAsAnError) {
  Pipe pipe;
  pipe.held = "x";
  pipe.finished = true;
  pipe.last = Headers{{"bad", "\n"}};
  at_server.answer = [&](Stream& stream) {
    ASSERT_TRUE(server->respond(stream, 200, {}, Body::from(pipe)));
  };
  send(Body::none());
  pump();
  EXPECT_FALSE(at_client.by_id.at(1).ended);
  EXPECT_EQ(at_client.by_id.at(1).closed, ErrorCode::internal_error);
}

TEST_F(Http2Session, TrailersOfConnectionFieldsOnlyStillEndTheStream) {
  at_server.answer = [&](Stream& stream) {
    Headers trailers{{"connection", "close"}};
    ASSERT_TRUE(server->respond(stream, 200, {}, Body::of("x", trailers)));
  };
  send(Body::none());
  pump();
  EXPECT_TRUE(at_client.by_id.at(1).ended);
}

TEST_F(Http2Session, AHeadAboveTheLimitIsResetOrAnsweredWith431) {
  for (const OversizedHead policy : {OversizedHead::reset, OversizedHead::answer_431}) {
    Settings small{.header_list_bytes_max = 4096, .oversized_head = policy};
    at_client.by_id.clear();
    at_server.by_id.clear();
    start({}, small);
    echo();
    Headers large{{"x-large", std::string(5000, 'f')}};
    send(Body::of("body"), large);
    pump();
    EXPECT_TRUE(at_server.by_id.empty());
    const Seen& back = at_client.by_id.at(1);
    if (policy == OversizedHead::reset) {
      EXPECT_EQ(back.closed, ErrorCode::frame_size_error);
      EXPECT_FALSE(back.headed);
    } else {
      EXPECT_EQ(back.response.status, 431);
      EXPECT_TRUE(back.ended);
    }
    const std::int32_t id = send(Body::of("fine")).id();
    pump();
    EXPECT_EQ(at_client.by_id.at(id).body, "fine");
  }
}

TEST_F(Http2Session, AResponseHeadAboveTheLimitClosesTheStream) {
  start({.header_list_bytes_max = 1000}, {});
  at_server.answer = [&](Stream& stream) {
    Headers large{{"x-large", std::string(2000, 'g')}};
    ASSERT_TRUE(server->respond(stream, 200, large, Body::of("x")));
  };
  send(Body::none());
  pump();
  EXPECT_FALSE(at_client.by_id.at(1).headed);
  EXPECT_EQ(at_client.by_id.at(1).closed, ErrorCode::frame_size_error);
}

TEST_F(Http2Session, AGracefulEndFinishesOpenStreamsAndTakesNoNewOnes) {
  Stream& first = send(Body::none());
  const std::int32_t id = first.id();
  pump();
  server->shutdown_notice();
  pump();
  ASSERT_EQ(at_client.goaways.size(), 1U);
  EXPECT_EQ(at_client.goaways[0].last, 0x7fffffff);
  EXPECT_FALSE(client->takes_requests());
  EXPECT_FALSE(client->request(post("/"), Body::none()));
  server->goaway(ErrorCode::no_error, "bye");
  pump();
  ASSERT_EQ(at_client.goaways.size(), 2U);
  EXPECT_EQ(at_client.goaways[1].last, id);
  EXPECT_EQ(at_client.goaways[1].debug, "bye");
  EXPECT_FALSE(server->done());
  ASSERT_TRUE(server->respond(*at_server.streams[0], 200, {}, Body::of("late")));
  pump();
  EXPECT_EQ(at_client.by_id.at(id).body, "late");
  EXPECT_TRUE(server->done());
  EXPECT_TRUE(client->done());
}

TEST_F(Http2Session, StreamsAboveTheLastOfAGoawayAndWaitingOnesAreRefused) {
  start({}, {.concurrent_streams_max = 2});
  pump();
  for (int i = 0; i < 4; ++i) send(Body::none());
  pump();
  EXPECT_EQ(at_server.streams.size(), 2U);
  EXPECT_EQ(client->open_streams(), 4U);
  server->terminate(ErrorCode::enhance_your_calm, "too_many_pings");
  pump();
  EXPECT_EQ(at_client.goaways.at(0).code, ErrorCode::enhance_your_calm);
  EXPECT_EQ(at_client.goaways.at(0).debug, "too_many_pings");
  EXPECT_EQ(at_client.by_id.at(5).closed, ErrorCode::refused_stream);
  EXPECT_EQ(at_client.by_id.at(7).closed, ErrorCode::refused_stream);
  EXPECT_TRUE(server->done());
  client->abandon(ErrorCode::internal_error);
  EXPECT_EQ(at_client.by_id.at(1).closed, ErrorCode::internal_error);
  EXPECT_EQ(client->open_streams(), 0U);
}

TEST_F(Http2Session, RequestsBeyondThePeersLimitWaitAndCanBeResetMeanwhile) {
  start({}, {.concurrent_streams_max = 1});
  pump();
  EXPECT_EQ(client->peer_concurrent_streams_max(), 1U);
  send(Body::none());
  Stream& waiting = send(Body::of("x"));
  Stream& last = send(Body::of("y"));
  const std::int32_t last_id = last.id();
  const std::int32_t id = waiting.id();
  pump();
  EXPECT_EQ(at_server.streams.size(), 1U);
  client->reset(waiting, ErrorCode::cancel);
  pump();
  EXPECT_EQ(at_client.by_id.at(id).closed, ErrorCode::cancel);
  echo();
  ASSERT_TRUE(server->respond(*at_server.streams[0], 200, {}, Body::none()));
  pump();
  EXPECT_FALSE(at_server.by_id.contains(id));
  EXPECT_EQ(at_client.by_id.at(last_id).body, "y");
  EXPECT_EQ(client->open_streams(), 0U);
  EXPECT_EQ(at_client.by_id.at(id).after_closed, 0U);
}

TEST_F(Http2Session, AbandonReportsEveryOpenStreamOnce) {
  for (int i = 0; i < 3; ++i) send(Body::none());
  pump();
  server->abandon(ErrorCode::cancel);
  client->abandon(ErrorCode::internal_error);
  EXPECT_EQ(at_server.by_id.size(), 3U);
  for (const auto& [id, seen] : at_server.by_id) EXPECT_EQ(seen.closed, ErrorCode::cancel) << id;
  for (const auto& [id, seen] : at_client.by_id) {
    EXPECT_EQ(seen.closed, ErrorCode::internal_error) << id;
    EXPECT_EQ(seen.after_closed, 0U);
  }
  EXPECT_TRUE(server->done());
  EXPECT_FALSE(server->feed("x"));
  EXPECT_FALSE(client->request(post("/"), Body::none()));
  std::string out;
  EXPECT_EQ(client->pull(out, 100), 0U);
}

TEST_F(Http2Session, PingsAreAnsweredAndCounted) {
  client->ping(0x0102030405060708);
  pump();
  EXPECT_EQ(at_client.acks, (std::vector<std::uint64_t>{0x0102030405060708}));
  EXPECT_EQ(server->pings_received(), 1U);
  EXPECT_EQ(client->pings_received(), 0U);
}

}  // namespace
}  // namespace outrigger::net::http2
