// The interop cases of the grpc project with our own gRPC client, against any server of theirs.
// client PORT [CA]: to 127.0.0.1, with TLS if the CA's PEM file is named. Says of each case "ok" or
// "FAIL" and its name, and what was wrong.

#include <charconv>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "net/grpc/channel.h"
#include "net/grpc/metadata.h"
#include "net/tls.h"
#include "tests/grpc_interop/interop.pb.h"

namespace outrigger::net::grpc {
namespace {

using namespace ::grpc::testing;
using namespace std::chrono_literals;

constexpr std::string_view kEchoInitial = "x-grpc-test-echo-initial";
constexpr std::string_view kEchoTrailing = "x-grpc-test-echo-trailing-bin";

std::string path_of(std::string_view method) {
  return std::string("/grpc.testing.TestService/") += method;
}

/// An error unless it holds: what a case expects.
Result<> expect(bool holds, std::string what) {
  if (!holds) return fail(Code::failed_precondition, std::move(what));
  return {};
}
Result<> expect_status(const Status& status, Code code, std::string_view message) {
  return expect(
      status.code == code && (message.empty() || status.message == message),
      "the status is " + std::to_string(static_cast<int>(status.code)) + " " + status.message);
}

template <class Message>
void set_payload(Message& message, std::size_t bytes) {
  message.mutable_payload()->set_body(std::string(bytes, '\0'));
}
std::string simple_request(std::size_t bytes, std::int32_t reply_bytes) {
  SimpleRequest request;
  set_payload(request, bytes);
  request.set_response_size(reply_bytes);
  return request.SerializeAsString();
}
template <class Message>
Result<> expect_payload(const std::string& bytes, std::size_t size) {
  Message reply;
  OUT_CHECK(expect(reply.ParseFromString(bytes), "the reply is malformed"));
  return expect(reply.payload().body() == std::string(size, '\0'),
                "the payload has " + std::to_string(reply.payload().body().size()) + " bytes");
}

Task<Result<>> empty_unary(Channel& channel) {
  OUT_CO_TRY(const auto reply, co_await channel.unary(path_of("EmptyCall"), "", CallOptions()));
  OUT_CO_CHECK(expect_status(reply.status, Code::ok, ""));
  co_return expect(reply.message.empty(), "the reply is not empty");
}

Task<Result<>> large_unary(Channel& channel) {
  auto message = simple_request(271828, 314159);
  OUT_CO_TRY(const auto reply,
             co_await channel.unary(path_of("UnaryCall"), std::move(message), CallOptions()));
  OUT_CO_CHECK(expect_status(reply.status, Code::ok, ""));
  co_return expect_payload<SimpleResponse>(reply.message, 314159);
}

Task<Result<>> compressed_reply(Channel& channel, bool compressed) {
  SimpleRequest request;
  request.ParseFromString(simple_request(271828, 314159));
  request.mutable_response_compressed()->set_value(compressed);
  OUT_CO_TRY(const auto reply, co_await channel.unary(path_of("UnaryCall"),
                                                      request.SerializeAsString(), CallOptions()));
  OUT_CO_CHECK(expect_status(reply.status, Code::ok, ""));
  const bool gzip = reply.headers.value("grpc-encoding") == "gzip";
  OUT_CO_CHECK(expect(gzip == compressed, "the reply is compressed if it should not be, or not"));
  co_return expect_payload<SimpleResponse>(reply.message, 314159);
}
Task<Result<>> server_compressed_unary(Channel& channel) {
  OUT_CO_CHECK(co_await compressed_reply(channel, true));
  auto plain = co_await compressed_reply(channel, false);
  co_return plain;
}

Task<Result<>> client_streaming(Channel& channel) {
  auto stream = channel.stream(path_of("StreamingInputCall"), CallOptions());
  for (const std::size_t bytes : {27182U, 8U, 1828U, 45904U}) {
    StreamingInputCallRequest request;
    set_payload(request, bytes);
    OUT_CO_CHECK(co_await stream->write(request.SerializeAsString()));
  }
  stream->finish_writing();
  OUT_CO_TRY(const auto message, co_await stream->read());
  StreamingInputCallResponse reply;
  OUT_CO_CHECK(expect(message && reply.ParseFromString(*message), "no reply"));
  OUT_CO_CHECK(expect(reply.aggregated_payload_size() == 74922, "the sum is wrong"));
  OUT_CO_TRY(const auto end, co_await stream->read());
  co_return expect(!end, "more than one reply");
}

/// The replies to a request for these sizes, in order, and then the end.
Task<Result<>> stream_replies(Channel& channel, StreamingOutputCallRequest request) {
  auto stream = channel.stream(path_of("StreamingOutputCall"), CallOptions());
  OUT_CO_CHECK(co_await stream->write(request.SerializeAsString()));
  stream->finish_writing();
  for (const ResponseParameters& parameters : request.response_parameters()) {
    OUT_CO_TRY(const auto message, co_await stream->read());
    OUT_CO_CHECK(expect(message.has_value(), "too few replies"));
    const auto size = static_cast<std::size_t>(parameters.size());
    OUT_CO_CHECK(expect_payload<StreamingOutputCallResponse>(*message, size));
  }
  OUT_CO_TRY(const auto end, co_await stream->read());
  co_return expect(!end, "too many replies");
}
Task<Result<>> server_streaming(Channel& channel) {
  StreamingOutputCallRequest request;
  for (const std::int32_t size : {31415, 9, 2653, 58979}) {
    request.add_response_parameters()->set_size(size);
  }
  auto streamed = co_await stream_replies(channel, std::move(request));
  co_return streamed;
}
Task<Result<>> server_compressed_streaming(Channel& channel) {
  StreamingOutputCallRequest request;
  for (const bool compressed : {true, false}) {
    ResponseParameters& parameters = *request.add_response_parameters();
    parameters.set_size(compressed ? 31415 : 92653);
    parameters.mutable_compressed()->set_value(compressed);
  }
  auto streamed = co_await stream_replies(channel, std::move(request));
  co_return streamed;
}

std::string ping(std::size_t bytes, std::int32_t reply_bytes) {
  StreamingOutputCallRequest request;
  set_payload(request, bytes);
  request.add_response_parameters()->set_size(reply_bytes);
  return request.SerializeAsString();
}
Task<Result<>> ping_pong(Channel& channel) {
  auto stream = channel.stream(path_of("FullDuplexCall"), CallOptions());
  const std::pair<std::size_t, std::int32_t> sizes[] = {
      {27182, 31415}, {8, 9}, {1828, 2653}, {45904, 58979}};
  for (const auto& [bytes, reply_bytes] : sizes) {
    OUT_CO_CHECK(co_await stream->write(ping(bytes, reply_bytes)));
    OUT_CO_TRY(const auto message, co_await stream->read());
    OUT_CO_CHECK(expect(message.has_value(), "no reply"));
    const auto size = static_cast<std::size_t>(reply_bytes);
    OUT_CO_CHECK(expect_payload<StreamingOutputCallResponse>(*message, size));
  }
  stream->finish_writing();
  OUT_CO_TRY(const auto end, co_await stream->read());
  co_return expect(!end, "too many replies");
}

Task<Result<>> empty_stream(Channel& channel) {
  auto stream = channel.stream(path_of("FullDuplexCall"), CallOptions());
  stream->finish_writing();
  OUT_CO_TRY(const auto end, co_await stream->read());
  co_return expect(!end, "a reply to nothing");
}

const std::string kEchoedBytes("\x0a\x0b\x0a\x0b\x0a\x0b", 6);
CallOptions echoing() {
  CallOptions options;
  options.metadata.add(kEchoInitial, "test_initial_metadata_value");
  options.metadata.add(kEchoTrailing, kEchoedBytes);
  return options;
}
Result<> expect_echo(const Headers& headers, const Headers& trailers) {
  OUT_CHECK(expect(headers.value(kEchoInitial) == "test_initial_metadata_value",
                   "the initial metadata is missing"));
  OUT_TRY(const auto bytes, decode_value(kEchoTrailing, trailers.value(kEchoTrailing)));
  return expect(bytes == kEchoedBytes, "the trailing metadata is missing");
}
Task<Result<>> custom_metadata(Channel& channel) {
  auto message = simple_request(271828, 314159);
  OUT_CO_TRY(const auto reply,
             co_await channel.unary(path_of("UnaryCall"), std::move(message), echoing()));
  OUT_CO_CHECK(expect_echo(reply.headers, reply.trailers));
  auto stream = channel.stream(path_of("FullDuplexCall"), echoing());
  OUT_CO_CHECK(co_await stream->write(ping(271828, 314159)));
  stream->finish_writing();
  OUT_CO_TRY(const auto message_back, co_await stream->read());
  OUT_CO_CHECK(expect(message_back.has_value(), "no reply"));
  OUT_CO_TRY(const auto end, co_await stream->read());
  OUT_CO_CHECK(expect(!end, "too many replies"));
  OUT_CO_TRY(const auto headers, co_await stream->headers());
  co_return expect_echo(headers, stream->trailers());
}

template <class Request>
std::string asking_for(Code code, std::string_view message) {
  Request request;
  request.mutable_response_status()->set_code(static_cast<int>(code));
  request.mutable_response_status()->set_message(std::string(message));
  return request.SerializeAsString();
}
Task<Result<>> status_code_and_message(Channel& channel) {
  auto message = asking_for<SimpleRequest>(Code::unknown, "test status message");
  OUT_CO_TRY(const auto reply,
             co_await channel.unary(path_of("UnaryCall"), std::move(message), CallOptions()));
  OUT_CO_CHECK(expect_status(reply.status, Code::unknown, "test status message"));
  auto stream = channel.stream(path_of("FullDuplexCall"), CallOptions());
  message = asking_for<StreamingOutputCallRequest>(Code::unknown, "test status message");
  OUT_CO_CHECK(co_await stream->write(std::move(message)));
  stream->finish_writing();
  const auto end = co_await stream->read();
  OUT_CO_CHECK(expect(!end, "the call has not failed"));
  co_return expect_status(to_status(end.error()), Code::unknown, "test status message");
}
Task<Result<>> special_status_message(Channel& channel) {
  constexpr std::string_view text =
      "\t\ntest with whitespace\r\nand Unicode BMP \xe2\x98\xba and non-BMP \xf0\x9f\x98\x88\t\n";
  auto message = asking_for<SimpleRequest>(Code::unknown, text);
  OUT_CO_TRY(const auto reply,
             co_await channel.unary(path_of("UnaryCall"), std::move(message), CallOptions()));
  co_return expect_status(reply.status, Code::unknown, text);
}

Task<Result<>> unimplemented_method(Channel& channel) {
  OUT_CO_TRY(const auto reply,
             co_await channel.unary(path_of("UnimplementedCall"), "", CallOptions()));
  co_return expect_status(reply.status, Code::unimplemented, "");
}
Task<Result<>> unimplemented_service(Channel& channel) {
  const std::string path = "/grpc.testing.UnimplementedService/UnimplementedCall";
  OUT_CO_TRY(const auto reply, co_await channel.unary(path, "", CallOptions()));
  co_return expect_status(reply.status, Code::unimplemented, "");
}

Task<Result<>> cancel_after_begin(Channel& channel) {
  auto stream = channel.stream(path_of("StreamingInputCall"), CallOptions());
  stream->cancel();
  const auto end = co_await stream->read();
  OUT_CO_CHECK(expect(!end, "the call has not failed"));
  co_return expect_status(to_status(end.error()), Code::cancelled, "");
}
Task<Result<>> cancel_after_first_response(Channel& channel) {
  auto stream = channel.stream(path_of("FullDuplexCall"), CallOptions());
  OUT_CO_CHECK(co_await stream->write(ping(27182, 31415)));
  OUT_CO_TRY(const auto first, co_await stream->read());
  OUT_CO_CHECK(expect(first.has_value(), "no reply"));
  stream->cancel();
  const auto end = co_await stream->read();
  OUT_CO_CHECK(expect(!end, "the call has not failed"));
  co_return expect_status(to_status(end.error()), Code::cancelled, "");
}
Task<Result<>> timeout_on_sleeping_server(Channel& channel) {
  CallOptions options;
  options.timeout = 1ms;
  auto stream = channel.stream(path_of("FullDuplexCall"), std::move(options));
  // It may have failed by then: how is what counts.
  [[maybe_unused]] const auto written = co_await stream->write(ping(27182, 31415));
  for (;;) {
    const auto message = co_await stream->read();
    if (!message) {
      co_return expect_status(to_status(message.error()), Code::deadline_exceeded, "");
    }
    OUT_CO_CHECK(expect(message->has_value(), "the call has not failed"));
  }
}

struct Case {
  const char* name;
  Task<Result<>> (*run)(Channel&);
};
constexpr Case kCases[] = {
    {"empty_unary", empty_unary},
    {"large_unary", large_unary},
    {"server_compressed_unary", server_compressed_unary},
    {"client_streaming", client_streaming},
    {"server_streaming", server_streaming},
    {"server_compressed_streaming", server_compressed_streaming},
    {"ping_pong", ping_pong},
    {"empty_stream", empty_stream},
    {"custom_metadata", custom_metadata},
    {"status_code_and_message", status_code_and_message},
    {"special_status_message", special_status_message},
    {"unimplemented_method", unimplemented_method},
    {"unimplemented_service", unimplemented_service},
    {"cancel_after_begin", cancel_after_begin},
    {"cancel_after_first_response", cancel_after_first_response},
    {"timeout_on_sleeping_server", timeout_on_sleeping_server},
};

Task<int> run_cases(Endpoint endpoint) {
  int failed = 0;
  Client client;
  {
    Channel channel(client, std::move(endpoint));
    for (const Case& one : kCases) {
      auto result = co_await with_timeout(one.run(channel), 20s);
      std::printf("%s %s\n", result ? "ok  " : "FAIL", one.name);
      if (!result) std::printf("%s\n", result.error().message().c_str());
      if (!result) ++failed;
    }
    co_await channel.drain();
  }
  co_await client.close();
  co_return failed;
}

Result<Endpoint> endpoint_of(int count, char** arguments) {
  Endpoint endpoint;
  endpoint.address.host = "127.0.0.1";
  const std::string_view text = arguments[1];
  std::from_chars(text.data(), text.data() + text.size(), endpoint.address.port);
  endpoint.protocol = Endpoint::Protocol::http2;
  if (count == 2) return endpoint;
  std::ifstream file(arguments[2]);
  TlsOptions trust;
  trust.ca_pem = std::string(std::istreambuf_iterator<char>(file), {});
  trust.alpn = {"h2"};
  OUT_TRY(endpoint.tls, TlsContext::client(std::move(trust)));
  endpoint.server_name = "foo.test.google.fr";  // In the certificate of the project's servers.
  return endpoint;
}

}  // namespace
}  // namespace outrigger::net::grpc

int main(int count, char** arguments) {
  if (count != 2 && count != 3) {
    std::fputs("usage: client PORT [CA]\n", stderr);
    return 2;
  }
  auto endpoint = outrigger::net::grpc::endpoint_of(count, arguments);
  if (!endpoint) {
    std::fprintf(stderr, "%s\n", endpoint.error().message().c_str());
    return 1;
  }
  return outrigger::run(outrigger::net::grpc::run_cases(*std::move(endpoint))) == 0 ? 0 : 1;
}
