// A whole connection of a server, of either version, with handlers behind it that answer early,
// late, in streams and not at all: whatever a client sends, and however it leaves, every task ends.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/scope.h"
#include "fuzz/frames.h"
#include "fuzz/memory_transport.h"
#include "net/grpc/server.h"
#include "net/http/connection.h"

namespace {

using namespace outrigger;
using namespace outrigger::net;
using fuzz::MemoryTransport;

// So many turns without an end are a hang.
constexpr int kTurnsMax = 20'000;

/// Answers by the second byte of the path.
class Handler final : public RequestHandler {
 public:
  Task<Response> handle(Request request) override {
    Response response;
    switch (request.target.size() > 1 ? request.target[1] : 0) {
      case 'e': {  // All of the request, then all of it back.
        auto body = co_await request.body.read_all(1000);
        if (body) response.body = Body(std::move(*body));
        if (!body) response.status = 413;
        break;
      }
      case 'm':  // The stream itself goes back.
        response.content_length = request.content_length;
        response.body = std::move(request.body);
        break;
      case 'n': {
        Completion<> never;
        [[maybe_unused]] auto woken = co_await never.wait();
        break;
      }
      case 'b': {
        auto pipe = std::make_shared<Pipe>();
        pipe->push(std::string_view("half"));
        pipe->abort(Error(Code::unavailable, "gone"));
        response.body = Body(pipe);
        break;
      }
      case 'l': response.body = Body(std::string(100'000, 'x')); break;
      case 't': response.body.trailers.add("x-sum", "1"); break;
      default: response.status = 404; break;
    }
    co_return response;
  }
};

Task<Result<std::string>> repeat(grpc::Call& call, std::string message) {
  call.reply_trailers.add("x-path", call.path);
  co_return message;
}

Task<Result<>> repeat_all(grpc::Call&, grpc::ServerStream& stream) {
  for (;;) {
    auto message = co_await stream.read();
    if (!message) co_return std::unexpected(std::move(message).error());
    if (!*message) co_return Result<>();
    auto written = co_await stream.write(std::move(**message));
    if (!written) co_return written;
  }
}

/// What Server gives a protocol.
class Connection final : public http::Host {
 public:
  Connection(RequestHandler& handler, ServerOptions options, MemoryTransport::Reader reader)
      : transport_(reader), handler_(handler), options_(std::move(options)) {
    protocol_ = options_.http1 ? http::make_http1_server(*this) : http::make_http2_server(*this);
  }
  Transport& transport() noexcept override { return transport_; }
  RequestHandler& handler() noexcept override { return handler_; }
  const ServerOptions& options() const noexcept override { return options_; }
  bool draining() const noexcept override { return draining_; }
  void close(bool) override {
    if (closed_) return;
    closed_ = true;
    transport_.close();
    protocol_->on_closed();
  }
  void on_task_ended() override {}

  void give(std::string_view bytes) {
    protocol_->on_bytes(bytes);
    if (closed_) return;
    auto upgrade = protocol_->take_upgrade();
    if (upgrade) protocol_ = http::make_http2_server(*this, std::move(upgrade));
  }
  void end() {
    if (!closed_) protocol_->on_end();
  }
  void drain() {
    draining_ = true;
    if (!closed_) protocol_->drain();
  }
  void send_some() {
    const bool had = transport_.unsent() != 0;
    transport_.drain();
    if (had && !closed_) protocol_->on_drained();
  }
  [[nodiscard]] bool reads() const noexcept { return !closed_ && !transport_.paused(); }
  [[nodiscard]] bool closed() const noexcept { return closed_; }
  [[nodiscard]] bool quiet() const noexcept { return protocol_->quiet(); }

 private:
  MemoryTransport transport_;
  RequestHandler& handler_;
  const ServerOptions options_;
  bool closed_ = false;
  bool draining_ = false;
  std::unique_ptr<http::Protocol> protocol_;
};

/// What the client does, turn after turn.
class Client {
 public:
  Client(Connection& connection, std::string_view input, std::size_t piece, bool server_drains)
      : connection_(connection), rest_(input), piece_(piece), server_drains_(server_drains) {}

  /// One step; true once the connection is over and quiet.
  bool step() {
    OUT_ASSERT(++turns_ < kTurnsMax);
    Loop::current().post([] {});  // There is always another turn.
    connection_.send_some();
    // A connection is removed by posted work, after what was posted before.
    if (connection_.closed()) return connection_.quiet() && ++quiet_turns_ > 1;
    if (!rest_.empty() && connection_.reads()) {
      const std::string part(rest_.substr(0, piece_));
      rest_.remove_prefix(part.size());
      if (server_drains_ && rest_.size() <= part.size()) {
        server_drains_ = false;
        connection_.drain();
      }
      if (!connection_.closed()) connection_.give(part);
      return false;
    }
    // A few turns for the answers; then the client says that it is done, and leaves.
    if (++waited_ == 3) connection_.end();
    if (waited_ == 6) connection_.close(false);
    return false;
  }

 private:
  Connection& connection_;
  std::string_view rest_;
  const std::size_t piece_;
  bool server_drains_;
  int turns_ = 0;
  int waited_ = 0;
  int quiet_turns_ = 0;
};

}  // namespace

// The first byte is the size of the pieces, the second chooses what kind of server it is
// and whether HTTP/2 comes in short form (frames.h).
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const unsigned kind = data[1];
  ServerOptions options{.head_bytes_max = 512, .concurrent_streams_max = 20};
  options.http1 = (kind & 1) != 0;
  options.grpc = (kind & 2) != 0;
  std::string bytes;
  if (!options.http1) bytes.assign("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 33);
  const std::string_view input(reinterpret_cast<const char*>(data) + 2, size - 2);
  const bool in_short_form = !options.http1 && (kind & 32) != 0;
  bytes += in_short_form ? fuzz::frames_of(input) : std::string(input);

  Handler handler;
  grpc::Service service({.message_bytes_max = 1000});
  service.unary("/s/u", repeat);
  service.stream("/s/s", repeat_all);
  RequestHandler& chosen = options.grpc ? static_cast<RequestHandler&>(service) : handler;
  const auto reader =
      (kind & 4) != 0 ? MemoryTransport::Reader::slow : MemoryTransport::Reader::fast;
  const std::size_t piece = (data[0] + std::size_t{1}) * ((kind & 16) != 0 ? 64 : 1);

  Loop loop;
  std::unique_ptr<Connection> connection;
  std::unique_ptr<Client> client;
  loop.run_until([&] {
    if (!connection) {
      connection = std::make_unique<Connection>(chosen, options, reader);
      client = std::make_unique<Client>(*connection, bytes, piece, (kind & 8) != 0);
    }
    if (!client->step()) return false;
    connection.reset();
    return true;
  });
  run_on(loop, service.drain());
  return 0;
}
