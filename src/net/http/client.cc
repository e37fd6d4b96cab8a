#include "net/http/client.h"

#include "base/scope.h"
#include "net/http/client_connection.h"
#include "net/tls.h"

namespace outrigger::net {
namespace http {
namespace {

/// The handshake of a connection whose protocol ALPN decides. What the server says right behind it
/// (HTTP/2: its SETTINGS) waits for the next owner.
class Handshake final : public Transport::Events {
 public:
  explicit Handshake(Transport& transport) : transport_(transport) {}
  Completion<> done;
  void on_bytes(std::string_view) override {}  // None: neither before the end nor behind it.
  void on_end() override { done.set(fail(Code::unavailable, "EOF in the TLS handshake")); }
  void on_error(const Error& error) override { done.set(std::unexpected(error)); }
  void on_drained() override {}
  void on_secured() override {
    transport_.pause_reading(true);
    done.set({});
  }

 private:
  Transport& transport_;
};

// Attempts of a request that its peers leave unprocessed, each on another connection if it can be.
constexpr int kAttemptsMax = 3;

/// Harmless to do twice (Go's client has the same rule).
bool replayable(const Request& request) {
  if (request.body.is_stream()) return false;
  const std::string& method = request.method;
  return method == "GET" || method == "HEAD" || method == "OPTIONS" || method == "TRACE" ||
         request.headers.contains("idempotency-key") ||
         request.headers.contains("x-idempotency-key");
}

}  // namespace
}  // namespace http

struct Client::Impl final : http::ClientConnection::Owner {
  using Connection = std::shared_ptr<http::ClientConnection>;
  struct Pool {
    std::vector<Connection> idle;   // HTTP/1.1, most recently used last.
    std::vector<Connection> multi;  // HTTP/2.
    std::size_t connecting = 0;     // HTTP/2: later callers wait for the first one's connection.
    Signal connected;
    std::size_t failures = 0;  // Of connecting; who waited for one gets its error.
    std::optional<Error> failure;
  };
  /// A send() that has not returned yet: close() waits for it.
  struct Sending {
    explicit Sending(Impl& impl) : impl(impl) { ++impl.sending; }
    ~Sending() {
      if (--impl.sending == 0) impl.quiet.notify_all();
    }
    Sending(const Sending&) = delete;
    Sending& operator=(const Sending&) = delete;
    Impl& impl;
  };

  explicit Impl(ClientOptions options) : options(std::move(options)) {}
  ~Impl() { OUT_ASSERT(all.empty()); }

  ClientOptions options;
  std::unordered_map<std::string, Pool> pools;
  std::unordered_map<http::ClientConnection*, Connection> all;
  std::vector<Cancellation*> opening;  // Of the connections that are being opened.
  std::size_t sending = 0;
  Signal quiet;
  bool closed = false;
  Timer sweep_timer{[this] { sweep(); }};

  // http::ClientConnection::Owner
  void on_idle(http::ClientConnection& connection) override {
    connection.idle_since = Loop::current().now();
    const auto found = all.find(&connection);
    if (found == all.end()) return;
    if (connection.forgotten) return retire(found->second);
    if (!sweep_timer.running()) sweep_timer.start(options.idle_timeout);
    Pool& pool = pools[connection.endpoint_key];
    if (std::find(pool.multi.begin(), pool.multi.end(), found->second) != pool.multi.end()) return;
    if (closed || pool.idle.size() >= options.idle_connections_max) return retire(found->second);
    pool.idle.push_back(found->second);
  }
  void on_gone(http::ClientConnection& connection) override {
    const auto found = all.find(&connection);
    if (found == all.end()) return;
    const Connection kept = found->second;
    Pool& pool = pools[connection.endpoint_key];
    std::erase(pool.idle, kept);
    std::erase(pool.multi, kept);
    // Going away with requests in flight: it stays until they have ended.
    if (connection.calls() != 0) return;
    all.erase(found);
    // Not destroyed in its own callback.
    Loop::current().post([kept] {});
  }
  void retire(const Connection& connection) {
    Loop::current().post([connection] { connection->close(); });
  }

  void sweep() {
    const TimePoint now = Loop::current().now();
    std::vector<Connection> old;
    bool left = false;
    for (auto& [key, pool] : pools) {
      for (auto* list : {&pool.idle, &pool.multi}) {
        for (const Connection& connection : *list) {
          if (connection->calls() != 0) continue;
          if (now - connection->idle_since >= options.idle_timeout) {
            old.push_back(connection);
          } else {
            left = true;
          }
        }
      }
    }
    for (const Connection& connection : old) connection->close();
    std::erase_if(pools, [](const auto& entry) {
      const Pool& pool = entry.second;
      return pool.idle.empty() && pool.multi.empty() && pool.connecting == 0 &&
             !pool.connected.has_waiters();
    });
    if (left) sweep_timer.start(options.idle_timeout / 2);
  }

  Connection pooled(const std::string& key, bool fresh) {
    const auto found = pools.find(key);
    if (found == pools.end()) return nullptr;
    Pool& pool = found->second;
    for (const Connection& connection : pool.multi) {
      if (connection->takes_requests()) return connection;
    }
    while (!fresh && !pool.idle.empty()) {
      Connection connection = std::move(pool.idle.back());
      pool.idle.pop_back();
      if (connection->takes_requests()) return connection;
    }
    return nullptr;
  }

  void forget(const std::string& key, Pool& pool);
  Task<Result<Connection>> acquire(Endpoint endpoint, std::string key, bool fresh);
  Task<Result<Connection>> open(Endpoint endpoint, std::string key);
  Task<Result<Response>> send(Endpoint endpoint, Request* request);
  Task<void> wait_quiet();
};

namespace {

Task<Result<std::unique_ptr<Transport>>> open_transport(Endpoint endpoint) {
  auto transport = co_await connect(endpoint.address);
  if (!transport || !endpoint.tls) co_return transport;
  const std::string name =
      endpoint.server_name.empty() ? endpoint.address.host : endpoint.server_name;
  co_return endpoint.tls->connect(std::move(*transport), name);
}

/// The transport with its handshake done, for the protocol to be known.
Task<Result<std::unique_ptr<Transport>>> open_secured(Endpoint endpoint) {
  OUT_CO_TRY(auto transport, co_await open_transport(endpoint));
  http::Handshake handshake(*transport);
  transport->start(handshake);
  auto secured = co_await handshake.done.wait();
  if (!secured) co_return std::unexpected(std::move(secured).error());
  co_return std::move(transport);
}

Task<Result<>> wait_ready(std::shared_ptr<http::ClientConnection> connection) {
  auto ready = co_await connection->ready()->wait();
  if (!ready && ready.error().code() == Code::deadline_exceeded) {
    ready = fail(Code::unavailable, "the server has not begun to speak HTTP/2 in time");
  }
  co_return ready;
}

}  // namespace

Task<Result<Client::Impl::Connection>> Client::Impl::open(Endpoint endpoint, std::string key) {
  const bool negotiate = endpoint.tls && endpoint.protocol == Endpoint::Protocol::negotiate;
  auto work = negotiate ? open_secured(endpoint) : open_transport(endpoint);
  Cancellation* const outer = co_await this_cancellation();
  const TimePoint until = Loop::current().now() + options.connect_timeout;
  Cancellation attempt(outer);
  opening.push_back(&attempt);
  auto opened = co_await with_timeout(std::move(work), options.connect_timeout).under(attempt);
  std::erase(opening, &attempt);
  if (closed) co_return fail(Code::cancelled, "the client is closed");
  OUT_CO_TRY(auto transport, std::move(opened));
  const bool http2 = endpoint.protocol == Endpoint::Protocol::http2 ||
                     (negotiate && transport->peer().alpn == "h2");
  Connection connection;
  if (http2) {
    connection = http::make_http2_client(std::move(transport), *this, options);
  } else {
    connection = http::make_http1_client(std::move(transport), *this, options);
  }
  connection->endpoint_key = key;
  all.emplace(connection.get(), connection);
  if (connection->ready() != nullptr) {
    // Until the peer's limit is known, requests above it would be refused.
    const Duration left = until - Loop::current().now();
    auto ready = co_await with_timeout(wait_ready(connection), left);
    if (!ready) {
      connection->close();
      co_return std::unexpected(std::move(ready).error());
    }
  }
  if (http2) pools[key].multi.push_back(connection);
  co_return connection;
}

Task<Result<Client::Impl::Connection>> Client::Impl::acquire(Endpoint endpoint, std::string key,
                                                             bool fresh) {
  for (;;) {
    if (closed) co_return fail(Code::cancelled, "the client is closed");
    if (Connection connection = pooled(key, fresh)) co_return connection;
    // One connection attempt at a time where requests can share it.
    if (endpoint.protocol != Endpoint::Protocol::http2 || pools[key].connecting == 0) break;
    const std::size_t failures = pools[key].failures;
    auto woken = co_await pools[key].connected.wait();
    if (!woken) co_return std::unexpected(std::move(woken).error());
    const Pool& pool = pools[key];
    if (pool.failures > failures) co_return std::unexpected(*pool.failure);
  }
  ++pools[key].connecting;
  auto connection = co_await open(std::move(endpoint), key);
  Cancellation* const mine = co_await this_cancellation();
  Pool& pool = pools[key];
  --pool.connecting;
  // An attempt that was called off says nothing to the others.
  if (!connection && (mine == nullptr || !mine->requested())) {
    ++pool.failures;
    pool.failure = connection.error();
  }
  pool.connected.notify_all();
  co_return connection;
}

namespace {

/// The end of the keys of all endpoints that it is used for.
std::string key_of(const TlsContext& tls) { return "|" + std::to_string(tls.id()); }

}  // namespace

std::string Endpoint::key() const {
  std::string key = address.to_string();
  key += protocol == Protocol::http2 ? "|2|" : protocol == Protocol::http1 ? "|1|" : "|n|";
  if (tls) key += server_name + key_of(*tls);
  return key;
}

Client::Client(ClientOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Client::~Client() = default;

Task<Result<Response>> Client::Impl::send(Endpoint endpoint, Request* request) {
  const std::string key = endpoint.key();
  for (int attempt = 1;; ++attempt) {
    OUT_CO_TRY(auto connection, co_await acquire(endpoint, key, attempt > 1));
    const bool reused = connection->used_before;
    auto call = connection->start(*request);
    if (!call) {
      // Not taken in use, so it will not say by itself that it is free.
      if (connection->takes_requests() && connection->calls() == 0) on_idle(*connection);
      if (call.error().code() == Code::unavailable && attempt < http::kAttemptsMax) continue;
      co_return std::unexpected(std::move(call).error());
    }
    auto response = co_await (*call)->done.wait();
    if (response) co_return response;
    Cancellation* const mine = co_await this_cancellation();
    if (mine != nullptr && mine->requested()) {
      (*call)->cancel();
      co_return response;
    }
    // The peer has refused it, or closed a kept connection as we wrote to it.
    const bool stale = reused && attempt == 1 && (*call)->unanswered && http::replayable(*request);
    const bool again = (*call)->unprocessed || stale;
    if (!again || attempt >= http::kAttemptsMax) co_return response;
  }
}

Task<Result<Response>> Client::send(Endpoint endpoint, Request request) {
  const Impl::Sending sending(*impl_);
  auto response = co_await impl_->send(std::move(endpoint), &request);
  // Whoever writes that stream shall not wait for a reader.
  if (!response && request.body.stream) request.body.stream->close();
  co_return response;
}

void Client::Impl::forget(const std::string& key, Pool& pool) {
  pool.idle.clear();
  pool.multi.clear();
  for (const auto& [raw, connection] : all) {
    if (connection->endpoint_key != key) continue;
    connection->forgotten = true;
    if (connection->calls() == 0) retire(connection);
  }
}

void Client::forget(const Endpoint& endpoint) {
  const auto found = impl_->pools.find(endpoint.key());
  if (found != impl_->pools.end()) impl_->forget(found->first, found->second);
}

void Client::forget(const TlsContext& tls) {
  const std::string mark = key_of(tls);
  for (auto& [key, pool] : impl_->pools) {
    if (key.ends_with(mark)) impl_->forget(key, pool);
  }
}

Task<void> Client::Impl::wait_quiet() {
  while (sending != 0) {
    // Under no cancellation: it cannot fail.
    [[maybe_unused]] auto woken = co_await quiet.wait();
  }
}

Task<void> Client::close() {
  impl_->closed = true;
  impl_->sweep_timer.stop();
  std::vector<Impl::Connection> open;
  for (auto& [raw, connection] : impl_->all) open.push_back(connection);
  for (const Impl::Connection& connection : open) connection->close();
  for (Cancellation* attempt : impl_->opening) attempt->request();
  for (auto& [key, pool] : impl_->pools) pool.connected.notify_all();
  Cancellation never;
  co_await impl_->wait_quiet().under(never);
  impl_->all.clear();
  impl_->pools.clear();
}

}  // namespace outrigger::net
