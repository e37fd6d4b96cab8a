#include <deque>

#include "base/base64.h"
#include "base/log.h"
#include "net/http/connection.h"
#include "net/http1/request_parser.h"
#include "net/http1/serialise.h"

namespace outrigger::net::http {
namespace {

// Of a request that was answered before it was read to its end, so much is read and dropped to
// keep the connection; above that it is closed (Go's server does the same).
constexpr std::size_t kDiscardMaxBytes = 256 * 1024;
// A client that pipelines is not read further than this ahead.
constexpr std::size_t kPipelineMaxBytes = 64 * 1024;
// Nobody takes a request's body for so long: time to look whether its client is still there.
constexpr auto kStall = std::chrono::seconds(2);

const Logger log("dapr.net.http");

http1::Limits limits_of(const ServerOptions& options) {
  http1::Limits limits;
  limits.head_bytes_max = options.head_bytes_max;
  limits.target_bytes_max = options.head_bytes_max;
  return limits;
}

/// One connection's HTTP/1.1: requests are answered one after the other, in order.
class Http1Server final : public Protocol,
                          Pipe::ProducerEvents,
                          Pipe::ConsumerEvents,
                          Loop::TurnEnd {
 public:
  explicit Http1Server(Host& host) : host_(host), parser_(limits_of(host.options())) {}
  ~Http1Server() override {
    loop_.withdraw(*this);
    leave_pipes();
  }

  void on_bytes(std::string_view bytes) override {
    if (unconsumed_.empty()) {
      advance(bytes);
      if (!over_) unconsumed_.assign(bytes);
      if (upgrade_) upgrade_->rest = bytes;
    } else {
      unconsumed_.append(bytes);
      std::string_view rest(unconsumed_);
      advance(rest);
      if (upgrade_) upgrade_->rest = rest;
      unconsumed_.erase(0, unconsumed_.size() - rest.size());
    }
    after_input();
  }

  void on_end() override {
    ended_ = true;
    // The answer before may still be on its way.
    if (phase_ == Phase::head) return host_.close(true);
    // A client that ends its sending side has gone, as Go's server sees it: what is done for it is
    // cancelled, though the answer is still sent.
    abort_request("the client closed the connection before the end of its request");
    if (cancellation_) cancellation_->request();
  }

  void on_closed() override {
    over_ = true;
    head_timer_.stop();
    stall_timer_.stop();
    loop_.withdraw(*this);
    abort_request("the client closed the connection");
    if (response_pipe_) response_pipe_->close();
    leave_pipes();
    if (cancellation_) cancellation_->request();
  }

  void on_drained() override {
    pump();
    if (waits_for_room_ && !over_) next_request();
  }

  void drain() override {
    if (phase_ == Phase::head || waits_for_room_) host_.close(true);
    // Otherwise the running answer says Connection: close.
  }
  bool says_goodbye() const noexcept override { return false; }

  std::optional<Upgrade> take_upgrade() override { return std::exchange(upgrade_, std::nullopt); }
  bool quiet() const noexcept override { return scope_.running() == 0; }
  bool idle() const noexcept override {
    return (phase_ == Phase::head || waits_for_room_) && unconsumed_.empty();
  }

 private:
  enum class Phase : std::uint8_t { head, collecting, running };

  // Takes events off `input` until more bytes or the end of the running request are needed.
  void advance(std::string_view& input) {
    while (!over_ && !(phase_ == Phase::running && request_complete_)) {
      auto event = parser_.next(input);
      if (!event) return refuse(event.error());
      switch (event->kind) {
        case http1::Event::Kind::need_more: return;
        case http1::Event::Kind::head: begin(); break;
        case http1::Event::Kind::body: take_body(event->body); break;
        case http1::Event::Kind::end: end_body(); break;
        case http1::Event::Kind::informational: break;  // Responses only.
      }
    }
  }

  void after_input() {
    if (over_) return;
    // What came together with its head is whole; the rest of a longer body will be streamed.
    if (phase_ == Phase::collecting) {
      request_pipe_ = std::make_shared<Pipe>();
      request_pipe_->set_producer(this);
      if (!request_.body.whole.empty()) request_pipe_->push(std::move(request_.body.whole));
      request_.body = Body(request_pipe_);
      continue_owed_ = expect_continue_;
      dispatch();
    }
    const bool waiting = phase_ == Phase::running && request_complete_;
    const bool full = request_pipe_ && request_pipe_->full();
    host_.transport().pause_reading((waiting && unconsumed_.size() > kPipelineMaxBytes) || full);
    if (full && !stall_timer_.running()) stall_timer_.start(kStall);
    const bool partial = phase_ == Phase::head && !unconsumed_.empty();
    if (partial && !head_timer_.running()) head_timer_.start(host_.options().head_timeout);
    if (!partial) head_timer_.stop();
  }

  void begin() {
    http1::RequestHead& head = parser_.head();
    request_ = Request();
    request_.method = std::move(head.method);
    request_.target = std::move(head.target);
    request_.authority = std::move(head.authority);
    request_.scheme = host_.transport().peer().tls ? "https" : "http";
    request_.headers = std::move(head.headers);
    request_.headers.remove("host");
    wants_http2_ = head.upgrade && host_.options().http2 &&
                   request_.headers.has_token("upgrade", "h2c") &&
                   request_.headers.contains("http2-settings");
    request_.version = head.minor_version == 0 ? HttpVersion::http10 : HttpVersion::http11;
    if (head.framing == http1::Framing::length) request_.content_length = head.content_length;
    request_.peer = &host_.transport().peer();
    keep_alive_ = head.keep_alive;
    expect_continue_ = head.expect_continue;
    version_ = request_.version;
    request_length_ = request_.content_length;
    is_head_ = request_.method == "HEAD";
    request_complete_ = false;
    discarded_ = 0;
    phase_ = Phase::collecting;
  }

  void take_body(std::string_view bytes) {
    if (phase_ == Phase::collecting) {
      request_.body.whole.append(bytes);
    } else if (request_pipe_) {
      continue_owed_ = false;  // It did not wait.
      request_pipe_->push(bytes);
    } else {
      discarded_ += bytes.size();
      if (response_done_ && discarded_ > kDiscardMaxBytes) host_.close(true);
    }
  }

  void end_body() {
    request_complete_ = true;
    if (phase_ == Phase::collecting) {
      request_.body.trailers = std::move(parser_.trailers());
      if (wants_http2_ && leave_for_http2()) return;
      dispatch();
    } else if (request_pipe_) {
      request_pipe_->finish(std::move(parser_.trailers()));
    }
    if (phase_ == Phase::running && !responding_ && response_done_) next_request();
  }

  // Only for a request whose body has come along; otherwise it is simply answered in HTTP/1.1, as a
  // server may.
  bool leave_for_http2() {
    auto settings = base64_decode_any(request_.headers.value("http2-settings"));
    if (!settings || resumed_) return false;
    over_ = true;
    phase_ = Phase::running;
    upgrade_ = Upgrade{std::move(request_), *std::move(settings), {}};
    return true;
  }

  void dispatch() {
    phase_ = Phase::running;
    responding_ = response_done_ = false;
    cancellation_ = std::make_unique<Cancellation>();
    scope_.spawn(answer(std::move(request_)), *cancellation_);
  }

  Task<void> answer(Request request) {
    auto response = co_await handle_safely(host_.handler(), std::move(request));
    if (over_) {
      if (response.body.stream) response.body.stream->close();
    } else {
      respond(std::move(response));
    }
    // Posted, for the scope counts this task until it has returned.
    if (over_) loop_.post([this] { host_.on_task_ended(); });
  }

  // True if the client will not send the body of its request: it was never told to.
  bool settle_expectation() {
    if (!continue_owed_) return false;
    if (request_pipe_.use_count() == 1) {
      continue_owed_ = false;
      return true;
    }
    on_wanted();  // The answer may be made of that body.
    return false;
  }

  void respond(Response response) {
    if (settle_expectation()) keep_alive_ = false;
    // A body that nobody holds any more is dropped as it comes. The response may be that very
    // stream, or another task may be reading on.
    if (!request_complete_ && request_pipe_.use_count() == 1) drop_request_body();
    const bool reusable = keep_alive_ && !host_.draining() && !ended_;
    const bool stream = response.body.is_stream();
    const bool chunkable = version_ != HttpVersion::http10;
    http1::StatusLine line;
    line.status = response.status;
    if (!stream) {
      line.framing = http1::Framing::length;
      line.content_length = response.content_length.value_or(response.body.whole.size());
      if (!is_head_) line.content_length = response.body.whole.size();
    } else if (response.content_length) {
      line.framing = http1::Framing::length;
      line.content_length = *response.content_length;
    } else {
      line.framing = chunkable ? http1::Framing::chunked : http1::Framing::until_close;
    }
    // Its length would be taken for that of what has not changed, or for that of what GET gets.
    const bool unknown = is_head_ && response.body.whole.empty();
    if ((response.status == 304 || unknown) && !response.content_length) {
      line.framing = http1::Framing::none;
    }
    close_after_ = !reusable || line.framing == http1::Framing::until_close;
    chunked_ = line.framing == http1::Framing::chunked;
    if (close_after_) {
      line.connection = "close";
    } else if (!chunkable) {
      line.connection = "keep-alive";
    }
    if (!response.headers.contains("date")) response.headers.add("Date", http_date());
    std::string out;
    out.reserve(256 + response.body.whole.size());
    http1::append_response_head(out, line, response.headers);
    const bool bodyless = is_head_ || response.status == 204 || response.status == 304;
    if (!stream || bodyless) {
      if (!bodyless) out += response.body.whole;
      host_.transport().send(std::move(out));
      if (stream) response.body.stream->close();
      return response_complete();
    }
    host_.transport().send(std::move(out));
    responding_ = true;
    promised_ = response.content_length;
    response_pipe_ = std::move(response.body.stream);
    response_pipe_->set_consumer(this);
    pump();
  }

  // Moves the response stream into the transport as far as there is room.
  void pump() {
    while (response_pipe_ && !over_ && host_.transport().unsent() < kSendHighWaterBytes) {
      std::string bytes = response_pipe_->take();
      if (!bytes.empty()) {
        if (!send_part(std::move(bytes))) return;
        continue;
      }
      if (response_pipe_->at_end()) {
        if (promised_ && *promised_ != 0) return host_.close(false);
        if (chunked_) {
          std::string last;
          http1::append_last_chunk(last, response_pipe_->trailers());
          host_.transport().send(std::move(last));
        }
        leave_response_pipe();
        return response_complete();
      }
      // A body that breaks off must not look complete: cut the connection.
      if (response_pipe_->error() != nullptr) return host_.close(false);
      return;
    }
  }

  bool send_part(std::string bytes) {
    if (promised_) {
      if (bytes.size() > *promised_) {
        host_.close(false);
        return false;
      }
      *promised_ -= bytes.size();
    }
    if (!chunked_) {
      host_.transport().send(std::move(bytes));
      return true;
    }
    std::string begin;
    http1::append_chunk_begin(begin, bytes.size());
    host_.transport().send(std::move(begin));
    bytes += http1::kChunkEnd;
    host_.transport().send(std::move(bytes));
    return true;
  }

  void response_complete() {
    responding_ = false;
    response_done_ = true;
    if (close_after_) return host_.close(true);
    if (request_complete_) return next_request();
    if (request_pipe_) drop_request_body();
    if (discarded_ > kDiscardMaxBytes || (request_length_ && *request_length_ > kDiscardMaxBytes)) {
      host_.close(true);
    }
  }

  void next_request() {
    // Who asks and does not read what it is answered gets no more answers.
    waits_for_room_ = host_.transport().unsent() >= kSendHighWaterBytes;
    if (waits_for_room_) return;
    leave_pipes();
    request_pipe_.reset();
    phase_ = Phase::head;
    if (host_.draining()) return host_.close(true);
    if (ended_ && unconsumed_.empty()) return host_.close(true);
    if (unconsumed_.empty()) {
      host_.transport().pause_reading(false);
    } else {
      // Not here: this may be called from inside advance().
      loop_.at_turn_end(*this);
    }
  }

  void on_turn_end() override {
    if (over_) return;
    if (pump_wanted_) {
      pump_wanted_ = false;
      pump();
    }
    if (over_ || phase_ != Phase::head || unconsumed_.empty()) return;
    // Nobody would hear of an upgrade here.
    resumed_ = true;
    on_bytes({});
    resumed_ = false;
  }

  void refuse(const Error& error) {
    // In the middle of an answer nothing can be said any more.
    if (phase_ != Phase::head && phase_ != Phase::collecting) {
      abort_request(error.message());
      if (responding_) return host_.close(false);
      keep_alive_ = false;
      return;
    }
    phase_ = Phase::running;
    request_complete_ = true;
    std::string out;
    const std::string body = error.message() + "\n";
    http1::StatusLine line;
    line.status = error.http_status() != 0 ? error.http_status() : 400;
    line.framing = http1::Framing::length;
    line.content_length = body.size();
    line.connection = "close";
    http1::append_response_head(
        out, line, {{"Content-Type", "text/plain; charset=utf-8"}, {"Date", http_date()}});
    host_.transport().send(out + body);
    host_.close(true);
    over_ = true;
  }

  void abort_request(const std::string& why) {
    if (request_pipe_ && !request_complete_) {
      request_pipe_->abort(Error(Code::cancelled, why));
    }
    request_complete_ = true;
  }

  void drop_request_body() {
    discarded_ += request_pipe_->available();
    request_pipe_->set_producer(nullptr);
    request_pipe_->close();
    request_pipe_.reset();
    host_.transport().pause_reading(false);
  }

  void leave_pipes() {
    if (request_pipe_) request_pipe_->set_producer(nullptr);
    leave_response_pipe();
  }
  void leave_response_pipe() {
    if (response_pipe_) response_pipe_->set_consumer(nullptr);
    response_pipe_.reset();
  }

  // Pipe::ProducerEvents, of the request's body
  void on_taken(std::size_t) override {
    if (over_ || !request_pipe_ || request_pipe_->full()) return;
    stall_timer_.stop();
    host_.transport().pause_reading(false);
  }
  void on_consumer_closed() override {
    if (!over_) host_.transport().pause_reading(false);
  }
  void on_wanted() override {
    if (!over_ && std::exchange(continue_owed_, false)) {
      host_.transport().send(std::string(http1::kContinue));
    }
  }
  // Pipe::ConsumerEvents, of the response's body
  void on_readable() override {
    pump_wanted_ = true;
    loop_.at_turn_end(*this);
  }

  void on_stall() {
    if (over_ || !request_pipe_ || !request_pipe_->full()) return;
    if (host_.transport().peer_ended()) return on_end();
    stall_timer_.start(kStall);
  }

  void on_head_timeout() {
    refuse(Error(Code::deadline_exceeded, "request head was not complete in time")
               .with_http_status(408));
  }

  Host& host_;
  Loop& loop_ = Loop::current();
  http1::RequestParser parser_;
  std::string unconsumed_;
  Phase phase_ = Phase::head;
  Request request_;
  HttpVersion version_ = HttpVersion::http11;
  std::optional<std::uint64_t> request_length_;
  std::shared_ptr<Pipe> request_pipe_;
  std::shared_ptr<Pipe> response_pipe_;
  std::optional<Upgrade> upgrade_;
  std::optional<std::uint64_t> promised_;  // Bytes of a Content-Length still to be sent.
  std::unique_ptr<Cancellation> cancellation_;
  Scope scope_;
  Timer head_timer_{[this] { on_head_timeout(); }};
  Timer stall_timer_{[this] { on_stall(); }};
  std::size_t discarded_ = 0;
  bool keep_alive_ = true;
  bool wants_http2_ = false;
  bool expect_continue_ = false;
  bool continue_owed_ = false;
  bool resumed_ = false;  // Going on with bytes that came before.
  bool is_head_ = false;
  bool request_complete_ = false;
  bool responding_ = false;
  bool response_done_ = false;
  bool chunked_ = false;
  bool close_after_ = false;
  bool pump_wanted_ = false;
  bool waits_for_room_ = false;  // For the next request, after a whole answer.
  bool ended_ = false;
  bool over_ = false;
};

}  // namespace

std::unique_ptr<Protocol> make_http1_server(Host& host) {
  return std::make_unique<Http1Server>(host);
}

Task<Response> handle_safely(RequestHandler& handler, Request request) {
  std::string what;
  try {
    auto response = co_await handler.handle(std::move(request));
    if (response.status >= 200 && response.status <= 999) co_return response;
    // Applications and other sidecars may say anything, and this ends no request.
    if (response.body.stream) response.body.stream->close();
    what = "an answer with status " + std::to_string(response.status);
  } catch (const std::exception& error) {
    what = error.what();
  } catch (...) {
    what = "unknown exception";
  }
  log.error("a request could not be answered: ", what);
  Response response;
  response.status = 500;
  response.headers.add("Content-Type", "text/plain; charset=utf-8");
  response.body = "internal error: " + what + "\n";
  co_return response;
}

}  // namespace outrigger::net::http
