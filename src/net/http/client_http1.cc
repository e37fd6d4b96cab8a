#include "net/http/client_connection.h"
#include "net/http/connection.h"
#include "net/http1/response_parser.h"
#include "net/http1/serialise.h"

namespace outrigger::net::http {
namespace {

http1::Limits limits_of(const ClientOptions& options) {
  http1::Limits limits;
  limits.head_bytes_max = options.head_bytes_max;
  limits.fields_max = 4096;
  return limits;
}

class Http1Client;

class Http1Call final : public Call {
 public:
  explicit Http1Call(Http1Client& connection) : connection_(&connection) {}
  void cancel() override;
  void leave() noexcept { connection_ = nullptr; }

 private:
  Http1Client* connection_;
};

/// One connection, one request at a time.
class Http1Client final : public ClientConnection,
                          Transport::Events,
                          Pipe::ProducerEvents,
                          Pipe::ConsumerEvents,
                          Loop::TurnEnd {
 public:
  Http1Client(std::unique_ptr<Transport> transport, Owner& owner, const ClientOptions& options)
      : transport_(std::move(transport)), owner_(owner), parser_(limits_of(options)) {
    transport_->start(*this);
  }
  ~Http1Client() override {
    loop_.withdraw(*this);
    if (call_) call_->leave();
    leave_pipes();
  }

  Result<std::shared_ptr<Call>> start(const Request& request) override;
  bool takes_requests() const noexcept override { return !gone_ && !call_; }
  std::size_t calls() const noexcept override { return call_ ? 1 : 0; }
  void close() override { fail_call(Error(Code::cancelled, "the connection was closed")); }

 private:
  // Transport::Events
  void on_bytes(std::string_view bytes) override;
  void on_end() override;
  void on_error(const Error& error) override { fail_call(error); }
  void on_drained() override { pump_request(); }

  void advance(std::string_view& input);
  void take_head();
  void deliver(bool complete);
  void end_response(Headers&& trailers);
  void pump_request();
  bool send_part(std::string bytes);
  void fail_call(const Error& error);
  void leave_pipes();

  // Pipe::ProducerEvents, of the response's body
  void on_taken(std::size_t) override {
    if (!gone_ && response_pipe_ && !response_pipe_->full()) transport_->pause_reading(false);
  }
  void on_consumer_closed() override {
    // The rest of the answer is not wanted: the connection is of no more use.
    fail_call(Error(Code::cancelled, "the response is no longer wanted"));
  }
  // Pipe::ConsumerEvents, of the request's body
  void on_readable() override { loop_.at_turn_end(*this); }
  void on_turn_end() override { pump_request(); }

  std::unique_ptr<Transport> transport_;
  Owner& owner_;
  Loop& loop_ = Loop::current();
  http1::ResponseParser parser_;
  std::string unconsumed_;
  std::size_t request_bytes_ = 0;  // Of the running request's head and whole body.
  std::shared_ptr<Http1Call> call_;
  Response response_;
  bool head_taken_ = false;
  bool delivered_ = false;
  bool response_ended_ = false;
  bool keep_alive_ = true;
  bool request_sent_ = true;
  bool chunked_ = false;
  bool gone_ = false;
  std::shared_ptr<Pipe> response_pipe_;
  std::shared_ptr<Pipe> request_pipe_;
  std::uint64_t promised_ = 0;  // Of a stream that is not chunked: what is still to come.
};

void Http1Call::cancel() {
  if (connection_ != nullptr) connection_->close();
}

Result<std::shared_ptr<Call>> Http1Client::start(const Request& request) {
  http1::RequestLine line;
  line.method = request.method;
  line.target = request.target;
  line.authority = request.authority;
  const bool stream = request.body.is_stream();
  if (stream) {
    chunked_ = !request.content_length.has_value();
    line.framing = chunked_ ? http1::Framing::chunked : http1::Framing::length;
    line.content_length = promised_ = request.content_length.value_or(0);
  } else if (!request.body.whole.empty() || request.method == "POST" || request.method == "PUT" ||
             request.method == "PATCH") {
    line.framing = http1::Framing::length;
    line.content_length = request.body.whole.size();
  }
  std::string out;
  out.reserve(512 + request.body.whole.size());
  OUT_CHECK(http1::append_request_head(out, line, request.headers));
  out += request.body.whole;
  parser_.start(request.method);
  response_ = Response();
  head_taken_ = delivered_ = response_ended_ = false;
  keep_alive_ = true;
  request_sent_ = !stream;
  call_ = std::make_shared<Http1Call>(*this);
  request_bytes_ = out.size();
  transport_->send(std::move(out));
  if (stream) {
    request_pipe_ = request.body.stream;
    request_pipe_->set_consumer(this);
    loop_.at_turn_end(*this);
  }
  return call_;
}

void Http1Client::pump_request() {
  while (request_pipe_ && !gone_ && transport_->unsent() < kSendHighWaterBytes) {
    std::string bytes = request_pipe_->take();
    if (!bytes.empty()) {
      if (!send_part(std::move(bytes))) return;
      continue;
    }
    if (request_pipe_->at_end()) {
      if (!chunked_ && promised_ != 0) {
        return fail_call(Error(Code::invalid_argument, "the request's body ended " +
                                                           std::to_string(promised_) +
                                                           " bytes before its declared length"));
      }
      std::string last;
      if (chunked_) http1::append_last_chunk(last, request_pipe_->trailers());
      transport_->send(std::move(last));
      request_pipe_->set_consumer(nullptr);
      request_pipe_.reset();
      request_sent_ = true;
      if (response_ended_) end_response({});
      return;
    }
    if (const Error* error = request_pipe_->error()) return fail_call(Error(*error));
    return;
  }
}

// False if the call has failed.
bool Http1Client::send_part(std::string bytes) {
  if (chunked_) {
    std::string begin;
    http1::append_chunk_begin(begin, bytes.size());
    transport_->send(std::move(begin));
    bytes += http1::kChunkEnd;
  } else if (bytes.size() > promised_) {
    // The server would take the rest for the next request, which may be another caller's.
    fail_call(
        Error(Code::invalid_argument, "the request's body is longer than its declared length"));
    return false;
  } else {
    promised_ -= bytes.size();
  }
  transport_->send(std::move(bytes));
  return true;
}

void Http1Client::on_bytes(std::string_view bytes) {
  if (gone_) return;
  if (!call_) return fail_call(Error(Code::unavailable, "the server sent bytes unasked"));
  if (unconsumed_.empty()) {
    advance(bytes);
    if (!gone_) unconsumed_.assign(bytes);
  } else {
    unconsumed_.append(bytes);
    std::string_view rest(unconsumed_);
    advance(rest);
    if (!gone_) unconsumed_.erase(0, unconsumed_.size() - rest.size());
  }
  if (!gone_ && !call_ && !unconsumed_.empty()) {
    // More than its answer: the rest would be taken for the answer to the next request.
    return fail_call(Error(Code::unavailable, "the server sent bytes unasked"));
  }
  if (gone_ || !call_ || !head_taken_) return;
  if (!delivered_) {
    // Small servers write head and body apart, and their kernel keeps the body until this.
    transport_->acknowledge();
    deliver(false);
  }
  if (response_pipe_ && response_pipe_->full()) transport_->pause_reading(true);
}

void Http1Client::advance(std::string_view& input) {
  while (!gone_ && call_ && !response_ended_) {
    auto event = parser_.next(input);
    if (!event) return fail_call(event.error());
    switch (event->kind) {
      case http1::Event::Kind::need_more: return;
      case http1::Event::Kind::informational: call_->unanswered = false; break;
      case http1::Event::Kind::head: take_head(); break;
      case http1::Event::Kind::body:
        if (response_pipe_) {
          response_pipe_->push(event->body);
        } else {
          response_.body.whole.append(event->body);
        }
        break;
      case http1::Event::Kind::end: end_response(std::move(parser_.trailers())); break;
    }
  }
}

void Http1Client::take_head() {
  http1::ResponseHead& head = parser_.head();
  call_->unanswered = false;
  head_taken_ = true;
  response_.status = head.status;
  response_.headers = std::move(head.headers);
  if (head.framing == http1::Framing::length) response_.content_length = head.content_length;
  keep_alive_ = head.keep_alive && !head.upgrade;
}

void Http1Client::deliver(bool complete) {
  delivered_ = true;
  if (!complete) {
    response_pipe_ = std::make_shared<Pipe>();
    if (!response_.body.whole.empty()) response_pipe_->push(std::move(response_.body.whole));
    response_pipe_->set_producer(this);
    response_.body = Body(response_pipe_);
  }
  call_->done.set(std::move(response_));
}

void Http1Client::end_response(Headers&& trailers) {
  if (!response_ended_) {
    response_ended_ = true;
    if (delivered_) {
      response_pipe_->set_producer(nullptr);
      response_pipe_->finish(std::move(trailers));
      response_pipe_.reset();
    } else {
      response_.body.trailers = std::move(trailers);
      deliver(true);
    }
  }
  if (!keep_alive_ || !request_sent_) {
    // An answer before the end of the request: the server has decided; the rest is not sent.
    return fail_call(Error(Code::unavailable, "the server closed the connection"));
  }
  call_->leave();
  call_.reset();
  transport_->pause_reading(false);
  used_before = true;
  owner_.on_idle(*this);
}

void Http1Client::on_end() {
  if (gone_) return;
  if (call_ && !response_ended_) {
    auto event = parser_.finish(unconsumed_);
    if (event && event->kind == http1::Event::Kind::end) {
      keep_alive_ = false;
      return end_response({});
    }
  }
  fail_call(Error(Code::unavailable, transport_->peer().address +
                                         " closed the connection before its answer was "
                                         "complete: EOF"));
}

void Http1Client::fail_call(const Error& error) {
  if (gone_) return;
  gone_ = true;
  loop_.withdraw(*this);
  const std::size_t unsent = transport_->unsent();
  // A request that breaks off must not look as if its connection had ended in order.
  if (call_ && (!request_sent_ || unsent != 0)) {
    transport_->reset();
  } else {
    transport_->close();
  }
  if (call_) {
    call_->leave();
    // Nothing of it has left.
    call_->unprocessed = request_sent_ && call_->unanswered && unsent >= request_bytes_;
    if (response_pipe_) {
      response_pipe_->set_producer(nullptr);
      response_pipe_->abort(error);
    }
    call_->done.set(std::unexpected(error));
    call_.reset();
  }
  leave_pipes();
  owner_.on_gone(*this);
}

void Http1Client::leave_pipes() {
  if (response_pipe_) response_pipe_->set_producer(nullptr);
  response_pipe_.reset();
  if (request_pipe_) {
    request_pipe_->set_consumer(nullptr);
    request_pipe_->close();
  }
  request_pipe_.reset();
}

}  // namespace

std::shared_ptr<ClientConnection> make_http1_client(std::unique_ptr<Transport> transport,
                                                    ClientConnection::Owner& owner,
                                                    const ClientOptions& options) {
  return std::make_shared<Http1Client>(std::move(transport), owner, options);
}

}  // namespace outrigger::net::http
