#include "runtime/invoke/internal.h"

#include "base/strings.h"
#include "net/grpc/timeout.h"
#include "runtime/api/grpc_gate.h"
#include "runtime/invoke/method.h"
#include "runtime/invoke/status.h"
#include "runtime/telemetry/span_notes.h"

namespace outrigger::runtime::invoke {
namespace {

using net::grpc::Call;
using net::grpc::Status;

Error parsing_error(std::string_view why) {
  return {Code::invalid_argument, "parsing InternalInvokeRequest error: " + std::string(why)};
}

Error channel_error(const Error& error) {
  const bool ours = error.code() == Code::deadline_exceeded || error.code() == Code::cancelled;
  return {ours ? error.code() : Code::internal, "error invoking app channel: " + error.message()};
}

/// The request as it may be made, or why it may not: its method normalised, the caller allowed.
Result<std::string> admit(Service& service, const Call& call, const RequestView& request) {
  if (!service.app().available()) return fail(Code::internal, "app channel is not initialized");
  auto method = normalise_method(request.method);
  if (!method) {
    return fail(Code::invalid_argument, "invalid method: " + method.error().message());
  }
  AccessQuestion question;
  question.peer = call.peer;
  question.operation = *method;
  question.app_speaks_http = !service.app().is_grpc();
  if (question.app_speaks_http) question.verb = request.verb;
  OUT_CHECK(service.check_access(question));
  return method;
}

std::string_view caller_of(const RequestView& request) {
  const std::string_view caller = request.metadata_value("dapr-caller-app-id");
  return caller.empty() ? std::string_view("unknown") : caller;
}

/// The length that the caller declared. Its body may be a stream, which says nothing about it.
Result<std::optional<std::uint64_t>> declared_length(const RequestView& request) {
  const std::string_view text = request.metadata_value("content-length");
  if (text.empty()) return std::nullopt;
  if (const auto length = parse_int<std::uint64_t>(text)) return length;
  return fail(Code::internal, "error invoking app channel: strconv.ParseInt: parsing " +
                                  quoted(text) + ": invalid syntax");
}

/// `method`: as the caller wrote it.
void note_call(const Service& service, Call& call, std::string_view method) {
  auto* const span = api::span_of(call);
  if (span == nullptr) return;
  telemetry::note_app_call(*span, service.identity().app_id, method);
  span->set("dapr.invoke_method", method);
}

/// Answers within the deadline of the call.
Task<Result<Reply>> within(const Call& call, Task<Result<Reply>> work) {
  if (!call.deadline) {
    auto reply = co_await std::move(work);
    co_return reply;
  }
  auto reply = co_await with_timeout(std::move(work), *call.deadline - Loop::current().now());
  co_return reply;
}

}  // namespace

Task<Result<net::Response>> InternalCalls::handle(std::shared_ptr<Call> call, net::Request request,
                                                  Ended ended) {
  if (call->path != kCallLocalStream) {
    auto response = co_await proxy_.handle(std::move(call), std::move(request), std::move(ended));
    co_return response;
  }
  if (const auto timeout = call->metadata.get("grpc-timeout")) {
    auto limit = net::grpc::parse_timeout(*timeout);
    if (!limit) {
      ended(net::grpc::to_status(limit.error()));
      co_return fail(std::move(limit).error());
    }
    call->deadline = call->started + std::chrono::duration_cast<Duration>(*limit);
  }
  auto answer = co_await call_local(std::move(call), std::move(request));
  if (!answer) {
    ended(net::grpc::to_status(answer.error()));
    co_return fail(std::move(answer).error());
  }
  service_.metrics().service.invocation_response_sent(answer->caller, answer->reply.status);
  co_return respond(std::move(answer->reply), std::move(ended));
}

Task<Result<InternalCalls::Answer>> InternalCalls::call_local(std::shared_ptr<Call> call,
                                                              net::Request request) {
  ChunkReader::Settings settings;
  settings.kind = ChunkReader::Kind::request;
  settings.encoding = request.headers.value("grpc-encoding");
  settings.message_bytes_max = service_.message_bytes_max();
  auto reader = std::make_shared<ChunkReader>(std::move(settings), std::move(request.body),
                                              service_.scope().cancellation());
  std::optional<std::string_view> first;
  for (;;) {
    OUT_CO_TRY(first, reader->message());
    if (first || reader->at_end()) break;
    OUT_CO_CHECK(co_await reader->fill());
  }
  if (!first) co_return fail(Code::unknown, "EOF");
  OUT_CO_TRY(auto chunk, decode_request_chunk(*first));
  if (!chunk.is_complete) {
    co_return fail(
        parsing_error("request does not contain the required fields in the leading chunk"));
  }
  note_call(service_, *call, chunk.request.method);
  OUT_CO_TRY(const auto method, admit(service_, *call, chunk.request));
  OUT_CO_TRY(const auto length, declared_length(chunk.request));
  chunk.request.method = method;
  const bool events = wants_events(chunk.request.metadata_value("accept"));
  Answer answer;
  answer.caller = caller_of(chunk.request);
  service_.metrics().service.invocation_request_received(answer.caller);
  // The views of the request lie in bytes that body() may let go.
  auto prepared = service_.app().prepare(chunk.request, length, api::trace_of(*call));
  if (!prepared) co_return fail(channel_error(prepared.error()));
  OUT_CO_TRY(auto body, reader->body(chunk.payload, service_.scope()));
  auto reply = co_await within(*call, service_.app().call(*std::move(prepared), std::move(body)));
  if (!reply) co_return fail(channel_error(reply.error()));
  if (events && reply->is_http() && code_of_http_status(reply->status) != Code::ok) {
    // Upstream has it so, and callers know it: events or an error, but no other answer.
    co_return fail(Code::internal, "error invoking app channel: no response received from stream");
  }
  answer.reply = *std::move(reply);
  co_return answer;
}

net::Response InternalCalls::respond(Reply reply, Ended ended) {
  net::Response response;
  response.headers.add("content-type", "application/grpc");
  std::string frames;
  const std::uint64_t next = append_reply(frames, reply, reply.body.whole);
  if (!reply.body.is_stream()) {
    response.body = std::move(frames);
    append_status(response.body.trailers, Status());
    ended(Status());
    return response;
  }
  auto pipe = std::make_shared<net::Pipe>();
  pipe->push(std::move(frames));
  response.body = net::Body(pipe);
  ChunkWriter::Settings settings;
  settings.source = std::move(reply.body.stream);
  settings.out = pipe;
  settings.next_seq = next;
  auto writer = std::make_shared<ChunkWriter>(std::move(settings), service_.scope().cancellation());
  ChunkWriter::start(service_.scope(), std::move(writer),
                     [pipe, ended = std::move(ended)](Result<> result) mutable {
                       Status status;
                       if (!result) {
                         status = {.code = Code::unknown, .message = result.error().message()};
                       }
                       net::Headers trailers;
                       append_status(trailers, status);
                       pipe->finish(std::move(trailers));
                       ended(status);
                     });
  return response;
}

Task<Result<std::string>> call_local(Service& service, Call& call, std::string message) {
  OUT_CO_TRY(auto chunk, decode_request(message));
  if (!chunk.is_complete && chunk.request.method.empty()) {
    co_return fail(parsing_error("field Message is nil"));
  }
  note_call(service, call, chunk.request.method);
  OUT_CO_TRY(const auto method, admit(service, call, chunk.request));
  chunk.request.method = method;
  const std::string caller(caller_of(chunk.request));
  const telemetry::ServiceMetrics& metrics = service.metrics().service;
  metrics.invocation_request_received(caller);
  net::Body body;
  body.whole = chunk.data;
  auto prepared = service.app().prepare(chunk.request, body.whole.size(), api::trace_of(call));
  Result<Reply> reply = fail(Code::internal, "");
  if (prepared) {
    reply = co_await service.app().call(*std::move(prepared), std::move(body));
  } else {
    reply = fail(std::move(prepared).error());
  }
  if (!reply) {
    metrics.invocation_response_sent(caller, static_cast<int>(Code::internal));
    co_return fail(channel_error(reply.error()));
  }
  metrics.invocation_response_sent(caller, reply->status);
  auto data = co_await reply->body.read_all(service.message_bytes_max());
  if (!data) co_return fail(std::move(data).error());
  std::string out;
  encode_reply(out, *reply, *data);
  co_return out;
}

}  // namespace outrigger::runtime::invoke
