#include "runtime/sidecar/servers.h"

#include <array>

#include <unistd.h>

#include "base/log.h"
#include "net/http/metrics_page.h"
#include "runtime/sidecar/ports.h"

namespace outrigger::runtime {
namespace {

using namespace std::chrono_literals;

const Logger log("dapr.runtime");

// What Go's HTTP server adds to MaxHeaderBytes.
constexpr std::size_t kHeadSlackBytes = 4096;
// Upstream's gRPC servers: read buffer size in bytes, shifted by ten.
constexpr int kGrpcHeadShift = 10;
// Streams of one connection that may be open at once. Clients hold back what is above, so they do
// not notice, unless so many calls last for ever. Go's HTTP/2 server has 250; grpc-go has no limit,
// and gives a client as much memory as it asks for: a stream costs about 12 kB.
constexpr std::uint32_t kHttpStreamsMax = 1000;
constexpr std::uint32_t kGrpcStreamsMax = 10'000;

/// The profile port answers, so that whoever probes it finds it; profiles of this program are made
/// with the system's own tools.
class ProfileHandler final : public net::RequestHandler {
 public:
  Task<net::Response> handle(net::Request) override {
    net::Response response;
    response.status = 404;
    response.headers.add("Content-Type", "text/plain; charset=utf-8");
    response.body = "no pprof profiles: use perf on this process\n";
    co_return response;
  }
};

}  // namespace

struct Servers::Impl {
  Impl(Loops& all, Shared& common, Ports& doors)
      : loops(all),
        shared(common),
        ports(doors),
        metrics([&common] { return common.metrics.render(); }),
        listen(common.settings.options.listen) {}

  Loops& loops;
  Shared& shared;
  Ports& ports;
  net::http::MetricsPage metrics;
  ProfileHandler profile;
  const options::Listeners& listen;
  std::unique_ptr<net::Listener> internal_reserved;
  std::vector<std::unique_ptr<net::Server>> servers;

  net::ServerOptions http_options() const {
    net::ServerOptions options;
    options.head_bytes_max =
        static_cast<std::size_t>(std::max<std::int64_t>(listen.head_bytes_max, 0)) +
        kHeadSlackBytes;
    options.http2 = listen.http2_cleartext;
    options.concurrent_streams_max = kHttpStreamsMax;
    return options;
  }
  net::ServerOptions grpc_options() const {
    net::ServerOptions options;
    options.grpc = true;
    options.http1 = false;
    options.concurrent_streams_max = kGrpcStreamsMax;
    options.header_list_bytes_max = static_cast<std::size_t>(
        std::clamp<std::int64_t>(listen.head_bytes_max << kGrpcHeadShift, 4096, 1 << 28));
    // Upstream's, for the API as for other sidecars: SDKs may ping every ten seconds.
    options.keep_alive.ping_after = 10s;
    options.keep_alive.ping_timeout = 5s;
    options.keep_alive.idle_max = 3min;
    options.keep_alive.client_ping_min = 8s;
    return options;
  }
  net::Server& add(std::vector<net::RequestHandler*> handlers, net::ServerOptions options) {
    servers.push_back(
        std::make_unique<net::Server>(loops, std::move(handlers), std::move(options)));
    return *servers.back();
  }
  std::vector<net::RequestHandler*> everywhere(net::RequestHandler& handler) const {
    return std::vector<net::RequestHandler*>(loops.size(), &handler);
  }
  Task<Result<>> serve(net::Server& server, std::vector<std::string> addresses, int port,
                       Patience patience = Patience::as_upstream) {
    OUT_CO_TRY(auto bound, co_await bind_port(ports, std::move(addresses), port, patience));
    for (auto& listener : bound) server.listen(std::move(listener));
    co_return Result<>();
  }
  Result<> serve_unix(net::Server& server, const std::string& kind) {
    const std::string path =
        listen.unix_folder + "/dapr-" + shared.settings.identity.app_id + "-" + kind + ".socket";
    OUT_TRY(auto listener, ports.bind_unix(path));
    server.listen(std::move(listener));
    return {};
  }
  template <class Get>
  std::vector<net::RequestHandler*> handlers(const std::vector<std::unique_ptr<Worker>>& workers,
                                             Get get) const {
    std::vector<net::RequestHandler*> all;
    for (const auto& worker : workers) all.push_back(&get(*worker));
    return all;
  }
};

Servers::Servers(Loops& loops, Shared& shared, Ports& ports)
    : impl_(std::make_unique<Impl>(loops, shared, ports)) {}
Servers::~Servers() = default;

Task<Result<>> Servers::open_metrics() {
  if (!impl_->listen.metrics) co_return Result<>();
  net::Server& server = impl_->add(impl_->everywhere(impl_->metrics), impl_->http_options());
  std::vector<std::string> addresses;
  addresses.push_back(impl_->listen.metrics_address);
  auto serving = co_await impl_->serve(server, std::move(addresses), impl_->listen.metrics_port,
                                       Patience::none);
  if (!serving) {
    co_return fail(serving.error().code(),
                   "failed to start metrics server: " + serving.error().message());
  }
  log.info("metrics server started on ", impl_->listen.metrics_address, ":",
           impl_->listen.metrics_port, "/");
  co_return Result<>();
}

void Servers::reserve_internal() {
  const options::Listeners& listen = impl_->listen;
  int port = listen.internal_port.value_or(0);
  if (port == 0) {
    char host[256] = "";
    ::gethostname(host, sizeof host - 1);
    char folder[4096] = "";
    if (::getcwd(folder, sizeof folder) == nullptr) folder[0] = '\0';
    port = options::stable_port(impl_->shared.settings.identity.app_id, folder, ::getuid(), host);
    // Others know the port of the life before, which may have found the stable one in use.
    const bool other = !impl_->ports.keeps(listen.internal_address, port) &&
                       impl_->ports.keeps(listen.internal_address, 0);
    auto stable = impl_->ports.bind(listen.internal_address, other ? 0 : port);
    if (stable) {
      impl_->internal_reserved = *std::move(stable);
    } else {
      port = 0;
    }
  }
  if (!impl_->internal_reserved) {
    auto asked = impl_->ports.bind(listen.internal_address, port);
    if (!asked) {
      log.warn("the internal gRPC port ", port,
               " is not free yet and will be tried again: ", asked.error());
      impl_->shared.settings.identity.internal_port = port;
      return;
    }
    impl_->internal_reserved = *std::move(asked);
  }
  impl_->shared.settings.identity.internal_port = impl_->internal_reserved->port();
}

Task<Result<>> Servers::open_api(const std::vector<std::unique_ptr<Worker>>& workers) {
  const options::Listeners& listen = impl_->listen;
  net::Server& grpc = impl_->add(
      impl_->handlers(workers, [](Worker& w) -> net::RequestHandler& { return w.grpc_api(); }),
      impl_->grpc_options());
  net::Server& http = impl_->add(
      impl_->handlers(workers, [](Worker& w) -> net::RequestHandler& { return w.http(); }),
      impl_->http_options());
  if (!listen.unix_folder.empty()) {
    OUT_CO_CHECK(impl_->serve_unix(grpc, "grpc"));
    log.info("API gRPC server is running on a Unix Domain Socket");
    OUT_CO_CHECK(impl_->serve_unix(http, "http"));
    log.info("HTTP server is running on a Unix Domain Socket");
  } else {
    auto grpc_up = co_await impl_->serve(grpc, listen.addresses, listen.grpc_port);
    if (!grpc_up) {
      co_return fail(grpc_up.error().code(), "failed to start API gRPC server on port " +
                                                 std::to_string(listen.grpc_port) + ": " +
                                                 grpc_up.error().message());
    }
    log.info("API gRPC server is running on port ", listen.grpc_port);
    auto http_up = co_await impl_->serve(http, listen.addresses, listen.http_port);
    if (!http_up) {
      co_return fail(http_up.error().code(), "failed to start HTTP server on port " +
                                                 std::to_string(listen.http_port) + ": " +
                                                 http_up.error().message());
    }
    log.info("HTTP server is running on port ", listen.http_port);
  }
  log.info("The request body size parameter is: ", listen.body_bytes_max, " bytes");
  if (listen.public_port) {
    net::Server& open = impl_->add(
        impl_->handlers(workers, [](Worker& w) -> net::RequestHandler& { return w.public_http(); }),
        impl_->http_options());
    std::vector<std::string> addresses;
    addresses.push_back(listen.public_address);
    auto public_up =
        co_await impl_->serve(open, std::move(addresses), *listen.public_port, Patience::none);
    if (!public_up) {
      co_return fail(public_up.error().code(), "failed to start public HTTP server on port " +
                                                   std::to_string(*listen.public_port) + ": " +
                                                   public_up.error().message());
    }
  }
  if (listen.profiling) {
    net::Server& profile = impl_->add(impl_->everywhere(impl_->profile), impl_->http_options());
    OUT_CO_CHECK(co_await impl_->serve(profile, listen.addresses, listen.profile_port));
  }
  co_return Result<>();
}

Task<Result<>> Servers::open_internal(const std::vector<std::unique_ptr<Worker>>& workers) {
  const options::Listeners& listen = impl_->listen;
  net::ServerOptions options = impl_->grpc_options();
  if (impl_->shared.contexts != nullptr) options.tls = impl_->shared.contexts->server();
  net::Server& server = impl_->add(
      impl_->handlers(workers, [](Worker& w) -> net::RequestHandler& { return w.grpc_internal(); }),
      std::move(options));
  int& port = impl_->shared.settings.identity.internal_port;
  if (impl_->internal_reserved) {
    server.listen(std::move(impl_->internal_reserved));
  } else {
    std::vector<std::string> addresses;
    addresses.push_back(listen.internal_address);
    auto up = co_await impl_->serve(server, std::move(addresses), port);
    if (!up) {
      co_return fail(up.error().code(), "failed to start internal gRPC server on port " +
                                            std::to_string(port) + ": " + up.error().message());
    }
  }
  log.info("Internal gRPC server is running on ", listen.internal_address, ":", port);
  co_return Result<>();
}

namespace {
Task<void> stop_one(net::Server& server, Duration grace, Duration farewell) {
  co_await server.stop(grace, farewell);
}
}  // namespace

Task<void> Servers::close(Duration grace, Duration farewell) {
  impl_->internal_reserved.reset();
  std::vector<Task<void>> all;
  for (auto& server : impl_->servers) all.push_back(stop_one(*server, grace, farewell));
  co_await run_all(std::move(all));
  impl_->servers.clear();
}

}  // namespace outrigger::runtime
