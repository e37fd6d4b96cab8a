#include <charconv>

#include "net/http/client_connection.h"
#include "net/http/connection.h"
#include "net/http/http2_link.h"

namespace outrigger::net::http {
namespace {

http2::Settings settings_of(const ClientOptions& options) {
  http2::Settings settings;
  settings.header_list_bytes_max = static_cast<std::uint32_t>(options.header_list_bytes_max);
  return settings;
}

class Http2Client;

class Http2Call final : public Call, public PipeSource::Owner, Pipe::ProducerEvents {
 public:
  explicit Http2Call(Http2Client& connection) : connection_(&connection) {}
  ~Http2Call() override {
    if (pipe_) pipe_->set_producer(nullptr);
  }

  http2::Stream* stream = nullptr;
  PipeSource source;

  void cancel() override;
  void on_head(http2::ResponseHead&& head);
  void on_data(std::string_view bytes);
  void on_end(Headers&& trailers);
  /// `refused`: the peer has not processed the request.
  void on_closed(const Error& error, bool refused);
  /// Gives the response to the caller: whole if all of it has come, streamed otherwise.
  void deliver();

 private:
  void on_taken(std::size_t bytes) override;
  void on_consumer_closed() override { cancel(); }
  void on_source_ready() override;
  void on_source_broken() override;

  Http2Client* connection_;
  Response response_;
  std::shared_ptr<Pipe> pipe_;
  bool headed_ = false;
  bool complete_ = false;
  bool delivered_ = false;
};

class Http2Client final : public ClientConnection,
                          Transport::Events,
                          http2::Handler,
                          public std::enable_shared_from_this<Http2Client> {
 public:
  Http2Client(std::unique_ptr<Transport> transport, Owner& owner, const ClientOptions& options)
      : transport_(std::move(transport)),
        owner_(owner),
        options_(options),
        writer_(*transport_, [this] { after_write(); }),
        session_(http2::Session::client(*this, settings_of(options))) {
    writer_.attach(session_);
    transport_->start(*this);
    writer_.request();
  }
  ~Http2Client() override { writer_.stop(); }

  Result<std::shared_ptr<Call>> start(const Request& request) override {
    http2::RequestHead head;
    head.method = request.method;
    head.scheme = request.scheme.empty() ? "http" : request.scheme;
    head.authority = request.authority;
    head.path = request.target;
    head.headers = request.headers;
    // One that is wrong would matter where a proxy behind believes it.
    if (!request.body.is_stream() && head.headers.contains("content-length")) {
      head.headers.set("content-length", std::to_string(request.body.whole.size()));
    }
    auto call = std::make_shared<Http2Call>(*this);
    http2::Body body;
    if (request.body.is_stream()) {
      if (request.content_length && !head.headers.contains("content-length")) {
        head.headers.add("content-length", std::to_string(*request.content_length));
      }
      call->source.start(request.body.stream, *call);
      body = http2::Body::from(call->source);
    } else if (!request.body.whole.empty() || !request.body.trailers.empty()) {
      body = http2::Body::of(request.body.whole, request.body.trailers);
    }
    auto stream = session_.request(std::move(head), std::move(body));
    if (!stream) return std::unexpected(std::move(stream).error());
    call->stream = *stream;
    (*stream)->owner = call.get();
    calls_.emplace(call.get(), call);
    writer_.request();
    arm_ping();
    return call;
  }
  bool takes_requests() const noexcept override {
    return !gone_ && session_.takes_requests() &&
           calls_.size() < session_.peer_concurrent_streams_max();
  }
  Completion<>* ready() noexcept override { return &ready_; }
  std::size_t calls() const noexcept override { return calls_.size(); }
  void close() override { fail(Error(Code::cancelled, "the connection was closed")); }

  // For the calls.
  http2::Session& session() noexcept { return session_; }
  void flush() { writer_.request(); }
  void break_off(Http2Call* call, std::int32_t stream_id) {
    // Another call may have come to lie where that one was.
    if (gone_ || !calls_.contains(call) || call->stream == nullptr) return;
    if (call->stream->id() == stream_id) call->cancel();
  }

 private:
  // Transport::Events
  void on_bytes(std::string_view bytes) override {
    if (gone_) return;
    heard_ = loop_.now();
    auto fed = session_.feed(bytes);
    if (!fed) broken_ = Error(code_of_offence(), fed.error().message());
    for (Http2Call* call : arrived_) {
      if (call != nullptr) call->deliver();
    }
    arrived_.clear();
    writer_.request();
  }
  void on_end() override {
    fail(Error(Code::unavailable, transport_->peer().address + " closed the connection: EOF"));
  }
  void on_error(const Error& error) override { fail(error); }
  void on_drained() override { writer_.request(); }

  // http2::Handler
  using http2::Handler::on_head;
  void on_head(http2::Stream& stream, http2::ResponseHead&& head, bool) override {
    auto* call = static_cast<Http2Call*>(stream.owner);
    call->on_head(std::move(head));
    arrived_.push_back(call);
  }
  void on_data(http2::Stream& stream, std::string_view bytes) override {
    static_cast<Http2Call*>(stream.owner)->on_data(bytes);
  }
  void on_end(http2::Stream& stream, Headers&& trailers) override {
    static_cast<Http2Call*>(stream.owner)->on_end(std::move(trailers));
  }
  void on_closed(http2::Stream& stream, http2::ErrorCode code) override {
    auto* call = static_cast<Http2Call*>(stream.owner);
    if (call == nullptr) return;
    // A response that came and ended in this very feed is still to be delivered.
    for (Http2Call*& one : arrived_) {
      if (one != call) continue;
      one = nullptr;
      call->deliver();
    }
    call->stream = nullptr;
    call->on_closed(
        why_ ? *why_
             : Error(code_of_reset(code), "stream terminated by RST_STREAM with error code: " +
                                              std::string(to_string(code))),
        code == http2::ErrorCode::refused_stream);
    calls_.erase(call);
    if (calls_.empty()) emptied();
  }
  void on_goaway(std::int32_t, http2::ErrorCode, std::string_view) override {
    // No more requests go here; those that run may end.
    if (!told_gone_) {
      told_gone_ = true;
      owner_.on_gone(*this);
    }
  }
  void on_ping_ack(std::uint64_t) override { ping_waiting_ = false; }
  void on_settings() override { ready_.set({}); }

  void emptied() {
    if (gone_) return;
    ping_timer_.stop();
    ping_waiting_ = false;
    if (told_gone_) {
      loop_.post([self = weak_from_this()] {
        if (auto alive = self.lock()) alive->fail(Error(Code::cancelled, "going away"));
      });
    } else {
      used_before = true;
      owner_.on_idle(*this);
    }
  }

  void after_write() {
    if (gone_) return;
    if (broken_) return fail(*broken_);
    if (!session_.done()) return;
    if (calls_.empty()) {
      fail(Error(Code::unavailable, transport_->peer().address + " ended the HTTP/2 connection"));
    } else {  // The session has ended it, because of the peer.
      fail(Error(code_of_offence(), transport_->peer().address + " breaks the rules of HTTP/2"));
    }
  }

  // A peer that speaks HTTP/2, and then says what cannot be read, may have processed its requests,
  // and would say the same again. One that never spoke it has processed nothing.
  [[nodiscard]] Code code_of_offence() const noexcept {
    return ready_.is_set() ? Code::internal : Code::unavailable;
  }

  void fail(const Error& error) {
    if (gone_) return;
    gone_ = true;
    why_ = error;
    ready_.set(std::unexpected(error));
    ping_timer_.stop();
    arrived_.clear();
    session_.abandon(http2::ErrorCode::cancel);
    writer_.stop();
    transport_->close();
    told_gone_ = true;
    owner_.on_gone(*this);  // Again, if it was going away: now it has no calls left.
  }

  void arm_ping() {
    if (options_.ping_after == Duration::zero() || ping_timer_.running()) return;
    ping_timer_.start(options_.ping_after);
  }
  void on_ping_time() {
    if (gone_ || calls_.empty()) return;
    const TimePoint now = loop_.now();
    if (ping_waiting_ && now - heard_ >= options_.ping_timeout) {
      return fail(Error(Code::unavailable, "keepalive ping failed to receive ACK within timeout"));
    }
    if (!ping_waiting_ && now - heard_ >= options_.ping_after) {
      ping_waiting_ = true;
      session_.ping(1);
      writer_.request();
    }
    ping_timer_.start(ping_waiting_ ? options_.ping_timeout : options_.ping_after);
  }

  std::unique_ptr<Transport> transport_;
  Owner& owner_;
  ClientOptions options_;
  Loop& loop_ = Loop::current();
  SessionWriter writer_;
  http2::Session session_;
  std::unordered_map<Http2Call*, std::shared_ptr<Http2Call>> calls_;
  std::vector<Http2Call*> arrived_;  // Heads of this feed; nullptr if already delivered.
  Completion<> ready_;
  std::optional<Error> broken_;
  std::optional<Error> why_;
  Timer ping_timer_{[this] { on_ping_time(); }};
  TimePoint heard_;
  bool ping_waiting_ = false;
  bool told_gone_ = false;
  bool gone_ = false;
};

void Http2Call::cancel() {
  source.close();
  if (stream == nullptr || connection_ == nullptr) return;
  connection_->session().reset(*stream, http2::ErrorCode::cancel);
  connection_->flush();
}

void Http2Call::on_head(http2::ResponseHead&& head) {
  unanswered = false;
  headed_ = true;
  response_.status = head.status;
  response_.headers = std::move(head.headers);
  if (const auto length = response_.headers.get("content-length")) {
    std::uint64_t value = 0;
    const auto parsed = std::from_chars(length->data(), length->data() + length->size(), value);
    if (parsed.ec == std::errc()) response_.content_length = value;
  }
}

void Http2Call::on_data(std::string_view bytes) {
  if (pipe_) {
    pipe_->push(bytes);
  } else {
    response_.body.whole.append(bytes);
  }
}

void Http2Call::on_end(Headers&& trailers) {
  complete_ = true;
  if (pipe_) return pipe_->finish(std::move(trailers));
  response_.body.trailers = std::move(trailers);
}

void Http2Call::deliver() {
  if (delivered_) return;
  delivered_ = true;
  if (complete_) {
    if (stream != nullptr) {
      connection_->session().consume(*stream, response_.body.whole.size());
    }
  } else {
    pipe_ = std::make_shared<Pipe>(1U << 30);  // Flow control is the bound.
    if (!response_.body.whole.empty()) pipe_->push(std::move(response_.body.whole));
    pipe_->set_producer(this);
    response_.body = Body(pipe_);
  }
  done.set(std::move(response_));
}

void Http2Call::on_closed(const Error& error, bool refused) {
  connection_ = nullptr;
  unprocessed = refused && !headed_ && !source.used();
  if (unprocessed) {
    source.reset();
  } else {
    source.close();
  }
  if (pipe_) {
    pipe_->set_producer(nullptr);
    if (!complete_) pipe_->abort(error);
  }
  done.set(std::unexpected(error));
}

void Http2Call::on_taken(std::size_t bytes) {
  if (stream == nullptr || connection_ == nullptr) return;
  connection_->session().consume(*stream, bytes);
  connection_->flush();
}

void Http2Call::on_source_ready() {
  if (stream == nullptr || connection_ == nullptr) return;
  connection_->session().resume(*stream);
  connection_->flush();
}

void Http2Call::on_source_broken() {
  if (connection_ == nullptr || stream == nullptr) return;
  // Not from inside the session's pull, which may be what asks.
  Loop::current().post([connection = connection_->weak_from_this(), this, id = stream->id()] {
    if (auto alive = connection.lock()) alive->break_off(this, id);
  });
}

}  // namespace

std::shared_ptr<ClientConnection> make_http2_client(std::unique_ptr<Transport> transport,
                                                    ClientConnection::Owner& owner,
                                                    const ClientOptions& options) {
  return std::make_shared<Http2Client>(std::move(transport), owner, options);
}

}  // namespace outrigger::net::http
