#include "runtime/peers/peers.h"

#include "base/random.h"
#include "net/tls.h"

namespace outrigger::runtime::peers {
namespace {

using components::nameresolution::ResolveRequest;

constexpr Duration kCacheTime = std::chrono::seconds(20);
constexpr int kEmptyAnswersMax = 5;
constexpr Duration kEmptyAnswerPause = std::chrono::milliseconds(100);
// As grpc-go's channels go idle.
constexpr Duration kIdleTime = std::chrono::minutes(3);

net::ClientOptions client_options(const Options& options) {
  net::ClientOptions client;
  client.idle_timeout = kIdleTime;
  client.connect_timeout = options.connect_timeout;
  client.ping_after = options.ping_after;
  client.ping_timeout = options.ping_timeout;
  return client;
}

std::string cache_key(const Target& target) { return target.app_namespace + "/" + target.app_id; }

}  // namespace

struct Peers::Impl {
  explicit Impl(Options given) : options(std::move(given)), client(client_options(options)) {}

  struct Known {
    std::vector<std::string> addresses;
    TimePoint until;
  };
  Options options;
  Resolver* resolver = nullptr;
  net::Client client;
  // Of resolvers that tell all addresses of an app.
  std::unordered_map<std::string, Known> known;

  ResolveRequest request_for(const Target& target) const {
    ResolveRequest request;
    request.id = target.app_id;
    request.app_namespace = target.app_namespace;
    request.port = options.internal_port;
    return request;
  }
  static const std::string& pick(const std::vector<std::string>& addresses) {
    return addresses[fast_random_below(addresses.size())];
  }
  Task<Result<std::string>> locate_among_many(Target target);
};

Peers::Peers(Options options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Peers::~Peers() = default;

void Peers::set_resolver(Resolver* resolver) noexcept { impl_->resolver = resolver; }

std::optional<std::string> Peers::locate_now(const Target& target) {
  Resolver* const resolver = impl_->resolver;
  if (resolver == nullptr) return std::nullopt;
  if (resolver->multi() == nullptr) return resolver->resolve_now(impl_->request_for(target));
  const auto found = impl_->known.find(cache_key(target));
  if (found == impl_->known.end()) return std::nullopt;
  if (found->second.until <= Loop::current().now()) {
    impl_->known.erase(found);
    return std::nullopt;
  }
  return Impl::pick(found->second.addresses);
}

Task<Result<std::string>> Peers::Impl::locate_among_many(Target target) {
  ResolveRequest request = request_for(target);
  auto addresses = co_await resolver->multi()->resolve_many(std::move(request));
  if (!addresses) co_return std::unexpected(std::move(addresses).error());
  if (addresses->empty()) co_return std::string();
  std::string chosen = pick(*addresses);
  Known& entry = known[cache_key(target)];
  entry.addresses = *std::move(addresses);
  entry.until = Loop::current().now() + kCacheTime;
  co_return chosen;
}

Task<Result<std::string>> Peers::locate(Target target) {
  Resolver* const resolver = impl_->resolver;
  if (resolver == nullptr) co_return fail(Code::unknown, "name resolver not initialized");
  if (auto address = locate_now(target); address && !address->empty()) co_return *address;
  for (int empty = 0;; ++empty) {
    Result<std::string> address;
    if (resolver->multi() != nullptr) {
      address = co_await impl_->locate_among_many(target);
    } else {
      ResolveRequest request = impl_->request_for(target);
      address = co_await resolver->resolve(std::move(request));
    }
    if (!address || !address->empty()) co_return address;
    if (empty == kEmptyAnswersMax) {
      co_return fail(Code::unknown, "resolver returned empty address for app id " +
                                        target.app_namespace + "/" + target.app_id);
    }
    OUT_CO_CHECK(co_await sleep_for(kEmptyAnswerPause));
  }
}

Task<Result<net::Response>> Peers::send(Target target, std::string address, net::Request request) {
  OUT_CO_TRY(auto parsed, net::parse_address(address));
  net::Endpoint endpoint;
  endpoint.address = std::move(parsed);
  endpoint.protocol = net::Endpoint::Protocol::http2;
  if (impl_->options.tls) endpoint.tls = impl_->options.tls(target);
  request.method = "POST";
  request.scheme = endpoint.tls ? "https" : "http";
  request.authority = std::move(address);
  if (!request.headers.contains("content-type")) {
    request.headers.add("content-type", "application/grpc");
  }
  if (!request.headers.contains("te")) request.headers.add("te", "trailers");
  auto response = co_await impl_->client.send(std::move(endpoint), std::move(request));
  co_return response;
}

void Peers::drop(const Target& target, std::string_view address) {
  if (auto parsed = net::parse_address(address)) {
    net::Endpoint endpoint;
    endpoint.address = *std::move(parsed);
    endpoint.protocol = net::Endpoint::Protocol::http2;
    if (impl_->options.tls) endpoint.tls = impl_->options.tls(target);
    impl_->client.forget(endpoint);
  }
  impl_->known.erase(cache_key(target));
  if (impl_->resolver != nullptr) impl_->resolver->evict(target.app_id, address);
}

Task<void> Peers::close() { co_await impl_->client.close(); }

}  // namespace outrigger::runtime::peers
