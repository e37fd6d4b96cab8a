#include "runtime/invoke/remote_caller.h"

#include "base/base64.h"
#include "base/log.h"
#include "runtime/invoke/status.h"

namespace outrigger::runtime::invoke {
namespace {

const Logger log("dapr.runtime.direct_messaging");

Error rpc_error_of(const Error& error) { return rpc_error(error.code(), error.message()); }

Result<> check_status(int http_status, const net::Headers& headers, const net::Headers& trailers) {
  net::Response head;
  head.status = http_status;
  // Usual: a status in the trailers, which says it all.
  if (!trailers.contains("grpc-status")) head.headers = headers;
  const net::grpc::Status status = net::grpc::status_of_response(head, trailers);
  if (status.ok()) return {};
  return fail(rpc_error(status.code, status.message));
}

/// After the first message the application has been called: the error is not to be retried.
Error late(Error error) {
  return std::move(error).context("error receiving message").with_code(Code::unknown);
}

}  // namespace

net::Request RemoteCaller::head(std::string_view path, const TraceContext& trace) const {
  net::Request request;
  request.target = path;
  request.headers.reserve(6, 192);
  request.headers.add("content-type", "application/grpc");
  request.headers.add("te", "trailers");
  if (trace == TraceContext()) return request;
  request.headers.add(telemetry::kTraceparentHeader, telemetry::format_traceparent(trace));
  const auto bin = telemetry::encode_trace_bin(trace);
  request.headers.add(
      telemetry::kGrpcTraceBinHeader,
      base64_encode({bin.data(), bin.size()}, Base64Alphabet::standard, Base64Padding::raw));
  return request;
}

/// The request's body as gRPC DATA: at once if it has come, else through a writer.
std::shared_ptr<ChunkWriter> RemoteCaller::start_body(Outgoing& outgoing, net::Request& out) {
  const net::Body& body = outgoing.request.body;
  const std::string_view known =
      body.is_stream()
          ? (outgoing.replay ? std::string_view(outgoing.replay->bytes) : std::string_view())
          : std::string_view(body.whole);
  std::string frames;
  const std::uint64_t next = append_request(frames, outgoing.request.view(), known);
  if (!body.is_stream()) {
    out.body = std::move(frames);
    return nullptr;
  }
  auto pipe = std::make_shared<net::Pipe>();
  pipe->push(std::move(frames));
  ChunkWriter::Settings settings;
  settings.source = body.stream;
  settings.out = pipe;
  settings.next_seq = next;
  settings.replay = outgoing.replay;
  settings.body_bytes_max = options_.body_bytes_max;
  auto writer = std::make_shared<ChunkWriter>(std::move(settings), scope_.cancellation());
  out.body = net::Body(pipe);
  ChunkWriter::start(scope_, writer, [pipe](Result<> result) {
    if (result) {
      pipe->finish();
    } else {
      pipe->abort(std::move(result).error());
    }
  });
  return writer;
}

Task<Result<Reply>> RemoteCaller::call(peers::Target target, std::string address,
                                       Outgoing& outgoing) {
  auto reply = co_await attempt(target, address, outgoing);
  if (reply || reply.error().code() != Code::unimplemented) co_return reply;
  const std::string app = target.app_id;
  if (outgoing.request.body.is_stream()) {
    log.error("App ", app,
              " does not support streaming-based service invocation, and the request cannot be "
              "sent again. Upgrade its sidecar");
    co_return fail(Code::unknown, "target app '" + app +
                                      "' is running a version of Dapr that does not support "
                                      "streaming-based service invocation");
  }
  log.warn("App ", app,
           " does not support streaming-based service invocation; falling back to unary calls");
  reply = co_await unary(std::move(target), std::move(address), outgoing);
  co_return reply;
}

Task<Result<Reply>> RemoteCaller::attempt(peers::Target target, std::string address,
                                          Outgoing& outgoing) {
  net::Request request = head(kCallLocalStream, outgoing.trace);
  auto writer = start_body(outgoing, request);
  auto response = co_await peers_.send(std::move(target), std::move(address), std::move(request));
  Result<Reply> reply = fail(Code::unknown, "");
  if (response) {
    reply = co_await read_reply(*std::move(response));
  } else {
    reply = fail(rpc_error_of(response.error()));
  }
  if (reply) {
    if (outgoing.replay) outgoing.replay->release();
  } else if (writer) {
    if (writer->too_large()) reply = fail(Code::unknown, std::string(kTooLarge));
    co_await writer->stop();
  }
  co_return reply;
}

Task<Result<Reply>> RemoteCaller::read_reply(net::Response response) {
  const int http_status = response.status;
  ChunkReader::Settings settings;
  settings.kind = ChunkReader::Kind::reply;
  settings.encoding = response.headers.value("grpc-encoding");
  settings.message_bytes_max = options_.message_bytes_max;
  auto headers = std::make_shared<net::Headers>(std::move(response.headers));
  settings.check_end = [http_status, headers](const net::Headers& trailers) {
    return check_status(http_status, *headers, trailers);
  };
  const auto check_end = settings.check_end;
  auto reader = std::make_shared<ChunkReader>(std::move(settings), std::move(response.body),
                                              scope_.cancellation());
  std::optional<std::string_view> first;
  for (;;) {
    auto message = reader->message();
    if (!message) co_return fail(rpc_error_of(message.error()));
    if (*message) {
      first = **message;
      break;
    }
    if (reader->at_end()) break;
    auto filled = co_await reader->fill();
    if (!filled) co_return fail(rpc_error_of(filled.error()));
  }
  if (!first) {
    OUT_CO_CHECK(check_end(reader->trailers()));
    co_return fail(Code::unknown, "EOF");
  }
  auto chunk = decode_reply_chunk(*first);
  if (!chunk) co_return fail(rpc_error_of(chunk.error()));
  if (!chunk->has_status) {
    co_return fail(Code::unknown,
                   "response does not contain the required fields in the leading chunk");
  }
  auto body = reader->body(chunk->payload, scope_);
  if (!body) co_return fail(late(std::move(body).error()));
  Reply reply = std::move(chunk->reply);
  if (body->is_stream() || !body->whole.empty()) reply.body = *std::move(body);
  co_return reply;
}

Task<Result<Reply>> RemoteCaller::unary(peers::Target target, std::string address,
                                        const Outgoing& outgoing) {
  net::Request request = head(kCallLocal, outgoing.trace);
  const std::size_t mark = net::grpc::open_frame(request.body.whole);
  encode_request(request.body.whole, outgoing.request.view(), outgoing.request.body.whole);
  net::grpc::seal_frame(request.body.whole, mark);
  auto response = co_await peers_.send(std::move(target), std::move(address), std::move(request));
  if (!response) co_return fail(rpc_error_of(response.error()));
  auto bytes =
      co_await response->body.read_all(options_.message_bytes_max + net::grpc::kFrameHeadBytes);
  if (!bytes) co_return fail(rpc_error_of(bytes.error()));
  OUT_CO_CHECK(check_status(response->status, response->headers, response->body.trailers));
  net::grpc::Deframer deframer(options_.message_bytes_max);
  deframer.feed(*bytes);
  auto frame = deframer.next();
  if (!frame) co_return fail(rpc_error_of(frame.error()));
  if (!*frame) co_return fail(rpc_error(Code::internal, "the server sent OK without a message"));
  std::string scratch;
  auto message = message_of(**frame, response->headers.value("grpc-encoding"),
                            net::grpc::Side::client, options_.message_bytes_max, scratch);
  if (!message) co_return fail(rpc_error_of(message.error()));
  auto chunk = decode_reply(*message);
  if (!chunk) co_return fail(rpc_error_of(chunk.error()));
  co_return std::move(chunk->reply);
}

}  // namespace outrigger::runtime::invoke
