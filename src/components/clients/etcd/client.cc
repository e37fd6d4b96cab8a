#include "components/clients/etcd/client.h"

#include <algorithm>

#include "components/clients/etcd/messages.h"
#include "net/grpc/channel.h"
#include "net/tls.h"

namespace outrigger::components::etcd {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kRange = "/etcdserverpb.KV/Range";
constexpr std::string_view kPut = "/etcdserverpb.KV/Put";
constexpr std::string_view kDeleteRange = "/etcdserverpb.KV/DeleteRange";
constexpr std::string_view kTxn = "/etcdserverpb.KV/Txn";
constexpr std::string_view kGrant = "/etcdserverpb.Lease/LeaseGrant";
constexpr std::string_view kRevoke = "/etcdserverpb.Lease/LeaseRevoke";
constexpr std::string_view kKeepAlive = "/etcdserverpb.Lease/LeaseKeepAlive";
constexpr std::string_view kWatch = "/etcdserverpb.Watch/Watch";
constexpr std::string_view kAuthenticate = "/etcdserverpb.Auth/Authenticate";

// Answers hold whole ranges: etcd's own client takes any size.
constexpr std::size_t kMessageBytesMax = std::size_t{1} << 30;
// Between two rounds over all endpoints.
constexpr Duration kPause = 200ms;
// How long one endpoint may take to be connected to, while there are others.
constexpr Duration kConnectTimeout = 3s;

/// May the request be given to another endpoint?
enum class Effect : std::uint8_t { reads, writes };

Result<net::Endpoint> parse_endpoint(std::string_view text, const Options& options) {
  net::Endpoint endpoint;
  endpoint.protocol = net::Endpoint::Protocol::http2;
  endpoint.tls = options.tls;
  constexpr std::string_view kPlain = "http://";
  constexpr std::string_view kSecure = "https://";
  if (text.starts_with(kPlain)) {
    text.remove_prefix(kPlain.size());
    endpoint.tls = nullptr;
  } else if (text.starts_with(kSecure)) {
    text.remove_prefix(kSecure.size());
    if (!endpoint.tls) {
      OUT_TRY(endpoint.tls, net::TlsContext::client({.alpn = {"h2"}}));
    }
  }
  while (text.ends_with('/')) text.remove_suffix(1);
  auto address = net::parse_address(text);
  if (!address) return std::unexpected(std::move(address).error().context("etcd endpoint"));
  endpoint.address = *std::move(address);
  return endpoint;
}

/// Whether a request has certainly not been done: there was no connection (the words of
/// net/connect), or the member had no leader to give it to.
bool not_done(const Error& error) {
  const std::string& message = error.message();
  return error.code() == Code::unavailable &&
         (message.starts_with("dial ") || message == "etcdserver: no leader" ||
          message == "etcdserver: not capable");
}

bool token_is_stale(const Error& error) {
  return error.code() == Code::unauthenticated &&
         error.message().find("invalid auth token") != std::string::npos;
}

net::ClientOptions client_options() {
  net::ClientOptions options;
  options.connect_timeout = kConnectTimeout;
  options.ping_after = 10s;
  options.ping_timeout = 5s;
  return options;
}

}  // namespace

struct Client::Impl {
  explicit Impl(Options given) : options(std::move(given)), client(client_options()) {}

  Options options;
  net::Client client;
  std::vector<std::unique_ptr<net::grpc::Channel>> channels;
  std::size_t current = 0;
  std::string token;
  std::uint64_t logins = 0;
  bool closed = false;

  net::grpc::Channel& channel() { return *channels[current]; }
  void next_endpoint(std::size_t failed) {
    // Another call may have moved on before.
    if (current == failed) current = (current + 1) % channels.size();
  }
  net::grpc::CallOptions call_options() const {
    net::grpc::CallOptions call;
    call.message_bytes_max = kMessageBytesMax;
    if (!token.empty()) call.metadata.add("token", token);
    return call;
  }

  Task<Result<>> login();
  Task<Result<std::string>> once(std::string_view path, std::string message);
  /// `last`: the error of the last endpoint that was tried.
  Task<Result<std::string>> persist(std::string_view path, std::string message, Effect effect,
                                    std::optional<Error>* last);
  Task<Result<std::string>> call(std::string_view path, std::string message, Effect effect);
  Task<Result<std::string>> renew_once(std::string message);
};

Task<Result<>> Client::Impl::login() {
  if (options.username.empty() || !token.empty()) co_return Result<>();
  auto reply = co_await channel().unary(std::string(kAuthenticate),
                                        encode_authenticate(options.username, options.password),
                                        call_options());
  if (!reply) co_return std::unexpected(std::move(reply).error());
  if (!reply->status.ok()) co_return std::unexpected(to_error(std::move(reply->status)));
  OUT_CO_TRY(token, decode_authenticate(reply->message));
  ++logins;
  co_return Result<>();
}

Task<Result<std::string>> Client::Impl::once(std::string_view path, std::string message) {
  OUT_CO_CHECK(co_await login());
  const std::uint64_t login_before = logins;
  auto reply = co_await channel().unary(std::string(path), std::move(message), call_options());
  if (!reply) co_return std::unexpected(std::move(reply).error());
  if (reply->status.ok()) co_return std::move(reply->message);
  Error error = to_error(std::move(reply->status));
  if (token_is_stale(error) && logins == login_before) token.clear();
  co_return std::unexpected(std::move(error));
}

Task<Result<std::string>> Client::Impl::call(std::string_view path, std::string message,
                                             Effect effect) {
  std::optional<Error> last;
  auto work = persist(path, std::move(message), effect, &last);
  auto reply = co_await with_timeout(std::move(work), options.timeout);
  if (!reply && reply.error().code() == Code::deadline_exceeded && last) {
    co_return std::unexpected(std::move(*last).context("etcd: no endpoint did it in time"));
  }
  co_return reply;
}

Task<Result<std::string>> Client::Impl::persist(std::string_view path, std::string message,
                                                Effect effect, std::optional<Error>* last) {
  bool fresh_token = false;
  for (std::size_t attempt = 1;; ++attempt) {
    if (closed) co_return fail(Code::cancelled, "the etcd client is closed");
    const std::size_t endpoint = current;
    auto reply = co_await once(path, message);
    if (reply) co_return reply;
    Cancellation* const mine = co_await this_cancellation();
    if (mine != nullptr && mine->requested()) {
      // Out of time, as likely as not: a member that hangs is not to be asked again first.
      next_endpoint(endpoint);
      co_return reply;
    }
    if (token_is_stale(reply.error()) && !fresh_token) {
      fresh_token = true;
      continue;
    }
    if (reply.error().code() != Code::unavailable) co_return reply;
    next_endpoint(endpoint);
    *last = reply.error();
    if (effect == Effect::writes && !not_done(reply.error())) co_return reply;
    if (attempt % channels.size() == 0) {
      OUT_CO_CHECK(co_await sleep_for(kPause));
    }
  }
}

Task<Result<std::string>> Client::Impl::renew_once(std::string message) {
  const std::size_t endpoint = current;
  if (auto known = co_await login(); !known) {
    next_endpoint(endpoint);
    co_return std::unexpected(std::move(known).error());
  }
  const auto stream = channel().stream(std::string(kKeepAlive), call_options());
  auto sent = co_await stream->write(std::move(message));
  if (sent) stream->finish_writing();
  auto answer = co_await stream->read();
  if (answer && *answer) co_return std::move(**answer);
  if (answer) co_return fail(Code::unavailable, "etcd ended a lease's stream without an answer");
  next_endpoint(endpoint);
  if (token_is_stale(answer.error())) token.clear();
  co_return std::unexpected(std::move(answer).error());
}

Client::Client(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Client::~Client() = default;

Result<std::unique_ptr<Client>> Client::make(Options options) {
  if (options.endpoints.empty()) return fail(Code::invalid_argument, "etcd: no endpoints");
  auto impl = std::make_unique<Impl>(std::move(options));
  for (const std::string& text : impl->options.endpoints) {
    OUT_TRY(auto endpoint, parse_endpoint(text, impl->options));
    impl->channels.push_back(
        std::make_unique<net::grpc::Channel>(impl->client, std::move(endpoint)));
  }
  return std::unique_ptr<Client>(new Client(std::move(impl)));
}

Task<Result<RangeReply>> Client::range(Range request) {
  auto bytes = encode(request);
  OUT_CO_TRY(const auto reply, co_await impl_->call(kRange, std::move(bytes), Effect::reads));
  co_return decode_range(reply);
}

Task<Result<std::int64_t>> Client::put(Put request) {
  auto bytes = encode(request);
  OUT_CO_TRY(const auto reply, co_await impl_->call(kPut, std::move(bytes), Effect::writes));
  co_return decode_put(reply);
}

Task<Result<std::int64_t>> Client::remove(Remove request) {
  auto bytes = encode(request);
  OUT_CO_TRY(const auto reply,
             co_await impl_->call(kDeleteRange, std::move(bytes), Effect::writes));
  co_return decode_remove(reply);
}

Task<Result<TxnReply>> Client::txn(Txn request) {
  auto bytes = encode(request);
  OUT_CO_TRY(const auto reply, co_await impl_->call(kTxn, std::move(bytes), Effect::writes));
  co_return decode_txn(reply);
}

Task<Result<std::int64_t>> Client::grant(std::chrono::seconds time_to_live) {
  auto bytes = encode_grant(time_to_live.count());
  // A lease nobody knows of runs out by itself.
  OUT_CO_TRY(const auto reply, co_await impl_->call(kGrant, std::move(bytes), Effect::reads));
  co_return decode_grant(reply);
}

Task<Result<>> Client::renew(std::int64_t lease) {
  auto renewing = impl_->renew_once(encode_renew(lease));
  OUT_CO_TRY(const auto reply, co_await with_timeout(std::move(renewing), impl_->options.timeout));
  OUT_CO_TRY(const auto seconds, decode_renew(reply));
  if (seconds <= 0) co_return fail(Code::not_found, "etcdserver: requested lease not found");
  co_return Result<>();
}

Task<Result<>> Client::revoke(std::int64_t lease) {
  auto bytes = encode_revoke(lease);
  OUT_CO_CHECK(co_await impl_->call(kRevoke, std::move(bytes), Effect::reads));
  co_return Result<>();
}

/// A watch that survives its stream.
class Watcher final : public Watch {
 public:
  Watcher(Client::Impl& client, std::string key, std::string end, std::int64_t revision)
      : client_(client), key_(std::move(key)), end_(std::move(end)), next_revision_(revision) {}

  Task<Result<Events>> next() override {
    for (;;) {
      if (client_.closed) co_return fail(Code::cancelled, "the etcd client is closed");
      auto events = co_await read_once();
      if (events && !events->events.empty()) co_return events;
      if (events) continue;
      Cancellation* const mine = co_await this_cancellation();
      if (mine != nullptr && mine->requested()) co_return events;
      if (events.error().code() != Code::unavailable) co_return events;
      stream_.reset();
      client_.next_endpoint(endpoint_);
      OUT_CO_CHECK(co_await sleep_for(kPause));
    }
  }

 private:
  Task<Result<>> begin() {
    OUT_CO_CHECK(co_await client_.login());
    endpoint_ = client_.current;
    stream_ = client_.channel().stream(std::string(kWatch), client_.call_options());
    co_return co_await stream_->write(encode_watch(key_, end_, next_revision_));
  }

  Task<Result<Events>> read_once() {
    if (!stream_) {
      OUT_CO_CHECK(co_await begin());
    }
    Events all;
    for (;;) {
      auto message = co_await stream_->read();
      if (!message) {
        if (token_is_stale(message.error())) {
          client_.token.clear();
          co_return fail(Code::unavailable, message.error().message());
        }
        co_return std::unexpected(std::move(message).error());
      }
      if (!*message) co_return fail(Code::unavailable, "etcd ended a watch");
      OUT_CO_TRY(auto news, decode_watch(**message));
      if (news.canceled) co_return refused(news);
      std::ranges::move(news.events.events, std::back_inserter(all.events));
      all.revision = news.events.revision;
      if (news.fragment) continue;
      advance(news.created, all);
      co_return all;
    }
  }

  /// Where to begin anew should the stream break.
  void advance(bool created, const Events& given) {
    // The first answer names the store's revision, but what lies before it is yet to come if the
    // watch was to begin in the past.
    if (created && next_revision_ != 0) return;
    next_revision_ = std::max(next_revision_, given.revision + 1);
  }

  Result<Events> refused(const WatchNews& news) {
    stream_.reset();
    if (news.compact_revision != 0) {
      return fail(Code::out_of_range, "etcd has forgotten what came after revision " +
                                          std::to_string(next_revision_) + "; it begins at " +
                                          std::to_string(news.compact_revision));
    }
    return fail(Code::failed_precondition, "etcd refuses a watch: " + news.reason);
  }

  Client::Impl& client_;
  std::string key_, end_;
  std::int64_t next_revision_;
  std::size_t endpoint_ = 0;
  std::shared_ptr<net::grpc::ClientStream> stream_;
};

std::unique_ptr<Watch> Client::watch(std::string key, std::string end, std::int64_t revision) {
  return std::make_unique<Watcher>(*impl_, std::move(key), std::move(end), revision);
}

Task<void> Client::close() {
  impl_->closed = true;
  for (auto& channel : impl_->channels) co_await channel->drain();
  co_await impl_->client.close();
}

}  // namespace outrigger::components::etcd
