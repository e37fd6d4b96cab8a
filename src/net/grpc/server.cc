#include "net/grpc/server.h"

#include "base/strings.h"
#include "net/grpc/frame_reader.h"
#include "net/grpc/metadata.h"
#include "net/grpc/timeout.h"

namespace outrigger::net::grpc {
namespace {

constexpr std::string_view kContentType = "application/grpc";

void append_fields(Headers& to, const Headers& from) {
  for (const Headers::Field field : from) append_metadata(to, field.name, field.value);
}

/// What a call needs from its request's head.
struct Terms {
  std::string encoding;
  bool takes_gzip = false;

  [[nodiscard]] bool gzip_replies(const Call& call) const {
    if (call.gzip_replies) return *call.gzip_replies && takes_gzip;
    return encoding == "gzip";
  }
};

Result<Terms> read_terms(Call& call) {
  Terms terms;
  terms.encoding = call.value("grpc-encoding");
  if (!knows_encoding(terms.encoding)) {
    return fail(Code::unimplemented,
                "grpc: Decompressor is not installed for grpc-encoding \"" + terms.encoding + "\"");
  }
  terms.takes_gzip =
      terms.encoding == "gzip" || call.metadata.has_token("grpc-accept-encoding", "gzip");
  if (const auto timeout = call.metadata.get("grpc-timeout")) {
    OUT_TRY(const auto limit, parse_timeout(*timeout));
    call.deadline = call.started + std::chrono::duration_cast<Duration>(limit);
  }
  return terms;
}

std::string framed(std::string_view message, bool compress) {
  std::string out;
  if (compress) {
    append_frame(out, gzip(message), true);
  } else {
    out.reserve(message.size() + kFrameHeadBytes);
    append_frame(out, message);
  }
  return out;
}

Headers reply_head(const Call& call, bool gzip_replies) {
  Headers head;
  head.reserve(3 + call.reply_metadata.size(), 128);
  head.add("content-type", kContentType);
  if (gzip_replies) head.add("grpc-encoding", "gzip");
  append_fields(head, call.reply_metadata);
  return head;
}

Headers end_of(const Call& call, const Status& status) {
  Headers trailers;
  append_status(trailers, status);
  append_fields(trailers, call.reply_trailers);
  return trailers;
}

/// A streaming call: the method's view of it, and what keeps it alive.
class StreamCall final : public ServerStream, Pipe::ProducerEvents {
 public:
  StreamCall(std::shared_ptr<Call> call, Terms terms, Body body, std::size_t message_bytes_max,
             Cancellation* service)
      : call(std::move(call)),
        cancellation(service),
        terms_(std::move(terms)),
        body_(std::move(body)),
        message_bytes_max_(message_bytes_max),
        deframer_(message_bytes_max) {
    out_->set_producer(this);
  }
  ~StreamCall() override {
    out_->set_producer(nullptr);
    if (body_.stream) body_.stream->close();
  }

  Task<Result<std::optional<std::string>>> read() override {
    for (;;) {
      auto frame = deframer_.next();
      if (!frame) co_return std::unexpected(std::move(frame).error());
      if (*frame) {
        std::string scratch;
        auto message =
            message_of(**frame, terms_.encoding, Side::server, message_bytes_max_, scratch);
        if (!message) co_return std::unexpected(std::move(message).error());
        call->received_compressed = (*frame)->compressed;
        call->received_bytes += message->size();
        co_return std::string(*message);
      }
      if (input_ended_) {
        if (deframer_.partial()) co_return fail(Code::internal, "unexpected EOF");
        co_return std::optional<std::string>();
      }
      if (!body_.is_stream()) {
        chunk_ = std::move(body_.whole);
        input_ended_ = true;
      } else {
        auto chunk = co_await body_.stream->read();
        if (!chunk) co_return std::unexpected(std::move(chunk).error());
        chunk_ = *std::move(chunk);
        input_ended_ = chunk_.empty();
      }
      deframer_.feed(chunk_);
    }
  }

  Task<Result<>> write(std::string message) override {
    send_headers();
    call->sent_bytes += message.size();
    auto written = co_await out_->write(framed(message, gzip_replies_ && call->compress_next));
    co_return written;
  }

  void send_headers() override {
    if (headers_sent_) return;
    headers_sent_ = true;
    Response response;
    gzip_replies_ = terms_.gzip_replies(*call);
    response.headers = reply_head(*call, gzip_replies_);
    response.body = Body(out_);
    head.set(std::move(response));
  }

  void finish(const Status& status) {
    finished_ = true;
    if (!headers_sent_) {
      headers_sent_ = true;
      head.set(status_response(status, std::move(call->reply_metadata), call->reply_trailers));
      return;
    }
    out_->finish(end_of(*call, status));
  }

  std::shared_ptr<Call> call;
  Completion<Response> head;
  Cancellation cancellation;

 private:
  void on_taken(std::size_t) override {}
  void on_consumer_closed() override {
    if (!finished_) cancellation.request();
  }

  Terms terms_;
  Body body_;
  std::size_t message_bytes_max_;
  Deframer deframer_;
  std::string chunk_;
  std::shared_ptr<Pipe> out_ = std::make_shared<Pipe>();
  bool input_ended_ = false;
  bool headers_sent_ = false;
  bool gzip_replies_ = false;
  bool finished_ = false;
};

}  // namespace

struct Service::Impl {
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept {
      return std::hash<std::string_view>()(text);
    }
  };
  struct Method {
    UnaryMethod unary;
    StreamMethod stream;
  };
  ServiceOptions options;
  std::unordered_map<std::string, Method, Hash, std::equal_to<>> methods;
  Interceptor* interceptor = nullptr;
  Fallback* fallback = nullptr;
  Scope scope;

  /// As grpc-go says it.
  Error unknown(std::string_view path) const {
    const std::size_t slash = path.rfind('/');
    if (slash == std::string_view::npos || slash == 0 || !path.starts_with('/')) {
      return Error(Code::unimplemented, "malformed method name: " + quoted(path));
    }
    const std::string_view service = path.substr(0, slash + 1);
    const std::string name(service.substr(1, service.size() - 2));
    for (const auto& [known, method] : methods) {
      if (!known.starts_with(service)) continue;
      return Error(Code::unimplemented, "unknown method " + std::string(path.substr(slash + 1)) +
                                            " for service " + name);
    }
    return Error(Code::unimplemented, "unknown service " + name);
  }

  Result<> begin(Call& call) { return interceptor ? interceptor->begin(call) : Result<>(); }
  void end(Call& call, const Status& status) {
    if (interceptor != nullptr) interceptor->end(call, status);
  }
  Response refuse(Call& call, const Error& error) {
    const Status status = to_status(error);
    call.error = error;
    end(call, status);
    return status_response(status, std::move(call.reply_metadata), call.reply_trailers);
  }

  Task<Result<std::string>> call_unary(Method& method, Call& call, const Terms& terms, Body body);
  Task<Response> unary(Method& method, std::shared_ptr<Call> call, Request request);
  Task<Response> stream(Method& method, std::shared_ptr<Call> call, Request request);
  Task<void> run_stream(Method& method, std::shared_ptr<StreamCall> stream);
  Task<Response> pass_on(std::shared_ptr<Call> call, Request request);
};

Task<Result<std::string>> Service::Impl::call_unary(Method& method, Call& call, const Terms& terms,
                                                    Body body) {
  OUT_CO_TRY(const auto bytes,
             co_await read_frame(&body, options.message_bytes_max, FrameEnd::message));
  Deframer deframer(options.message_bytes_max);
  deframer.feed(bytes);
  OUT_CO_TRY(const auto frame, deframer.next());
  if (!frame) co_return fail(Code::internal, "grpc: no complete message in a unary request");
  call.received_compressed = frame->compressed;
  std::string scratch;
  OUT_CO_TRY(const auto message,
             message_of(*frame, terms.encoding, Side::server, options.message_bytes_max, scratch));
  call.received_bytes = message.size();
  auto reply = co_await method.unary(call, std::string(message));
  co_return reply;
}

Task<Response> Service::Impl::unary(Method& method, std::shared_ptr<Call> call, Request request) {
  auto terms = read_terms(*call);
  if (!terms) co_return refuse(*call, terms.error());
  auto work = call_unary(method, *call, *terms, std::move(request.body));
  Result<std::string> reply;
  if (call->deadline) {
    reply = co_await with_timeout(std::move(work), *call->deadline - Loop::current().now());
  } else {
    reply = co_await std::move(work);
  }
  if (!reply) co_return refuse(*call, reply.error());
  call->sent_bytes = reply->size();
  const Status fine;
  end(*call, fine);
  Response response;
  const bool gzip_replies = terms->gzip_replies(*call);
  response.headers = reply_head(*call, gzip_replies);
  response.body = framed(*reply, gzip_replies && call->compress_next);
  response.body.trailers = end_of(*call, fine);
  co_return response;
}

Task<Response> Service::Impl::stream(Method& method, std::shared_ptr<Call> call, Request request) {
  call->streaming = true;
  auto terms = read_terms(*call);
  if (!terms) co_return refuse(*call, terms.error());
  auto stream =
      std::make_shared<StreamCall>(std::move(call), *std::move(terms), std::move(request.body),
                                   options.message_bytes_max, &scope.cancellation());
  scope.spawn(run_stream(method, stream), stream->cancellation);
  auto head = co_await stream->head.wait();
  if (!head) {
    stream->cancellation.request();
    co_return status_response(to_status(head.error()));
  }
  co_return *std::move(head);
}

namespace {
Task<Result<>> run_method(StreamMethod& method, std::shared_ptr<StreamCall> stream) {
  auto result = co_await method(*stream->call, *stream);
  co_return result;
}
}  // namespace

Task<void> Service::Impl::run_stream(Method& method, std::shared_ptr<StreamCall> stream) {
  Result<> result;
  if (stream->call->deadline) {
    const Duration left = *stream->call->deadline - Loop::current().now();
    result = co_await with_timeout(run_method(method.stream, stream), left);
  } else {
    result = co_await run_method(method.stream, stream);
  }
  const Status status = result ? Status() : to_status(result.error());
  if (!result) stream->call->error = result.error();
  end(*stream->call, status);
  stream->finish(status);
}

Task<Response> Service::Impl::pass_on(std::shared_ptr<Call> call, Request request) {
  if (fallback == nullptr) {
    co_return refuse(*call, unknown(call->path));
  }
  call->proxied = true;
  std::move_only_function<void(const Status&)> ended = [this, call](const Status& status) {
    end(*call, status);
  };
  auto response = co_await fallback->handle(call, std::move(request), std::move(ended));
  if (!response) {
    co_return status_response(to_status(response.error()), std::move(call->reply_metadata));
  }
  co_return *std::move(response);
}

Service::Service(ServiceOptions options) : impl_(std::make_unique<Impl>()) {
  impl_->options = options;
}
Service::~Service() = default;

void Service::unary(std::string path, UnaryMethod method) {
  impl_->methods[std::move(path)].unary = std::move(method);
}
void Service::stream(std::string path, StreamMethod method) {
  impl_->methods[std::move(path)].stream = std::move(method);
}
void Service::set_interceptor(Interceptor* interceptor) noexcept {
  impl_->interceptor = interceptor;
}
void Service::set_fallback(Fallback* fallback) noexcept { impl_->fallback = fallback; }

Task<Response> Service::handle(Request request) {
  if (request.method != "POST" || !content_subtype(request.headers.value("content-type"))) {
    Response response;
    response.status = request.method == "POST" ? 415 : 405;
    response.headers.add("content-type", "text/plain; charset=utf-8");
    if (response.status == 405) response.headers.add("allow", "POST");
    response.body = "this port speaks gRPC: POST with content-type application/grpc\n";
    co_return response;
  }
  auto call = std::make_shared<Call>();
  call->started = Loop::current().now();
  call->path = request.target;
  call->authority = request.authority;
  call->peer = request.peer;
  const auto found = impl_->methods.find(std::string_view(call->path));
  const bool known = found != impl_->methods.end();
  // A proxied call hands the request on with all its fields.
  call->metadata = known ? std::move(request.headers) : request.headers;
  if (auto begun = impl_->begin(*call); !begun) co_return impl_->refuse(*call, begun.error());
  if (!known) {
    auto response = co_await impl_->pass_on(std::move(call), std::move(request));
    co_return response;
  }
  if (found->second.unary) {
    auto response = co_await impl_->unary(found->second, std::move(call), std::move(request));
    co_return response;
  }
  auto response = co_await impl_->stream(found->second, std::move(call), std::move(request));
  co_return response;
}

Task<void> Service::drain() {
  impl_->scope.cancel();
  co_await impl_->scope.join();
}

Response status_response(const Status& status, Headers reply_metadata, const Headers& trailers) {
  Response response;
  response.headers.add("content-type", kContentType);
  append_fields(response.headers, reply_metadata);
  append_status(response.headers, status);
  append_fields(response.headers, trailers);
  return response;
}

}  // namespace outrigger::net::grpc
