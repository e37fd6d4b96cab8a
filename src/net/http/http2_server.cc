#include <algorithm>
#include <charconv>
#include <deque>

#include "base/log.h"
#include "net/http/backlog.h"
#include "net/http/connection.h"
#include "net/http/http2_link.h"

namespace outrigger::net::http {
namespace {

// Between the announcement of the end and the end: about a round trip (RFC 9113, section 6.8).
constexpr auto kGoawayNotice = std::chrono::milliseconds(100);
// An answer that did not need the rest of its request waits so long for that: what is wrong with
// the request then still decides, and most clients finish their request before they read.
constexpr auto kRequestEndWait = std::chrono::milliseconds(50);
// A client may ping too often so many times before it is told to stop (grpc-go: 2).
constexpr int kPingStrikesMax = 2;
// Requests of a connection that run at the same time before further ones wait for one of them to
// end: how much they will be answered is not known. As they may be waiting for what comes next, it
// is twice as many after each such time, until the answers turn out to be too much.
constexpr std::size_t kRunningMax = 256;
constexpr auto kWaitForOthers = std::chrono::milliseconds(10);
// While a client leaves its answers unread some of its requests are answered all the same from time
// to time, for the same reason.
constexpr auto kWaitForRoom = std::chrono::milliseconds(100);
// Requests that may wait for that once there is no hope of room; more are refused at once, which
// tells clients to try again.
constexpr std::size_t kWaitForRoomMax = 1000;
constexpr auto kBetweenWarnings = std::chrono::minutes(1);

const Logger log("dapr.net.http");

http2::Settings settings_of(const ServerOptions& options) {
  http2::Settings settings;
  settings.concurrent_streams_max = options.concurrent_streams_max;
  settings.header_list_bytes_max = static_cast<std::uint32_t>(options.header_list_bytes_max);
  settings.oversized_head =
      options.grpc ? http2::OversizedHead::reset : http2::OversizedHead::answer_431;
  return settings;
}

class Http2Server;

/// One request and its answer. Lives until its stream is closed and its task has ended.
class Exchange final : public PipeSource::Owner, Pipe::ProducerEvents {
 public:
  Exchange(Http2Server& server, http2::Stream& stream) : server_(server), stream_(&stream) {}
  ~Exchange() {
    if (request_pipe_) request_pipe_->set_producer(nullptr);
  }

  void begin(http2::RequestHead&& head);
  void on_data(std::string_view bytes);
  void on_end(Headers&& trailers);
  void on_stream_closed();
  /// Gives the request to the handler: whole if all of it has come, streamed otherwise.
  void dispatch();
  /// The response broke off: so must the stream.
  void break_off() {
    if (stream_ != nullptr) server_reset(http2::ErrorCode::internal_error);
  }
  /// The request has not been given to the handler, and will not be.
  void refuse() { server_reset(http2::ErrorCode::refused_stream); }
  /// Sends the answer that waited.
  void release() {
    held_timer_.stop();
    if (held_ && stream_ != nullptr) send_response(*std::exchange(held_, std::nullopt));
  }
  [[nodiscard]] std::int32_t stream_id() const noexcept { return stream_ ? stream_->id() : 0; }
  [[nodiscard]] bool dead() const noexcept { return stream_ == nullptr && !running_; }

 private:
  Task<void> answer(Request request);
  void respond(Response response);
  void send_response(Response response);
  void drop(std::size_t bytes);
  void server_reset(http2::ErrorCode code);
  void on_taken(std::size_t bytes) override;
  void on_consumer_closed() override;
  void on_source_ready() override;
  void on_source_broken() override;

  Http2Server& server_;
  http2::Stream* stream_;
  Request request_;
  std::shared_ptr<Pipe> request_pipe_;
  PipeSource source_;
  Backlog::Part unread_;
  Cancellation cancellation_;
  std::optional<Response> held_;
  Timer held_timer_{[this] { release(); }};
  bool complete_ = false;
  bool dispatched_ = false;
  bool running_ = false;
  bool discard_ = false;
  bool is_head_ = false;
};

class Http2Server final : public Protocol, http2::Handler {
 public:
  Http2Server(Host& host, std::optional<Upgrade> upgrade)
      : host_(host),
        writer_(host.transport(), [this] { after_write(); }),
        session_(http2::Session::server(*this, settings_of(host.options()))) {
    writer_.attach(session_);
    if (upgrade) go_on(*std::move(upgrade));
    writer_.request();
    arm_keep_alive();
  }
  ~Http2Server() override { writer_.stop(); }

  // Protocol
  void on_bytes(std::string_view bytes) override {
    heard_ = loop_.now();
    auto fed = session_.feed(bytes);
    for (std::size_t i = 0; i < arrived_.size(); ++i) {
      if (arrived_[i] != nullptr) give(arrived_[i]);
    }
    arrived_.clear();
    writer_.request();
    if (!fed) failed_ = true;
  }
  void on_end() override { host_.close(false); }
  void on_closed() override {
    over_ = true;
    keep_alive_timer_.stop();
    goaway_timer_.stop();
    writer_.stop();
    arrived_.clear();
    waiting_.clear();
    room_timer_.stop();
    session_.abandon(http2::ErrorCode::cancel);
  }
  void on_drained() override { writer_.request(); }
  void drain() override {
    if (std::exchange(leaving_, true)) return;
    session_.shutdown_notice();
    writer_.request();
    goaway_timer_.start(kGoawayNotice);
  }
  bool says_goodbye() const noexcept override { return true; }
  bool quiet() const noexcept override { return scope_.running() == 0; }
  bool idle() const noexcept override { return session_.open_streams() == 0; }

  // The request that came in HTTP/1.1 becomes stream 1.
  void go_on(Upgrade upgrade) {
    host_.transport().send(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n");
    http2::RequestHead head;
    head.method = std::move(upgrade.request.method);
    head.scheme = std::move(upgrade.request.scheme);
    head.authority = std::move(upgrade.request.authority);
    head.path = std::move(upgrade.request.target);
    head.headers = std::move(upgrade.request.headers);
    auto upgraded =
        session_.upgrade(upgrade.http2_settings, std::move(head), upgrade.request.body.whole);
    if (!upgraded) {
      failed_ = true;
      return;
    }
    on_bytes(upgrade.rest);
  }

  // For the exchanges.
  http2::Session& session() noexcept { return session_; }
  Host& host() noexcept { return host_; }
  Scope& scope() noexcept { return scope_; }
  Backlog& backlog() noexcept { return backlog_; }
  void one_runs() noexcept { ++running_; }
  void one_has_run() noexcept { --running_; }
  void flush() {
    sent_since_ping_ = true;
    writer_.request();
  }
  [[nodiscard]] bool over() const noexcept { return over_; }
  void remove(Exchange* exchange) {
    exchanges_.erase(exchange);
    idle_since_ = loop_.now();
  }
  void break_off(Exchange* exchange, std::int32_t stream_id) {
    if (over_ || !exchanges_.contains(exchange) || exchange->stream_id() != stream_id) return;
    exchange->break_off();
  }
  void task_ended() {
    if (over_) loop_.post([this] { host_.on_task_ended(); });
  }

 private:
  // Gives the request to its handler, or lets it wait.
  void give(Exchange* exchange) {
    if (waiting_.empty() && has_room()) return exchange->dispatch();
    if (waiting_.size() >= kWaitForRoomMax && backlog_.hopeless()) return exchange->refuse();
    waiting_.push_back(exchange);
    if (!room_timer_.running()) arm_room_timer();
  }
  [[nodiscard]] bool has_room() const noexcept {
    return running_ < running_max_ && !backlog_.full();
  }
  void arm_room_timer() { room_timer_.start(backlog_.full() ? kWaitForRoom : kWaitForOthers); }
  Exchange& next_waiting() {
    Exchange* exchange = waiting_.front();
    waiting_.pop_front();
    return *exchange;
  }
  void give_while_room() {
    while (!waiting_.empty() && has_room()) next_waiting().dispatch();
  }
  void on_waited() {
    if (std::exchange(left_, backlog_.hopeless_for(host_.options().unread_timeout))) {
      return host_.close(false);  // The goodbye cannot leave either.
    }
    if (left_) {
      session_.terminate(http2::ErrorCode::enhance_your_calm, "answers_not_read");
      writer_.request();
      return arm_room_timer();
    }
    if (backlog_.hopeless()) {
      while (!waiting_.empty()) next_waiting().refuse();
    } else if (backlog_.full()) {
      running_max_ = kRunningMax;
      const int given = backlog_.allowance();
      for (int i = 0; i < given && !waiting_.empty(); ++i) next_waiting().dispatch();
    } else if (running_ >= running_max_ && running_max_ < host_.options().concurrent_streams_max) {
      running_max_ *= 2;
    }
    give_while_room();
    if (!waiting_.empty() || backlog_.full()) arm_room_timer();
  }

  // http2::Handler
  void on_head(http2::Stream& stream, http2::RequestHead&& head, bool) override {
    auto exchange = std::make_unique<Exchange>(*this, stream);
    Exchange* raw = exchange.get();
    stream.owner = raw;
    exchanges_.emplace(raw, std::move(exchange));
    raw->begin(std::move(head));
    arrived_.push_back(raw);
  }
  void on_data(http2::Stream& stream, std::string_view bytes) override {
    static_cast<Exchange*>(stream.owner)->on_data(bytes);
  }
  void on_end(http2::Stream& stream, Headers&& trailers) override {
    static_cast<Exchange*>(stream.owner)->on_end(std::move(trailers));
  }
  void on_closed(http2::Stream& stream, http2::ErrorCode) override {
    auto* exchange = static_cast<Exchange*>(stream.owner);
    if (exchange == nullptr) return;
    for (Exchange*& one : arrived_) {
      if (one == exchange) one = nullptr;
    }
    if (!waiting_.empty()) std::erase(waiting_, exchange);
    exchange->on_stream_closed();
    if (exchange->dead()) remove(exchange);
  }
  void on_ping() override {
    const Duration least = host_.options().keep_alive.client_ping_min;
    if (least == Duration::zero()) return;
    const bool early = last_ping_ != TimePoint() && loop_.now() - last_ping_ < least;
    last_ping_ = loop_.now();
    // Clients measure the bandwidth by a ping for what they receive: those are no strikes.
    if (std::exchange(sent_since_ping_, false)) {
      ping_strikes_ = 0;
      return;
    }
    if (!early) return;
    if (++ping_strikes_ > kPingStrikesMax) {
      session_.terminate(http2::ErrorCode::enhance_your_calm, "too_many_pings");
    }
  }
  void on_ping_ack(std::uint64_t) override {
    ping_waiting_ = false;
    arm_keep_alive();
  }

  void after_write() {
    if (over_) return;
    if (std::exchange(data_sent_, session_.data_sent()) != session_.data_sent()) backlog_.taken();
    give_while_room();
    if (backlog_.full() && !room_timer_.running()) arm_room_timer();
    if (failed_ || session_.done()) host_.close(true);
  }

  void arm_keep_alive() {
    const KeepAlive& rules = host_.options().keep_alive;
    Duration next = Duration::max();
    if (rules.ping_after != Duration::zero()) next = rules.ping_after;
    if (ping_waiting_) next = rules.ping_timeout;
    if (rules.idle_max != Duration::zero()) next = std::min(next, rules.idle_max);
    if (next != Duration::max()) keep_alive_timer_.start(next);
  }
  void on_keep_alive() {
    const KeepAlive& rules = host_.options().keep_alive;
    const TimePoint now = loop_.now();
    if (ping_waiting_ && now - heard_ >= rules.ping_timeout) return host_.close(false);
    if (rules.idle_max != Duration::zero() && idle() && now - idle_since_ >= rules.idle_max) {
      return drain();
    }
    if (rules.ping_after != Duration::zero() && now - heard_ >= rules.ping_after) {
      session_.ping(1);
      ping_waiting_ = true;
      writer_.request();
    }
    arm_keep_alive();
  }

  Host& host_;
  Loop& loop_ = Loop::current();
  SessionWriter writer_;
  http2::Session session_;
  Backlog backlog_;
  std::unordered_map<Exchange*, std::unique_ptr<Exchange>> exchanges_;
  std::vector<Exchange*> arrived_;  // In this feed; nullptr if already closed again.
  std::deque<Exchange*> waiting_;   // Not given to the handler yet.
  Timer room_timer_{[this] { on_waited(); }};
  Scope scope_;
  Timer keep_alive_timer_{[this] { on_keep_alive(); }};
  Timer goaway_timer_{[this] {
    session_.goaway(http2::ErrorCode::no_error);
    writer_.request();
  }};
  TimePoint heard_ = Loop::current().now();
  TimePoint idle_since_ = Loop::current().now();
  TimePoint last_ping_;
  std::uint64_t data_sent_ = 0;
  std::size_t running_ = 0;
  std::size_t running_max_ = kRunningMax;
  int ping_strikes_ = 0;
  bool sent_since_ping_ = false;
  bool ping_waiting_ = false;
  bool leaving_ = false;
  bool left_ = false;  // With a goodbye that is under way.
  bool failed_ = false;
  bool over_ = false;
};

void Exchange::begin(http2::RequestHead&& head) {
  request_.method = std::move(head.method);
  request_.scheme = std::move(head.scheme);
  request_.authority = std::move(head.authority);
  request_.target = std::move(head.path);
  request_.headers = std::move(head.headers);
  request_.version = HttpVersion::http2;
  request_.peer = &server_.host().transport().peer();
  if (const auto length = request_.headers.get("content-length")) {
    std::uint64_t value = 0;
    const auto parsed = std::from_chars(length->data(), length->data() + length->size(), value);
    if (parsed.ec == std::errc()) request_.content_length = value;
  }
}

void Exchange::on_data(std::string_view bytes) {
  if (!dispatched_) {
    request_.body.whole.append(bytes);
  } else if (request_pipe_ && !discard_) {
    request_pipe_->push(bytes);
  } else {
    server_.session().consume(*stream_, bytes.size());
  }
}

void Exchange::on_end(Headers&& trailers) {
  complete_ = true;
  if (held_) return release();
  if (request_pipe_) return request_pipe_->finish(std::move(trailers));
  request_.body.trailers = std::move(trailers);
}

void Exchange::dispatch() {
  if (dispatched_) return;
  dispatched_ = true;
  if (complete_) {
    server_.session().consume(*stream_, request_.body.whole.size());
  } else {
    request_pipe_ = std::make_shared<Pipe>(1U << 30);  // Flow control is the bound.
    if (!request_.body.whole.empty()) request_pipe_->push(std::move(request_.body.whole));
    request_pipe_->set_producer(this);
    request_.body = Body(request_pipe_);
  }
  is_head_ = request_.method == "HEAD";
  running_ = true;
  server_.one_runs();
  server_.scope().spawn(answer(std::move(request_)), cancellation_);
}

Task<void> Exchange::answer(Request request) {
  auto response = co_await handle_safely(server_.host().handler(), std::move(request));
  running_ = false;
  server_.one_has_run();
  if (stream_ != nullptr) {
    respond(std::move(response));
  } else if (response.body.stream) {
    response.body.stream->close();
  }
  Http2Server& server = server_;
  // This object may go now; only the server is used after.
  if (dead()) Loop::current().post([&server, this] { server.remove(this); });
  server.task_ended();
}

void Exchange::respond(Response response) {
  // Nobody else holds the request: its end is not needed any more.
  if (!complete_ && request_pipe_.use_count() == 1) {
    request_pipe_->close();
    held_ = std::move(response);
    held_timer_.start(kRequestEndWait);
    return;
  }
  send_response(std::move(response));
}

void Exchange::send_response(Response response) {
  if (!response.body.is_stream()) {
    if (server_.backlog().hopeless()) return drop(response.body.whole.size());
    unread_.belongs_to(server_.backlog());
    unread_.set(response.body.whole.size() + Backlog::kStreamBytes);
  }
  const bool grpc = server_.host().options().grpc;
  if (!grpc && !response.headers.contains("date")) response.headers.add("date", http_date());
  const bool bodyless = is_head_ || response.status == 204 || response.status == 304;
  if (bodyless && response.body.stream) {
    response.content_length.reset();
    response.body.stream->close();
    response.body.stream.reset();
  }
  const bool unknown = is_head_ && response.body.whole.empty();  // What GET gets may be longer.
  if (!grpc && !response.body.is_stream() && response.status != 204 && response.status != 304 &&
      !unknown && !response.content_length && response.body.trailers.empty()) {
    response.content_length = response.body.whole.size();
  }
  if (response.content_length && !response.headers.contains("content-length")) {
    response.headers.add("content-length", std::to_string(*response.content_length));
  }
  http2::Body body;
  if (response.body.is_stream()) {
    source_.start(std::move(response.body.stream), *this, &server_.backlog());
    body = http2::Body::from(source_);
  } else if (!bodyless && !(response.body.whole.empty() && response.body.trailers.empty())) {
    body = http2::Body::of(std::move(response.body.whole), std::move(response.body.trailers));
  }
  auto sent = server_.session().respond(*stream_, response.status, std::move(response.headers),
                                        std::move(body));
  if (!sent) server_reset(http2::ErrorCode::internal_error);
  server_.flush();
}

void Exchange::drop(std::size_t bytes) {
  thread_local TimePoint warned_at;
  const TimePoint now = Loop::current().now();
  if (warned_at == TimePoint() || now - warned_at >= kBetweenWarnings) {
    warned_at = now;
    log.warn("clients do not read their answers: one of ", bytes, " bytes for ",
             server_.host().transport().peer().address, " is dropped, as further ones will be");
  }
  server_reset(http2::ErrorCode::enhance_your_calm);
}

void Exchange::server_reset(http2::ErrorCode code) {
  source_.close();
  server_.session().reset(*stream_, code);
  server_.flush();
}

void Exchange::on_stream_closed() {
  stream_ = nullptr;
  source_.close();
  unread_.set(0);
  held_timer_.stop();
  if (held_ && held_->body.stream) held_->body.stream->close();
  held_.reset();
  if (request_pipe_) {
    request_pipe_->set_producer(nullptr);
    if (!complete_)
      request_pipe_->abort(Error(Code::cancelled, "the client cancelled the request"));
  }
  if (running_) cancellation_.request();
}

void Exchange::on_taken(std::size_t bytes) {
  if (stream_ == nullptr) return;
  server_.session().consume(*stream_, bytes);
  server_.flush();
}

void Exchange::on_consumer_closed() {
  // Nobody reads the request any more: let what still comes pass by.
  discard_ = true;
  if (stream_ == nullptr) return;
  // What was not read holds back the connection's other requests too.
  server_.session().consume(*stream_, std::numeric_limits<std::size_t>::max());
  server_.flush();
}

void Exchange::on_source_ready() {
  if (stream_ == nullptr) return;
  server_.session().resume(*stream_);
  server_.flush();
}

void Exchange::on_source_broken() {
  // Not from inside the session's pull, which may be what asks.
  Loop::current().post([this, &server = server_, id = stream_id()] { server.break_off(this, id); });
}

}  // namespace

std::unique_ptr<Protocol> make_http2_server(Host& host, std::optional<Upgrade> upgrade) {
  return std::make_unique<Http2Server>(host, std::move(upgrade));
}

}  // namespace outrigger::net::http
