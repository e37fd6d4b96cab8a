#include "runtime/actors/peer_caller.h"

#include "base/base64.h"
#include "net/grpc/channel.h"
#include "net/grpc/frame.h"
#include "runtime/actors/bytes_value.h"

namespace outrigger::runtime::actors {
namespace {

void add_trace(net::Headers& headers, const TraceContext& trace) {
  if (trace == TraceContext()) return;
  headers.add(telemetry::kTraceparentHeader, telemetry::format_traceparent(trace));
  const auto bin = telemetry::encode_trace_bin(trace);
  headers.add(
      telemetry::kGrpcTraceBinHeader,
      base64_encode({bin.data(), bin.size()}, Base64Alphabet::standard, Base64Padding::raw));
}

}  // namespace

Task<Result<std::string>> GrpcPeerCaller::unary(placement::Location where, std::string_view path,
                                                std::string framed, TraceContext trace) {
  telemetry::GrpcMetrics::Call seen{};
  seen.method = path;
  seen.request_bytes = framed.size() - net::grpc::kFrameHeadBytes;
  const TimePoint started = std::chrono::steady_clock::now();
  auto message = co_await send(std::move(where), path, std::move(framed), std::move(trace));
  if (metrics_ == nullptr) co_return message;
  seen.status = to_string(message ? Code::ok : message.error().code());
  seen.response_bytes = message ? message->size() : 0;
  seen.elapsed = std::chrono::steady_clock::now() - started;
  metrics_->client_call(seen);
  co_return message;
}

Task<Result<std::string>> GrpcPeerCaller::send(placement::Location where, std::string_view path,
                                               std::string framed, TraceContext trace) {
  net::Request request;
  request.target = path;
  request.headers.reserve(6, 192);
  request.headers.add("content-type", "application/grpc");
  request.headers.add("te", "trailers");
  add_trace(request.headers, trace);
  request.body.whole = std::move(framed);
  peers::Target target{where.app_id, app_namespace_};
  auto response = co_await peers_.send(target, where.address, std::move(request));
  if (!response) {
    if (response.error().code() == Code::unavailable) peers_.drop(target, where.address);
    co_return std::unexpected(std::move(response).error());
  }
  auto bytes = co_await response->body.read_all(message_bytes_max_ + net::grpc::kFrameHeadBytes);
  if (!bytes) {
    // It has answered, so it has processed the call: not to be taken for one that may be repeated.
    if (bytes.error().code() != Code::unavailable) co_return std::unexpected(bytes.error());
    co_return fail(Code::internal, "the answer broke off: " + bytes.error().message());
  }
  auto status = net::grpc::status_of_response(*response, response->body.trailers);
  if (!status.ok()) co_return fail(net::grpc::to_error(std::move(status)));
  net::grpc::Deframer deframer(message_bytes_max_);
  deframer.feed(*bytes);
  OUT_CO_TRY(const auto frame, deframer.next());
  if (!frame) co_return fail(Code::internal, "the server sent OK without a message");
  std::string scratch;
  OUT_CO_TRY(const auto message,
             net::grpc::message_of(*frame, response->headers.value("grpc-encoding"),
                                   net::grpc::Side::client, message_bytes_max_, scratch));
  co_return std::string(message);
}

Task<Result<Reply>> GrpcPeerCaller::call(placement::Location where, InvocationPtr call) {
  std::string framed;
  const std::size_t mark = net::grpc::open_frame(framed);
  invoke::encode_request(framed, call->request.view(), call->request.body.whole);
  append_actor(framed, call->actor.type, call->actor.id);
  net::grpc::seal_frame(framed, mark);
  auto message = co_await unary(std::move(where), kCallActor, std::move(framed), call->trace);
  if (!message) co_return std::unexpected(std::move(message).error());
  OUT_CO_TRY(auto chunk, invoke::decode_reply(*message));
  co_return std::move(chunk.reply);
}

Task<Result<>> GrpcPeerCaller::fire(placement::Location where, ReminderPtr reminder) {
  std::string framed;
  net::grpc::append_frame(framed, encode_reminder(*reminder));
  auto message =
      co_await unary(std::move(where), kCallActorReminder, std::move(framed), reminder->trace);
  if (!message) co_return std::unexpected(std::move(message).error());
  co_return Result<>();
}

}  // namespace outrigger::runtime::actors
