#include "control/core/service.h"

#include <mutex>

#include "base/build_info.h"
#include "base/footprint.h"
#include "base/lifetime.h"
#include "net/http/metrics_page.h"
#include "net/listener.h"
#include "security/identity/provider.h"

namespace outrigger::control {
namespace {

using namespace std::chrono_literals;

const Logger log("dapr.control");

// Upstream's servers are given this long for the calls that run.
constexpr Duration kGrace = 5s;

/// GET /healthz, and the service's own pages.
class HealthPort final : public net::RequestHandler {
 public:
  HealthPort(Loops& loops, const Readiness& ready) : loops_(loops), ready_(ready) {}
  void set_service(Service* service) noexcept { service_ = service; }

  Task<net::Response> handle(net::Request request) override {
    std::string path = request.target.substr(0, request.target.find('?'));
    if (path == "/healthz") {
      net::Response response;
      response.status = ready_.ready() ? 200 : 503;
      co_return response;
    }
    std::move_only_function<Task<Result<std::optional<net::Response>>>()> asking =
        [this, path = std::move(path)]() mutable { return ask(std::move(path)); };
    auto page = co_await call_on(loops_[0], std::move(asking));
    if (page && *page) co_return **std::move(page);
    co_return net::http::page_not_found();
  }

 private:
  Task<Result<std::optional<net::Response>>> ask(std::string path) {
    std::optional<net::Response> page;
    if (service_ != nullptr) page = co_await service_->page(std::move(path));
    co_return page;
  }

  Loops& loops_;
  const Readiness& ready_;
  Service* service_ = nullptr;
};

/// The life of one service, on loop 0.
class Life {
 public:
  Life(Program& program, Lifetime& lifetime)
      : program_(program),
        lifetime_(lifetime),
        loops_(program.loops),
        metrics_(telemetry::RegistryOptions{.enabled = program.options.metrics}),
        metrics_page_([this] { return metrics_.render(); }),
        health_(loops_, ready_) {
    metrics_.add_collector(&telemetry::append_process_metrics);
    ready_.add("healthz-server");
    service_ = program.make(
        Host{.loops = loops_, .metrics = metrics_, .ready = ready_, .fail = [this](Error error) {
               stop(std::move(error));
             }});
  }

  void start() {
    loops_.start();
    loops_[0].post([this] {
      scope_ = std::make_unique<Scope>();
      starting_ = std::make_unique<Cancellation>();
      scope_->spawn(live());
    });
  }
  /// From any thread.
  void stop(std::optional<Error> why) {
    loops_[0].post([this, why = std::move(why)] {
      if (stop_asked_) return;
      stop_asked_ = true;
      fatal_ = why;
      if (starting_) starting_->request();
      stop_signal_.notify_all();
    });
  }
  void join() { loops_.stop_and_join(); }

 private:
  Task<void> live() {
    auto opened = co_await open().under(*starting_);
    if (!opened && !stop_asked_) fatal_ = opened.error();
    if (opened) {
      trim_footprint();
      while (!stop_asked_) {
        [[maybe_unused]] auto woken = co_await stop_signal_.wait();
      }
    }
    stop_asked_ = true;
    co_await close();
    // Posted: this task must have ended when the loops are stopped.
    loops_[0].post([this] {
      scope_.reset();
      starting_.reset();
      service_.reset();
      lifetime_.ended(fatal_);
    });
  }

  Task<Result<>> open() {
    const CommonOptions& options = program_.options;
    OUT_CO_CHECK(serve("healthz", health_, options.healthz_listen_address, options.healthz_port));
    ready_.set("healthz-server", true);
    if (options.metrics) {
      OUT_CO_CHECK(
          serve("metrics", metrics_page_, options.metrics_listen_address, options.metrics_port));
    }
    OUT_CO_CHECK(co_await take_identity());
    OUT_CO_CHECK(co_await service_->open());
    health_.set_service(service_.get());
    co_return serve_grpc();
  }

  Task<Result<>> take_identity() {
    const auto& tls = program_.options.tls;
    if (program_.has_own_identity) co_return Result<>();
    if (!tls) {
      log.warn("mTLS is disabled. Skipping certificate request and tls validation");
      co_return Result<>();
    }
    // Upstream's services have their own namespace for that of the control plane.
    std::string own = process_environment()("NAMESPACE").value_or("");
    if (own.empty()) own = "default";
    security::identity::ProviderOptions options;
    options.anchors.file = tls->trust_anchors_file;
    options.authority.address = tls->sentry_address;
    options.authority.authority_id =
        security::identity::control_plane_id(tls->trust_domain, own, "dapr-sentry");
    options.authority.id = program_.id;
    options.authority.app_namespace = own;
    options.authority.trust_domain = tls->trust_domain;
    options.authority.token_file = process_environment()("DAPR_SENTRY_TOKEN_FILE");
    identity_ = std::make_unique<security::identity::Provider>(std::move(options));
    auto opened = co_await identity_->open();
    co_return opened;
  }

  Result<> serve(std::string_view what, net::RequestHandler& handler, const std::string& address,
                 int port) {
    pages_.push_back(std::make_unique<net::Server>(
        loops_, std::vector<net::RequestHandler*>(loops_.size(), &handler), net::ServerOptions{}));
    return listen(what, *pages_.back(), address, port);
  }
  Result<> serve_grpc() {
    net::ServerOptions options;
    options.grpc = true;
    options.http1 = false;
    options.concurrent_streams_max = 10'000;
    options.keep_alive.ping_after = program_.options.keepalive_time;
    options.keep_alive.ping_timeout = program_.options.keepalive_timeout;
    options.tls = identity_ ? identity_->contexts().server() : service_->tls();
    std::vector<net::RequestHandler*> handlers;
    for (unsigned loop = 0; loop < loops_.size(); ++loop) handlers.push_back(&service_->grpc(loop));
    grpc_ = std::make_unique<net::Server>(loops_, std::move(handlers), std::move(options));
    return listen("gRPC", *grpc_, program_.options.listen_address, program_.options.port);
  }
  static Result<> listen(std::string_view what, net::Server& server, const std::string& address,
                         int port) {
    auto listener = net::Listener::bind(address, static_cast<std::uint16_t>(port));
    if (!listener) {
      return std::unexpected(std::move(listener).error().context(
          "could not listen for " + std::string(what) + " on port " + std::to_string(port)));
    }
    log.info("The ", what, " server is listening on ", address, ":", (*listener)->port());
    server.listen(*std::move(listener));
    return {};
  }

  Task<void> close() {
    std::vector<Task<void>> ends;
    ends.push_back(service_->drain());
    if (grpc_) ends.push_back(grpc_->stop(kGrace));
    co_await run_all(std::move(ends));
    health_.set_service(nullptr);
    for (auto& page : pages_) co_await page->stop(kGrace);
    co_await service_->close();
    if (identity_) co_await identity_->close();
    grpc_.reset();
    pages_.clear();
  }

  Program& program_;
  Lifetime& lifetime_;
  Loops loops_;
  telemetry::Registry metrics_;
  Readiness ready_;
  net::http::MetricsPage metrics_page_;
  HealthPort health_;
  std::unique_ptr<Service> service_;
  std::unique_ptr<security::identity::Provider> identity_;
  std::vector<std::unique_ptr<net::Server>> pages_;
  std::unique_ptr<net::Server> grpc_;
  std::unique_ptr<Scope> scope_;
  std::unique_ptr<Cancellation> starting_;
  Signal stop_signal_;
  bool stop_asked_ = false;
  std::optional<Error> fatal_;
};

}  // namespace

std::shared_ptr<net::TlsContext> Service::tls() { return nullptr; }
Task<std::optional<net::Response>> Service::page(std::string) { co_return std::nullopt; }

int run(Program program) {
  const Signals signals(Signals::Reload::no);
  log.info("Starting ", program.title, " -- version ", build_version(), " -- commit ",
           build_commit());
  log.info("Log level set to: ", to_string(program.options.log.level));
  Lifetime lifetime(signals);
  Life life(program, lifetime);
  life.start();
  lifetime.wait([&life](Lifetime::Wish) { life.stop(std::nullopt); });
  life.join();
  if (const auto error = lifetime.error()) log.fatal(*error);
  log.info(program.title, " shut down gracefully");
  return 0;
}

}  // namespace outrigger::control
