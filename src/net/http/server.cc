#include "net/http/server.h"

#include <ctime>
#include <unordered_map>

#include "base/scope.h"
#include "net/http/connection.h"
#include "net/tls.h"

namespace outrigger::net {
namespace http {
namespace {

constexpr std::string_view kHttp2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
// A connection that is being closed is read on for so long after its last answer has left, and is
// given up if the client takes nothing of that answer for so long.
constexpr auto kLinger = std::chrono::seconds(5);
// The same at the end of the server when all has left: clients that ignore GOAWAY must not use up
// the time that a shutdown has (5 s by default).
constexpr auto kDrainLinger = std::chrono::seconds(1);
// For the first bytes on a port that speaks HTTP/2 only (grpc-go: 120 s for a new connection).
constexpr auto kPrefacePatience = std::chrono::seconds(120);

/// A first line that is neither HTTP/1 nor the preface of HTTP/2: a connection that is to be closed
/// without a word (RFC 9113, section 3.4).
bool is_no_request_line(std::string_view bytes) {
  const std::size_t end = bytes.find("\r\n");
  return end != std::string_view::npos && end != 0 &&
         bytes.substr(0, end).find(" HTTP/") == std::string_view::npos;
}

class ServerConnection;

/// The connections of one loop.
struct Shard {
  Shard(Loop& loop, RequestHandler& handler, const ServerOptions& options)
      : loop(loop), handler(handler), options(options) {}
  Loop& loop;
  RequestHandler& handler;
  const ServerOptions& options;
  std::unordered_map<ServerConnection*, std::unique_ptr<ServerConnection>> connections;
  std::atomic<std::size_t> count = 0;
  Signal emptied;
  bool draining = false;
  /// Draining, but connections that may have a request on its way are served once more.
  bool farewell = false;

  void add(int fd, Peer peer);
  void remove(ServerConnection* connection);
  void drain_all();
  Task<Result<>> stop(Duration grace, Duration farewell_time);
};

class ServerConnection final : public Transport::Events, Host {
 public:
  ServerConnection(Shard& shard, std::unique_ptr<Transport> transport)
      : shard_(shard), transport_(std::move(transport)) {}
  ~ServerConnection() { protocol_.reset(); }

  void start() {
    patience_.start(shard_.options.http1 ? shard_.options.head_timeout : kPrefacePatience);
    transport_->start(*this);
  }

  void drain() {
    if (shard_.farewell && !(protocol_ && protocol_->says_goodbye())) return;
    if (protocol_) return protocol_->drain();
    close(false);
  }
  void abort() { close(false); }

  // Transport::Events
  void on_bytes(std::string_view bytes) override {
    if (closed_ || closing_) return;
    if (protocol_) return give(bytes);
    // The first bytes tell the version: HTTP/2 begins with its preface.
    first_bytes_ += bytes;
    const std::string_view seen = std::string_view(first_bytes_).substr(0, kHttp2Preface.size());
    const ServerOptions& server = shard_.options;
    if (server.http2 && kHttp2Preface.starts_with(seen)) {
      if (seen.size() < kHttp2Preface.size() && server.http1) return;
      protocol_ = make_http2_server(*this);
    } else if (server.http1) {
      if (server.http2 && is_no_request_line(first_bytes_)) return close(false);
      protocol_ = make_http1_server(*this);
    } else {
      protocol_ = make_http2_server(*this);  // It answers the wrong preface with a GOAWAY.
    }
    patience_.stop();
    const std::string buffered = std::move(first_bytes_);
    first_bytes_.clear();
    give(buffered);
    if (shard_.farewell && !closed_ && !closing_ && protocol_->says_goodbye()) protocol_->drain();
  }
  void on_end() override {
    if (closed_) return;
    peer_ended_ = true;
    if (protocol_ && !closing_) return protocol_->on_end();
    close(true);
  }
  void on_error(const Error&) override { close(false); }
  void on_drained() override {
    if (closed_) return;
    if (!closing_) {
      if (protocol_) protocol_->on_drained();
    } else if (peer_ended_) {
      close(false);
    } else {
      linger();
    }
  }

  // Host
  Transport& transport() noexcept override { return *transport_; }
  RequestHandler& handler() noexcept override { return shard_.handler; }
  const ServerOptions& options() const noexcept override { return shard_.options; }
  bool draining() const noexcept override { return shard_.draining; }
  void close(bool send_rest) override {
    if (closed_) return;
    if (send_rest && !(peer_ended_ && transport_->unsent() == 0)) {
      // The sending side ends first; the rest of what the client sends is read and dropped for a
      // while, because a reset could overtake our last answer.
      if (!std::exchange(closing_, true)) {
        transport_->finish_sending();
        linger();
      }
      // What is due at the end of this turn may be all there is.
      if (peer_ended_) linger_.start(Duration::zero());
      return;
    }
    closed_ = true;
    linger_.stop();
    patience_.stop();
    transport_->close();
    if (protocol_) protocol_->on_closed();
    on_task_ended();
  }
  void on_task_ended() override {
    if (!closed_ || removing_ || (protocol_ && !protocol_->quiet())) return;
    removing_ = true;
    // Later: the caller may be deep inside this object.
    shard_.loop.post([this] { shard_.remove(this); });
  }

 private:
  void give(std::string_view bytes) {
    protocol_->on_bytes(bytes);
    if (closed_) return;
    auto upgrade = protocol_->take_upgrade();
    if (!upgrade) return;
    protocol_ = make_http2_server(*this, std::move(upgrade));
  }

  void linger() { linger_.start(shard_.draining ? kDrainLinger : kLinger); }
  void on_linger() {
    const std::size_t left = transport_->unsent();
    const TimePoint now = shard_.loop.now();
    if (left < unsent_before_) {
      unsent_before_ = left;
      taken_at_ = now;
    }
    if (left == 0 || now - taken_at_ >= kLinger) return close(false);
    linger();
  }

  Shard& shard_;
  std::unique_ptr<Transport> transport_;
  std::unique_ptr<Protocol> protocol_;
  std::string first_bytes_;
  Timer linger_{[this] { on_linger(); }};
  Timer patience_{[this] { close(false); }};
  TimePoint taken_at_;  // When unsent_before_ was new.
  std::size_t unsent_before_ = std::numeric_limits<std::size_t>::max();
  bool peer_ended_ = false;
  bool closing_ = false;
  bool closed_ = false;
  bool removing_ = false;
};

void Shard::add(int fd, Peer peer) {
  auto transport = make_socket_transport(fd, std::move(peer));
  if (options.tls) transport = options.tls->accept(std::move(transport));
  auto connection = std::make_unique<ServerConnection>(*this, std::move(transport));
  ServerConnection* raw = connection.get();
  connections.emplace(raw, std::move(connection));
  count.fetch_add(1, std::memory_order_relaxed);
  raw->start();
  if (draining && !farewell) raw->abort();
}

void Shard::remove(ServerConnection* connection) {
  connections.erase(connection);
  count.fetch_sub(1, std::memory_order_relaxed);
  if (connections.empty()) emptied.notify_all();
}

Task<Result<>> wait_empty(Shard& shard) {
  while (!shard.connections.empty()) {
    auto woken = co_await shard.emptied.wait();
    if (!woken) co_return woken;
  }
  co_return Result<>();
}

void Shard::drain_all() {
  std::vector<ServerConnection*> all;
  for (const auto& connection : connections) all.push_back(connection.first);
  for (ServerConnection* connection : all) connection->drain();
}

Task<Result<>> Shard::stop(Duration grace, Duration farewell_time) {
  draining = true;
  farewell = farewell_time > Duration::zero();
  drain_all();
  if (farewell) {
    [[maybe_unused]] auto gone = co_await with_timeout(wait_empty(*this), farewell_time);
    farewell = false;
    drain_all();
  }
  auto emptied_in_time = co_await with_timeout(wait_empty(*this), grace);
  if (emptied_in_time) co_return Result<>();
  std::vector<ServerConnection*> all;
  for (const auto& connection : connections) all.push_back(connection.first);
  for (ServerConnection* connection : all) connection->abort();
  // Cancelled handlers end soon; this waits for them without a limit.
  Cancellation never;
  [[maybe_unused]] auto done = co_await wait_empty(*this).under(never);
  co_return Result<>();
}

}  // namespace

std::string_view http_date() {
  thread_local std::time_t made_at = 0;
  thread_local char text[40];
  thread_local std::size_t size = 0;
  const std::time_t now = std::time(nullptr);
  if (now != made_at) {
    std::tm parts{};
    gmtime_r(&now, &parts);
    size = std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
    made_at = now;
  }
  return {text, size};
}

}  // namespace http

struct Server::Impl {
  Impl(Loops& loops, ServerOptions options) : loops(loops), options(std::move(options)) {}
  Loops& loops;
  ServerOptions options;
  std::vector<std::unique_ptr<http::Shard>> shards;
  std::vector<std::unique_ptr<Listener>> listeners;
  std::atomic<unsigned> next = 0;

  void accepted(int fd, Peer peer) {
    http::Shard& shard = *shards[next.fetch_add(1, std::memory_order_relaxed) % shards.size()];
    if (Loop::on_a_loop() && &Loop::current() == &shard.loop) {
      return shard.add(fd, std::move(peer));
    }
    shard.loop.post(
        [&shard, fd, peer = std::move(peer)]() mutable { shard.add(fd, std::move(peer)); });
  }
};

Server::Server(Loops& loops, std::vector<RequestHandler*> handlers, ServerOptions options)
    : impl_(std::make_unique<Impl>(loops, std::move(options))) {
  OUT_ASSERT(handlers.size() == loops.size());
  for (unsigned i = 0; i < loops.size(); ++i) {
    impl_->shards.push_back(std::make_unique<http::Shard>(loops[i], *handlers[i], impl_->options));
  }
}

Server::~Server() = default;

void Server::listen(std::unique_ptr<Listener> listener) {
  Listener* raw = listener.get();
  impl_->listeners.push_back(std::move(listener));
  auto start = [this, raw] {
    raw->start([this](int fd, Peer peer) { impl_->accepted(fd, std::move(peer)); });
  };
  if (Loop::on_a_loop()) return start();
  impl_->loops[0].post(start);
}

namespace {

Task<void> stop_shard(http::Shard& shard, Duration grace, Duration farewell) {
  std::move_only_function<Task<Result<>>()> make = [&shard, grace, farewell] {
    return shard.stop(grace, farewell);
  };
  [[maybe_unused]] auto stopped = co_await call_on<void>(shard.loop, std::move(make));
}

}  // namespace

Task<void> Server::stop(Duration grace, Duration farewell) {
  for (auto& listener : impl_->listeners) listener->close();
  std::vector<Task<void>> all;
  for (auto& shard : impl_->shards) all.push_back(stop_shard(*shard, grace, farewell));
  co_await run_all(std::move(all));
}

std::size_t Server::connections() const noexcept {
  std::size_t total = 0;
  for (const auto& shard : impl_->shards) total += shard->count.load(std::memory_order_relaxed);
  return total;
}

}  // namespace outrigger::net
