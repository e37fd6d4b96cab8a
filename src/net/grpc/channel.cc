#include "net/grpc/channel.h"

#include "net/grpc/frame_reader.h"
#include "net/grpc/metadata.h"
#include "net/grpc/timeout.h"
#include "net/http1/serialise.h"

namespace outrigger::net::grpc {
namespace {

bool is_grpc(const Response& response) {
  return response.headers.contains("grpc-status") ||
         (response.status == 200 && content_subtype(response.headers.value("content-type")));
}

Result<std::string> single_message(std::string_view bytes, std::string_view encoding,
                                   std::size_t bytes_max) {
  Deframer deframer(bytes_max);
  deframer.feed(bytes);
  OUT_TRY(const auto frame, deframer.next());
  if (!frame) return fail(Code::internal, "the server sent OK without a message");
  std::string scratch;
  OUT_TRY(const auto message, message_of(*frame, encoding, Side::client, bytes_max, scratch));
  return std::string(message);
}

/// When a call must have ended. The server knows it too and may be the first to cancel.
class Deadline {
 public:
  explicit Deadline(const std::optional<Duration>& timeout) {
    // Where there is no such time point, there is no end.
    if (timeout && *timeout < TimePoint::max() - now()) at_ = now() + *timeout;
  }
  /// What to say of a call that failed so.
  [[nodiscard]] Error blame(Error error) const {
    if (error.code() != Code::cancelled || !at_ || now() < *at_) return error;
    return Error(Code::deadline_exceeded, "context deadline exceeded");
  }

 private:
  static TimePoint now() noexcept { return std::chrono::steady_clock::now(); }
  std::optional<TimePoint> at_;
};

class Stream final : public ClientStream, public std::enable_shared_from_this<Stream> {
 public:
  Stream(const CallOptions& options, Cancellation* channel)
      : cancellation(std::make_shared<Cancellation>(channel)),
        message_bytes_max_(options.message_bytes_max),
        deadline_(options.timeout),
        deframer_(options.message_bytes_max) {
    if (options.timeout) timer_.start(*options.timeout);
  }
  ~Stream() override { cancel(); }

  Task<Result<>> write(std::string message) override {
    std::string frame;
    append_frame(frame, message);
    auto written = co_await out->write(std::move(frame));
    co_return written;
  }
  void finish_writing() override { out->finish(); }

  Task<Result<std::optional<std::string>>> read() override {
    auto head = co_await await_head();
    if (!head) co_return std::unexpected(std::move(head).error());
    for (;;) {
      OUT_CO_TRY(const auto frame, deframer_.next());
      if (frame) {
        std::string scratch;
        OUT_CO_TRY(const auto message, message_of(*frame, response_.headers.value("grpc-encoding"),
                                                  Side::client, message_bytes_max_, scratch));
        co_return std::string(message);
      }
      if (input_ended_) {
        timer_.stop();
        const Status status = status_of_response(response_, trailers_);
        if (!status.ok()) co_return std::unexpected(to_error(status));
        co_return std::optional<std::string>();
      }
      auto chunk = co_await next_chunk();
      if (!chunk) co_return std::unexpected(deadline_.blame(std::move(chunk).error()));
      chunk_ = *std::move(chunk);
      deframer_.feed(chunk_);
    }
  }

  Task<Result<Headers>> headers() override {
    auto head = co_await await_head();
    if (!head) co_return std::unexpected(std::move(head).error());
    co_return response_.headers;
  }
  const Headers& trailers() const noexcept override { return trailers_; }
  void cancel() noexcept override { end_for(Code::cancelled); }

  std::shared_ptr<Pipe> out = std::make_shared<Pipe>();
  /// The task may outlive the stream object, so its cancellation is shared.
  std::shared_ptr<Cancellation> cancellation;
  /// Set by the task that sends the request, which does not keep this object alive.
  std::shared_ptr<Completion<Response>> head = std::make_shared<Completion<Response>>();

 private:
  void end_for(Code reason) noexcept {
    timer_.stop();
    cancellation->request(reason);
    out->close();
    if (response_.body.stream) response_.body.stream->close();
  }
  Task<Result<>> await_head() {
    if (failed_) co_return std::unexpected(*failed_);
    if (!headed_) {
      auto response = co_await head->wait();
      if (!response) {
        if (!head->is_set()) co_return std::unexpected(std::move(response).error());
        failed_ = deadline_.blame(std::move(response).error());
        co_return std::unexpected(*failed_);
      }
      headed_ = true;
      response_ = *std::move(response);
    }
    co_return Result<>();
  }
  Task<Result<std::string>> next_chunk() {
    std::string chunk;
    if (!response_.body.is_stream()) {
      chunk = std::move(response_.body.whole);
      trailers_ = std::move(response_.body.trailers);
      input_ended_ = true;
    } else {
      auto read = co_await response_.body.stream->read();
      if (!read) co_return read;
      chunk = *std::move(read);
      if (chunk.empty()) {
        input_ended_ = true;
        trailers_ = response_.body.stream->trailers();
      }
    }
    co_return chunk;
  }

  std::size_t message_bytes_max_;
  Deadline deadline_;
  Timer timer_{[this] { end_for(Code::deadline_exceeded); }};
  Deframer deframer_;
  Response response_;
  Headers trailers_;
  std::string chunk_;
  std::optional<Error> failed_;
  bool headed_ = false;
  bool input_ended_ = false;
};

}  // namespace

struct Channel::Impl {
  Client& client;
  Endpoint endpoint;
  std::string authority;
  Scope scope;
};

Channel::Channel(Client& client, Endpoint endpoint, std::string authority)
    : impl_(new Impl{client, std::move(endpoint), std::move(authority), {}}) {
  if (impl_->authority.empty()) impl_->authority = impl_->endpoint.address.to_string();
}
Channel::~Channel() = default;

const Endpoint& Channel::endpoint() const noexcept { return impl_->endpoint; }

Request Channel::head(std::string path, const CallOptions& options) const {
  Request request;
  request.method = "POST";
  request.scheme = impl_->endpoint.tls ? "https" : "http";
  request.authority = impl_->authority;
  request.target = std::move(path);
  request.headers.reserve(4 + options.metadata.size(), 256);
  request.headers.add("content-type", "application/grpc");
  request.headers.add("te", "trailers");
  request.headers.add("grpc-accept-encoding", "gzip");
  if (options.timeout) request.headers.add("grpc-timeout", format_timeout(*options.timeout));
  for (const Headers::Field field : options.metadata) {
    append_metadata(request.headers, field.name, field.value);
  }
  return request;
}

namespace {

Task<Result<Reply>> exchange(Client& client, Endpoint endpoint, Request request,
                             std::size_t bytes_max) {
  auto response = co_await client.send(std::move(endpoint), std::move(request));
  if (!response) co_return std::unexpected(std::move(response).error());
  Reply reply;
  if (!is_grpc(*response)) {
    if (response->body.stream) response->body.stream->close();
    reply.status = status_of_response(*response, response->body.trailers);
    reply.headers = std::move(response->headers);
    co_return reply;
  }
  auto body = co_await read_frame(&response->body, bytes_max, FrameEnd::body);
  if (!body) co_return std::unexpected(std::move(body).error());
  reply.trailers = std::move(response->body.trailers);
  reply.headers = std::move(response->headers);
  Response head;
  head.status = response->status;
  head.headers = reply.headers;
  reply.status = status_of_response(head, reply.trailers);
  if (reply.status.ok()) {
    auto message = single_message(*body, reply.headers.value("grpc-encoding"), bytes_max);
    if (message) {
      reply.message = *std::move(message);
    } else {
      reply.status = to_status(message.error());
    }
  }
  co_return reply;
}

}  // namespace

Task<Result<Reply>> Channel::unary(std::string path, std::string message, CallOptions options) {
  Request request = head(std::move(path), options);
  std::string frame;
  frame.reserve(message.size() + kFrameHeadBytes);
  append_frame(frame, message, options.gzipped);
  if (options.gzipped) request.headers.add("grpc-encoding", "gzip");
  request.body = std::move(frame);
  auto work =
      exchange(impl_->client, impl_->endpoint, std::move(request), options.message_bytes_max);
  const Deadline deadline(options.timeout);
  Result<Reply> reply;
  if (options.timeout) {
    reply = co_await with_timeout(std::move(work), *options.timeout);
  } else {
    reply = co_await std::move(work);
  }
  if (reply) co_return reply;
  Cancellation* mine = co_await this_cancellation();
  if (mine != nullptr && mine->requested()) co_return reply;
  Reply failed;
  failed.status = to_status(deadline.blame(std::move(reply).error()));
  co_return failed;
}

namespace {

Task<void> open_stream(Client& client, Endpoint endpoint, Request request,
                       std::shared_ptr<Completion<Response>> head) {
  auto response = co_await client.send(std::move(endpoint), std::move(request));
  head->set(std::move(response));
}

Task<void> run_stream(Client& client, Endpoint endpoint, Request request,
                      std::shared_ptr<Completion<Response>> head,
                      std::shared_ptr<Cancellation> stopping) {
  co_await open_stream(client, std::move(endpoint), std::move(request), std::move(head))
      .under(*stopping);
}

}  // namespace

std::shared_ptr<ClientStream> Channel::stream(std::string path, CallOptions options) {
  auto stream = std::make_shared<Stream>(options, &impl_->scope.cancellation());
  Request request = head(std::move(path), options);
  request.body = Body(stream->out);
  impl_->scope.spawn(run_stream(impl_->client, impl_->endpoint, std::move(request), stream->head,
                                stream->cancellation));
  return stream;
}

Task<void> Channel::drain() {
  impl_->scope.cancel();
  co_await impl_->scope.join();
}

Status status_of_response(const Response& response, const Headers& trailers) {
  if (trailers.contains("grpc-status")) return status_of(trailers);
  if (is_grpc(response)) return status_of(response.headers);
  return status_of_non_grpc(response.status, http1::reason_phrase(response.status),
                            response.headers.value("content-type"));
}

}  // namespace outrigger::net::grpc
