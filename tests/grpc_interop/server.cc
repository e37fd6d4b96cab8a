// grpc.testing.TestService on our own gRPC server, for the grpc project's interop client.
// server PORT [CERTIFICATE KEY]: on 127.0.0.1, with TLS if PEM files are named; until SIGTERM.

#include "net/grpc/server.h"

#include <array>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <latch>
#include <memory>
#include <string>
#include <vector>

#include "net/grpc/metadata.h"
#include "net/tls.h"
#include "tests/grpc_interop/interop.pb.h"

namespace outrigger::net::grpc {
namespace {

using namespace ::grpc::testing;
using namespace std::chrono_literals;

constexpr unsigned kLoops = 2;

// As the project's own servers allow: very_large_request sends 10 MiB.
constexpr std::size_t kMessageBytesMax = 16U << 20;
constexpr std::string_view kService = "/grpc.testing.TestService/";
constexpr std::string_view kEchoInitial = "x-grpc-test-echo-initial";
constexpr std::string_view kEchoTrailing = "x-grpc-test-echo-trailing-bin";

template <class Message>
Result<Message> parse(const std::string& bytes) {
  Message message;
  if (!message.ParseFromString(bytes)) return fail(Code::internal, "the message is malformed");
  return message;
}

template <class Message>
void set_payload(Message& reply, std::int32_t bytes) {
  reply.mutable_payload()->set_body(std::string(static_cast<std::size_t>(bytes), '\0'));
}

/// What the cases want back of their metadata.
Result<> echo_metadata(Call& call) {
  if (const auto initial = call.metadata.get(kEchoInitial)) {
    call.reply_metadata.add(kEchoInitial, *initial);
  }
  if (const auto trailing = call.metadata.get(kEchoTrailing)) {
    OUT_TRY(const auto bytes, decode_value(kEchoTrailing, *trailing));
    call.reply_trailers.add(kEchoTrailing, bytes);
  }
  return {};
}

template <class Request>
Result<> check_compression(const Call& call, const Request& request) {
  if (!request.has_expect_compressed()) return {};
  if (request.expect_compressed().value() == call.received_compressed) return {};
  return fail(Code::invalid_argument, "the message is compressed if it should not be, or not");
}

template <class Request>
Result<> check_status(const Request& request) {
  const EchoStatus& wanted = request.response_status();
  if (wanted.code() == 0) return {};
  return fail(static_cast<Code>(wanted.code()), wanted.message());
}

Task<Result<std::string>> empty_call(Call& call, std::string) {
  OUT_CO_CHECK(echo_metadata(call));
  co_return std::string();
}

Task<Result<std::string>> unary_call(Call& call, std::string message) {
  OUT_CO_CHECK(echo_metadata(call));
  OUT_CO_TRY(const auto request, parse<SimpleRequest>(message));
  OUT_CO_CHECK(check_compression(call, request));
  OUT_CO_CHECK(check_status(request));
  if (request.has_response_compressed()) call.gzip_replies = request.response_compressed().value();
  SimpleResponse reply;
  set_payload(reply, request.response_size());
  co_return reply.SerializeAsString();
}

Task<Result<>> send_responses(Call& call, ServerStream& stream,
                              StreamingOutputCallRequest request) {
  for (const ResponseParameters& parameters : request.response_parameters()) {
    if (parameters.interval_us() > 0) {
      OUT_CO_CHECK(co_await sleep_for(std::chrono::microseconds(parameters.interval_us())));
    }
    call.compress_next = parameters.compressed().value();
    StreamingOutputCallResponse reply;
    set_payload(reply, parameters.size());
    OUT_CO_CHECK(co_await stream.write(reply.SerializeAsString()));
  }
  co_return Result<>();
}

Task<Result<>> streaming_output_call(Call& call, ServerStream& stream) {
  OUT_CO_CHECK(echo_metadata(call));
  OUT_CO_TRY(const auto message, co_await stream.read());
  if (!message) co_return fail(Code::internal, "no request came");
  OUT_CO_TRY(auto request, parse<StreamingOutputCallRequest>(*message));
  OUT_CO_CHECK(check_status(request));
  call.gzip_replies = true;
  auto sent = co_await send_responses(call, stream, std::move(request));
  co_return sent;
}

Task<Result<>> streaming_input_call(Call& call, ServerStream& stream) {
  OUT_CO_CHECK(echo_metadata(call));
  StreamingInputCallResponse reply;
  for (;;) {
    OUT_CO_TRY(const auto message, co_await stream.read());
    if (!message) break;
    OUT_CO_TRY(const auto request, parse<StreamingInputCallRequest>(*message));
    OUT_CO_CHECK(check_compression(call, request));
    const auto bytes = static_cast<std::int32_t>(request.payload().body().size());
    reply.set_aggregated_payload_size(reply.aggregated_payload_size() + bytes);
  }
  auto sent = co_await stream.write(reply.SerializeAsString());
  co_return sent;
}

Task<Result<>> full_duplex_call(Call& call, ServerStream& stream) {
  OUT_CO_CHECK(echo_metadata(call));
  call.gzip_replies = true;
  for (;;) {
    OUT_CO_TRY(const auto message, co_await stream.read());
    if (!message) co_return Result<>();
    OUT_CO_TRY(auto request, parse<StreamingOutputCallRequest>(*message));
    OUT_CO_CHECK(check_status(request));
    OUT_CO_CHECK(co_await send_responses(call, stream, std::move(request)));
  }
}

Task<Result<>> half_duplex_call(Call& call, ServerStream& stream) {
  OUT_CO_CHECK(echo_metadata(call));
  call.gzip_replies = true;
  StreamingOutputCallRequest all;
  for (;;) {
    OUT_CO_TRY(const auto message, co_await stream.read());
    if (!message) break;
    OUT_CO_TRY(const auto request, parse<StreamingOutputCallRequest>(*message));
    all.mutable_response_parameters()->MergeFrom(request.response_parameters());
  }
  auto sent = co_await send_responses(call, stream, std::move(all));
  co_return sent;
}

std::unique_ptr<Service> make_service() {
  ServiceOptions options;
  options.message_bytes_max = kMessageBytesMax;
  auto service = std::make_unique<Service>(options);
  const auto path = [](std::string_view name) { return std::string(kService) += name; };
  service->unary(path("EmptyCall"), empty_call);
  service->unary(path("UnaryCall"), unary_call);
  service->unary(path("CacheableUnaryCall"), unary_call);
  service->stream(path("StreamingOutputCall"), streaming_output_call);
  service->stream(path("StreamingInputCall"), streaming_input_call);
  service->stream(path("FullDuplexCall"), full_duplex_call);
  service->stream(path("HalfDuplexCall"), half_duplex_call);
  return service;
}

std::string contents(const char* path) {
  std::ifstream file(path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

Result<ServerOptions> server_options(int count, char** arguments) {
  ServerOptions options;
  options.grpc = true;
  options.http1 = false;
  if (count < 4) return options;
  TlsOptions tls;
  tls.certificate_chain_pem = contents(arguments[2]);
  tls.private_key_pem = contents(arguments[3]);
  tls.alpn = {"h2"};
  OUT_TRY(options.tls, TlsContext::server(std::move(tls)));
  return options;
}

Task<void> stop(Server& server, std::latch& stopped) {
  co_await server.stop(1s);
  stopped.count_down();
}

Task<void> drain(Service& service, std::latch& drained) {
  co_await service.drain();
  drained.count_down();
}

Result<> serve(int count, char** arguments, const sigset_t& until) {
  std::uint16_t port = 0;
  const std::string_view text = arguments[1];
  std::from_chars(text.data(), text.data() + text.size(), port);
  OUT_TRY(auto options, server_options(count, arguments));
  OUT_TRY(auto listener, Listener::bind("127.0.0.1", port));
  Loops loops(kLoops);
  std::vector<std::unique_ptr<Service>> services;
  std::vector<RequestHandler*> handlers;
  for (unsigned i = 0; i < kLoops; ++i) {
    handlers.push_back(services.emplace_back(make_service()).get());
  }
  Server server(loops, handlers, std::move(options));
  server.listen(std::move(listener));
  loops.start();
  std::printf("listening on %u\n", port);
  std::fflush(stdout);
  int signal = 0;
  sigwait(&until, &signal);
  std::latch stopped(1);
  std::latch drained(kLoops);
  std::array<Scope, kLoops> ending;
  loops[0].post([&] { ending[0].spawn(stop(server, stopped)); });
  stopped.wait();
  for (unsigned i = 0; i < kLoops; ++i) {
    loops[i].post([&, i] { ending[i].spawn(drain(*services[i], drained)); });
  }
  drained.wait();
  loops.stop_and_join();
  return {};
}

}  // namespace
}  // namespace outrigger::net::grpc

int main(int count, char** arguments) {
  if (count != 2 && count != 4) {
    std::fputs("usage: server PORT [CERTIFICATE KEY]\n", stderr);
    return 2;
  }
  std::signal(SIGPIPE, SIG_IGN);
  sigset_t until;
  sigemptyset(&until);
  for (const int signal : {SIGINT, SIGTERM}) sigaddset(&until, signal);
  pthread_sigmask(SIG_BLOCK, &until, nullptr);
  if (auto served = outrigger::net::grpc::serve(count, arguments, until); !served) {
    std::fprintf(stderr, "%s\n", served.error().message().c_str());
    return 1;
  }
  return 0;
}
