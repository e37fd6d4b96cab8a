#include "runtime/sidecar/sidecar.h"

#include "base/env.h"
#include "base/footprint.h"
#include "base/log.h"
#include "base/scope.h"
#include "components/pluggable/discovery.h"
#include "net/http/server.h"
#include "runtime/app/health.h"
#include "runtime/sidecar/blocks.h"
#include "runtime/sidecar/name_resolution.h"
#include "runtime/sidecar/ports.h"
#include "runtime/sidecar/servers.h"
#include "runtime/sidecar/telemetry_notes.h"
#include "runtime/sidecar/worker.h"
#include "runtime/tracing/options.h"
#include "security/identity/provider.h"

namespace outrigger::runtime {
namespace {

using namespace std::chrono_literals;

const Logger log("dapr.runtime");

// A reply of the shutdown API is to reach its client before the process ends.
constexpr auto kForcedExitDelay = 100ms;
// Of the time for an orderly end, jobs that the application works on get one part in so many, and
// before another life its events too.
constexpr int kWorkGraceShare = 2;
// Before another life calls that run get one part in so many of that time, and the last part is
// left for what comes after them.
constexpr int kLastCallsShare = 2;
constexpr int kAfterCallsShare = 4;
// Clients that have been idle for longer ask again before they count on a connection of HTTP/1.1.
constexpr Duration kFarewell = 250ms;
// For the spans that have not been exported yet, at the most; before another life clients wait.
constexpr Duration kLastSpans = 5s;
constexpr Duration kLastSpansOfALife = 500ms;

}  // namespace

struct Sidecar::Impl {
  Impl(options::Options given, Ports& doors, std::function<void(int)> exit)
      : options(std::move(given)), ports(doors), exit_now(std::move(exit)) {}

  options::Options options;
  Ports& ports;
  std::function<void(int)> exit_now;
  std::function<void(std::optional<Error>)> ended;
  Loops loops{0};
  std::unique_ptr<Shared> shared;
  std::unique_ptr<security::identity::Provider> identity;
  std::vector<std::unique_ptr<components::nameresolution::Resolver>> resolvers;
  std::vector<std::unique_ptr<Worker>> workers;
  std::unique_ptr<Blocks> blocks;
  std::unique_ptr<Servers> servers;
  std::unique_ptr<app::Prober> prober;
  // Of loop 0:
  std::unique_ptr<Scope> scope;
  std::unique_ptr<Scope> background;       // Runs until the shutdown begins.
  std::unique_ptr<Cancellation> starting;  // Of begin().
  bool stop_asked = false;
  bool another_life = false;
  /// What a change of files led to.
  std::optional<Error> fatal;
  Signal stop_signal;
  bool app_healthy = false;
  bool app_was_healthy = false;
  Signal app_change;

  Task<void> life();
  Task<Result<>> begin();
  Task<Result<>> wait_for_app();
  Task<void> app_is_there();
  Task<void> hold_shutdown();
  Task<void> end();
  Task<void> close_servers(TimePoint over);
  [[nodiscard]] Duration budget() const {
    return std::chrono::duration_cast<Duration>(options.graceful_shutdown);
  }
  Task<Result<>> take_identity();
  Task<Result<>> make_workers();
  Task<void> close_workers();
  void app_health_changed(bool healthy);
  Task<void> follow_app_health();
  Task<void> follow_files();
  void stop_here(Lifetime::Wish wish) {
    if (wish == Lifetime::Wish::end && another_life) {
      another_life = false;
      ports.let_go();
    }
    if (stop_asked) return;
    another_life = wish == Lifetime::Wish::restart;
    stop_asked = true;
    starting->request();
    stop_signal.notify_all();
  }
};

Sidecar::Sidecar(options::Options options, Ports& ports, std::function<void(int)> exit_now)
    : impl_(std::make_unique<Impl>(std::move(options), ports, std::move(exit_now))) {}
Sidecar::~Sidecar() = default;

Result<> Sidecar::start(std::function<void(std::optional<Error>)> ended) {
  Impl& self = *impl_;
  OUT_TRY(auto settings, load_settings(self.options));
  auto exporters = tracing::make_exporters(settings.configuration.tracing, settings.identity.app_id,
                                           process_environment());
  if (!exporters) return fail(std::move(exporters).error().context("failed to setup tracing"));
  self.shared = std::make_unique<Shared>(std::move(settings), self.loops, *std::move(exporters));
  self.shared->ready.add("runtime");
  self.shared->outbound_ready.add("app");
  self.shared->shutdown = [this](bool force) {
    if (!force) {
      log.info("Shutdown requested via API");
      return stop(Lifetime::Wish::end);
    }
    log.warn("Force shutdown requested, exiting immediately without graceful shutdown");
    std::thread([exit_now = impl_->exit_now] {
      std::this_thread::sleep_for(kForcedExitDelay);
      exit_now(1);
    }).detach();
  };
  self.shared->restart = [&self] { self.stop_here(Lifetime::Wish::restart); };
  self.ended = std::move(ended);
  self.loops.start();
  self.loops[0].post([&self] {
    self.scope = std::make_unique<Scope>();
    self.background = std::make_unique<Scope>();
    self.starting = std::make_unique<Cancellation>();
    self.scope->spawn(self.life());
  });
  return {};
}

void Sidecar::stop(Lifetime::Wish wish) {
  impl_->loops[0].post([this, wish] { impl_->stop_here(wish); });
}

bool Sidecar::begins_anew() const noexcept { return impl_->another_life; }

void Sidecar::join() { impl_->loops.stop_and_join(); }

Task<void> Sidecar::Impl::life() {
  const TimePoint started = std::chrono::steady_clock::now();
  log.info(to_string(options.mode), " mode configured");
  log.info("app id: ", options.app.id);
  say_telemetry(shared->settings.configuration);
  auto begun = co_await begin().under(*starting);
  if (!begun && !stop_asked) fatal = begun.error();
  if (begun) {
    const auto elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::now() - started);
    log.info("dapr initialized. Status: Running. Init Elapsed ", elapsed.count(), "ms");
    shared->ready.set("runtime", true);
    trim_footprint();
    while (!stop_asked) {
      [[maybe_unused]] auto woken = co_await stop_signal.wait();
    }
    if (options.block_shutdown) co_await hold_shutdown();
  }
  stop_asked = true;  // Whoever asks from now on comes too late.
  co_await end();
  // Posted: this task must have ended when the loops are stopped.
  loops[0].post([this] {
    scope.reset();
    background.reset();
    starting.reset();
    ended(fatal);
  });
}

Task<Result<>> Sidecar::Impl::begin() {
  servers = std::make_unique<Servers>(loops, *shared, ports);
  OUT_CO_CHECK(co_await servers->open_metrics());
  servers->reserve_internal();
  OUT_CO_CHECK(co_await take_identity());
  auto resolving = co_await open_resolvers(loops, shared->settings);
  if (resolving) {
    resolvers = *std::move(resolving);
  } else {
    log.error(resolving.error());
  }
  OUT_CO_CHECK(co_await make_workers());

  components::pluggable::DiscoveryOptions sockets;
  sockets.folder = options.pluggable_socket_folder;
  auto programs = co_await components::pluggable::discover(std::move(sockets));
  if (!programs) {
    log.error("could not initialize pluggable components ", programs.error());
    programs.emplace();
  }
  components::pluggable::Registry pluggable(*std::move(programs));
  blocks = std::make_unique<Blocks>(loops, *shared, workers, std::move(pluggable));
  OUT_CO_CHECK(co_await blocks->load());
  OUT_CO_CHECK(co_await servers->open_api(workers));
  OUT_CO_CHECK(co_await servers->open_internal(workers));
  ports.complete();
  background->spawn(follow_files());
  shared->outbound_ready.set("app", true);
  auto ready = co_await wait_for_app();
  co_return ready;
}

// With mutual TLS nothing begins without a certificate.
Task<Result<>> Sidecar::Impl::take_identity() {
  if (!options.control.mtls) {
    log.warn("mTLS is disabled. Skipping certificate request and tls validation");
    co_return Result<>();
  }
  const telemetry::ServiceMetrics& metrics = shared->metrics.service;
  auto settings = identity_options(shared->settings);
  settings.renewed = [&metrics] { metrics.workload_cert_rotated(); };
  settings.failed = [&metrics](std::string_view why) {
    metrics.workload_cert_rotation_failed(why);
  };
  identity = std::make_unique<security::identity::Provider>(std::move(settings));
  OUT_CO_CHECK(co_await identity->open());
  metrics.mtls_init_completed();
  shared->contexts = &identity->contexts();
  co_return Result<>();
}

Task<Result<>> Sidecar::Impl::make_workers() {
  for (unsigned i = 0; i < loops.size(); ++i) {
    workers.emplace_back();
    std::move_only_function<Task<Result<>>()> make = [this, i]() -> Task<Result<>> {
      return [](Impl& self, unsigned index) -> Task<Result<>> {
        auto* resolver = self.resolvers.empty() ? nullptr : self.resolvers[index].get();
        self.workers[index] = std::make_unique<Worker>(*self.shared, resolver);
        co_return self.workers[index]->open_app();
      }(*this, i);
    };
    OUT_CO_CHECK(co_await call_on<void>(loops[i], std::move(make)));
  }
  co_return Result<>();
}

Task<Result<>> Sidecar::Impl::wait_for_app() {
  const options::App& app = options.app;
  if (app.port == 0) {
    co_await app_is_there();
    co_return Result<>();
  }
  log.info("application protocol: ", to_string(app.protocol), ". waiting on port ", app.port,
           ".  This will block until the app is listening on that port.");
  OUT_CO_CHECK(co_await app::wait_for_port(channel_options(options)));
  if (app.concurrency_max > 0) log.info("app max concurrency set to ", app.concurrency_max);
  if (!app.health_check) {
    co_await app_is_there();
    co_return Result<>();
  }
  background->spawn(follow_app_health());
  shared->gate.set_healthy(false);
  app::HealthOptions health;
  health.path = app.health_check->path;
  health.interval = std::chrono::duration_cast<Duration>(app.health_check->interval);
  health.timeout = std::chrono::duration_cast<Duration>(app.health_check->timeout);
  health.threshold = app.health_check->threshold;
  auto channel = channel_options(options);
  channel.metrics = &shared->metrics;
  OUT_CO_TRY(prober, app::make_prober(std::move(channel), health.path));
  background->spawn(
      app::watch_health(*prober, health, [this](bool healthy) { app_health_changed(healthy); }));
  co_return Result<>();
}

// Unprobed, the application is healthy for good; its subscriptions stand before we are ready.
Task<void> Sidecar::Impl::app_is_there() {
  app_health_changed(true);
  co_await blocks->app_changed(true);
}

void Sidecar::Impl::app_health_changed(bool healthy) {
  shared->gate.set_healthy(healthy);
  app_healthy = healthy;
  app_was_healthy = app_was_healthy || healthy;
  app_change.notify_all();
}

// One change at a time, and only the latest state counts.
Task<void> Sidecar::Impl::follow_app_health() {
  bool followed = false;
  for (;;) {
    while (followed == app_healthy) {
      auto woken = co_await app_change.wait();
      if (!woken) co_return;
    }
    followed = app_healthy;
    co_await blocks->app_changed(followed);
  }
}

Task<void> Sidecar::Impl::follow_files() {
  auto followed = co_await blocks->follow_files();
  if (followed || stop_asked) co_return;
  fatal = std::move(followed).error();
  stop_here(Lifetime::Wish::end);
}

Task<void> Sidecar::Impl::hold_shutdown() {
  log.info("Blocking graceful shutdown for ", *options.block_shutdown,
           " or until app reports unhealthy...");
  co_await blocks->stop_subscriptions();
  auto wait = [](Impl& self) -> Task<Result<>> {
    // It may have been unhealthy for long, after having been healthy once.
    while (!self.app_was_healthy || self.app_healthy) {
      auto woken = co_await self.app_change.wait();
      if (!woken) co_return woken;
    }
    co_return Result<>();
  };
  const auto limit = std::chrono::duration_cast<Duration>(*options.block_shutdown);
  auto unhealthy = co_await with_timeout(wait(*this), limit);
  if (unhealthy) {
    log.info("App reported unhealthy, entering shutdown...");
  } else {
    log.info("Block shutdown period expired, entering shutdown...");
  }
}

Task<void> Sidecar::Impl::end() {
  log.info("Dapr is shutting down");
  shared->ready.set("runtime", false);
  // As upstream: what has not ended in time ends with the process.
  Timer limit([] { log.fatal("Graceful shutdown timeout exceeded, forcing shutdown"); });
  const TimePoint over = std::chrono::steady_clock::now() + budget();
  limit.start(budget());
  // What does not end in time ends with the process; before another life only it is given up.
  const Duration work = budget() / kWorkGraceShare;
  if (another_life && blocks) co_await blocks->limit_events(work);
  background->cancel();
  co_await background->join();
  if (blocks) co_await blocks->stop_work(work);
  if (prober) co_await prober->close();
  if (servers) co_await close_servers(over);
  if (blocks) co_await blocks->close();
  co_await close_workers();
  if (shared->reporter) {
    // Before the limit above, which would end the process with the last spans unsent.
    const Duration left = over - std::chrono::steady_clock::now();
    const Duration most = another_life ? kLastSpansOfALife : kLastSpans;
    co_await shared->reporter->close(std::clamp(left / 2, Duration(), most));
  }
  co_await close_resolvers(loops, resolvers);
  if (identity) co_await identity->close();
  log.info("Dapr runtime stopped");
}

Task<void> Sidecar::Impl::close_servers(TimePoint over) {
  if (another_life) {
    // Calls that do not end hold up those that wait for the next life.
    const Duration left = over - budget() / kAfterCallsShare - std::chrono::steady_clock::now();
    const Duration grace = std::clamp(left, Duration::zero(), budget() / kLastCallsShare);
    co_await servers->close(grace, std::min(kFarewell, grace));
    co_return;
  }
  ports.let_go();
  // The limit is the whole shutdown's, in end().
  co_await servers->close(std::chrono::hours(1), Duration::zero());
}

Task<void> Sidecar::Impl::close_workers() {
  for (unsigned i = 0; i < workers.size(); ++i) {
    if (!workers[i]) continue;
    std::move_only_function<Task<Result<>>()> make = [this, i]() -> Task<Result<>> {
      return [](Impl& self, unsigned index) -> Task<Result<>> {
        co_await self.workers[index]->close();
        self.workers[index].reset();
        co_return Result<>();
      }(*this, i);
    };
    [[maybe_unused]] auto closed = co_await call_on<void>(loops[i], std::move(make));
  }
}

}  // namespace outrigger::runtime
