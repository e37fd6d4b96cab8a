// A client's connection of either version: whatever a server answers, every call gets a response
// or an error, and every response body ends.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/scope.h"
#include "fuzz/frames.h"
#include "fuzz/memory_transport.h"
#include "net/grpc/channel.h"
#include "net/http/client_connection.h"

namespace {

using namespace outrigger;
using namespace outrigger::net;
using fuzz::MemoryTransport;

constexpr int kTurnsMax = 20'000;

class Pool final : public http::ClientConnection::Owner {
 public:
  void on_idle(http::ClientConnection&) override {}
  // Once when it is going away, and once when it has gone.
  void on_gone(http::ClientConnection&) override { OUT_ASSERT(++gone <= 2); }
  int gone = 0;
};

Task<void> read_answer(std::shared_ptr<http::Call> call, std::size_t limit_bytes) {
  auto response = co_await call->done.wait();
  if (!response) co_return;
  OUT_ASSERT(response->status >= 200 || response->status == 101);
  (void)grpc::status_of_response(*response, {});
  auto body = co_await response->body.read_all(limit_bytes);
  OUT_ASSERT(!body || body->size() <= limit_bytes);
  if (!body) co_return;
  const Headers& trailers =
      response->body.is_stream() ? response->body.stream->trailers() : response->body.trailers;
  (void)grpc::status_of_response(*response, trailers);
}

std::vector<Request> make_requests(unsigned kind) {
  std::vector<Request> requests(3);
  requests[0].method = "GET";
  requests[1].method = (kind & 2) != 0 ? "HEAD" : "DELETE";
  requests[2].method = "POST";
  requests[2].body = Body(std::string(1000, 'x'));
  if ((kind & 4) != 0) {  // A body that never ends.
    requests[2].body = Body(std::make_shared<Pipe>());
    requests[2].body.stream->push(std::string_view("begin"));
  }
  if ((kind & 8) != 0) std::swap(requests[0], requests[2]);
  for (Request& request : requests) {
    request.scheme = "http";
    request.authority = "a";
    request.target = "/a";
  }
  return requests;
}

/// Plays the server, turn after turn.
class Exchange {
 public:
  Exchange(unsigned kind, std::string_view input, std::size_t piece)
      : kind_(kind), rest_(input), piece_(piece), requests_(make_requests(kind)) {
    const auto reader =
        (kind & 16) != 0 ? MemoryTransport::Reader::slow : MemoryTransport::Reader::fast;
    auto transport = std::make_unique<MemoryTransport>(reader);
    transport_ = transport.get();
    connection_ = (kind & 1) != 0 ? http::make_http1_client(std::move(transport), pool_, {})
                                  : http::make_http2_client(std::move(transport), pool_, {});
  }

  /// True once all is over.
  bool step() {
    OUT_ASSERT(++turns_ < kTurnsMax);
    Loop::current().post([] {});  // There is always another turn.
    if (transport_->closed()) return scope_.running() == 0;
    start_calls();
    transport_->drain();
    if (transport_->closed()) return false;
    if (!rest_.empty() && !transport_->paused()) {
      const std::string part(rest_.substr(0, piece_));
      rest_.remove_prefix(part.size());
      transport_->events().on_bytes(part);
      return false;
    }
    if (++waited_ == 3) transport_->events().on_end();
    if (waited_ >= 6 && !transport_->closed()) connection_->close();
    return false;
  }

 private:
  void start_calls() {
    while (started_ < requests_.size() && connection_->takes_requests()) {
      auto call = connection_->start(requests_[started_++]);
      if (!call) continue;
      scope_.spawn(read_answer(*call, (kind_ & 32) != 0 ? 100 : 100'000));
    }
  }

  const unsigned kind_;
  std::string_view rest_;
  const std::size_t piece_;
  std::vector<Request> requests_;
  Pool pool_;
  Scope scope_;
  MemoryTransport* transport_;
  std::shared_ptr<http::ClientConnection> connection_;
  std::size_t started_ = 0;
  int turns_ = 0;
  int waited_ = 0;
};

}  // namespace

// The first byte is the size of the pieces, the second chooses the version, the
// requests, and whether HTTP/2 comes in short form (frames.h).
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const unsigned kind = data[1];
  const std::size_t piece = (data[0] + std::size_t{1}) * ((kind & 64) != 0 ? 64 : 1);
  std::string input(reinterpret_cast<const char*>(data) + 2, size - 2);
  if ((kind & 129) == 128) input = fuzz::frames_of(input);
  Loop loop;
  std::unique_ptr<Exchange> exchange;
  loop.run_until([&] {
    if (!exchange) exchange = std::make_unique<Exchange>(kind, input, piece);
    if (!exchange->step()) return false;
    exchange.reset();
    return true;
  });
  return 0;
}
