#include "runtime/peers/peers.h"

#include "base/random.h"
#include "net/tls.h"

namespace outrigger::runtime::peers {
namespace {

using components::nameresolution::ResolveRequest;

constexpr Duration kCacheTime = std::chrono::seconds(20);
// How often a resolver is asked for another address than one that is avoided.
constexpr int kTurnsMax = 16;
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
  Avoided avoided;
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
  bool avoids(const Target& target, std::string_view address) const {
    return avoided && avoided(target, address);
  }
  const std::string& pick(const Target& target, const std::vector<std::string>& addresses) const;
  std::optional<std::string> resolve_now(const Target& target) const;
  Task<Result<std::string>> locate_among_many(Target target);
};

// From a random one on the first that is not avoided, or that random one.
const std::string& Peers::Impl::pick(const Target& target,
                                     const std::vector<std::string>& addresses) const {
  const std::size_t begin = fast_random_below(addresses.size());
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    const std::string& address = addresses[(begin + i) % addresses.size()];
    if (!avoids(target, address)) return address;
  }
  return addresses[begin];
}

// Resolvers of one address give another one in turn if they know some.
std::optional<std::string> Peers::Impl::resolve_now(const Target& target) const {
  auto address = resolver->resolve_now(request_for(target));
  for (int i = 0; i < kTurnsMax && address && avoids(target, *address); ++i) {
    address = resolver->resolve_now(request_for(target));
  }
  return address;
}

Peers::Peers(Options options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Peers::~Peers() = default;

void Peers::set_resolver(Resolver* resolver) noexcept { impl_->resolver = resolver; }

void Peers::set_avoided(Avoided avoided) noexcept { impl_->avoided = std::move(avoided); }

std::optional<std::string> Peers::locate_now(const Target& target) {
  Resolver* const resolver = impl_->resolver;
  if (resolver == nullptr) return std::nullopt;
  if (resolver->multi() == nullptr) return impl_->resolve_now(target);
  const auto found = impl_->known.find(cache_key(target));
  if (found == impl_->known.end()) return std::nullopt;
  if (found->second.until <= Loop::current().now()) {
    impl_->known.erase(found);
    return std::nullopt;
  }
  return impl_->pick(target, found->second.addresses);
}

Task<Result<std::string>> Peers::Impl::locate_among_many(Target target) {
  ResolveRequest request = request_for(target);
  auto addresses = co_await resolver->multi()->resolve_many(std::move(request));
  if (!addresses) co_return std::unexpected(std::move(addresses).error());
  if (addresses->empty()) co_return std::string();
  std::string chosen = pick(target, *addresses);
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
