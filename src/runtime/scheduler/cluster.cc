#include <map>

#include "base/log.h"
#include "base/random.h"
#include "base/scope.h"
#include "base/strings.h"
#include "runtime/scheduler/service_impl.h"

namespace outrigger::runtime::scheduler {
namespace {

using namespace std::chrono_literals;

const Logger log("dapr.runtime.scheduler.watchhosts");

constexpr const char* kReadyTarget = "scheduler-watch-hosts";
constexpr const char* kWatchHosts = "/dapr.proto.scheduler.v1.Scheduler/WatchHosts";
constexpr Duration kRetryAfter = 1s;
// A scheduler that says nothing for so long after the stream began is left for another.
constexpr Duration kFirstAnswerMax = 30s;

/// Whether the configuration means that there is none: quotes around nothing are how deployments
/// say it.
bool means_none(const std::vector<std::string>& addresses) {
  if (addresses.empty()) return true;
  if (addresses.size() > 1) return false;
  return addresses[0].find_first_not_of("\"' \t\r\n\v\f") == std::string::npos;
}

}  // namespace

struct Cluster::Impl {
  Impl(Loops& all, std::vector<Service*> each, Settings given)
      : loops(all), services(std::move(each)), settings(std::move(given)) {}

  Loops& loops;
  std::vector<Service*> services;
  Settings settings;
  net::Client client{client_options()};
  Scope scope;
  std::vector<std::string> addresses;
  /// A scheduler's streams are on the same loops whoever else comes or goes.
  std::map<std::string, std::size_t> first_loops;
  std::size_t next_loop = 0;
  wire::Accepted accepted;
  bool stopped = false;

  Task<void> watch_hosts();
  Task<Result<>> watch_hosts_at(std::string address);
  Task<Result<std::optional<std::string>>> first_answer(net::grpc::ClientStream* stream);
  void set_addresses(std::vector<std::string> found);
  void disable();
  void watch_jobs();
  static Task<Result<>> stop_watcher(Service* service, Duration grace);
  Task<void> stop_on(unsigned loop, Duration grace);
  Task<void> stop_all(Duration grace);
};

Cluster::Cluster(Loops& loops, std::vector<Service*> services, Settings settings)
    : impl_(std::make_unique<Impl>(loops, std::move(services), std::move(settings))) {
  if (impl_->settings.ready != nullptr) impl_->settings.ready->add(kReadyTarget);
}

Cluster::~Cluster() = default;

void Cluster::start() {
  if (means_none(impl_->settings.addresses)) {
    log.warn("No scheduler host addresses provided. Scheduler disabled");
    return impl_->disable();
  }
  impl_->scope.spawn(impl_->watch_hosts());
}

void Cluster::set_actor_types(std::vector<std::string> types) {
  std::sort(types.begin(), types.end());
  // The scheduler refuses a list that names one twice.
  types.erase(std::unique(types.begin(), types.end()), types.end());
  if (types == impl_->accepted.actor_types) return;
  impl_->accepted.actor_types = std::move(types);
  impl_->watch_jobs();
}

void Cluster::set_app_ready(bool ready) {
  if (ready == impl_->accepted.app) return;
  impl_->accepted.app = ready;
  impl_->watch_jobs();
}

std::vector<std::string> Cluster::connected_addresses() const { return impl_->addresses; }

Task<void> Cluster::stop_triggers(Duration grace) {
  impl_->stopped = true;
  co_await impl_->stop_all(grace);
}

Task<void> Cluster::close() {
  impl_->stopped = true;
  impl_->scope.cancel();
  co_await impl_->scope.join();
  co_await impl_->stop_all(Duration::zero());
  co_await impl_->client.close();
}

void Cluster::Impl::disable() {
  for (unsigned i = 0; i < services.size(); ++i) {
    loops[i].post([service = services[i]] { service->impl_->caller.disable(); });
  }
  if (settings.ready != nullptr) settings.ready->set(kReadyTarget, true);
}

Task<void> Cluster::Impl::watch_hosts() {
  for (;;) {
    const std::string address = settings.addresses[fast_random_below(settings.addresses.size())];
    auto watched = co_await watch_hosts_at(address);
    if (scope.cancellation().requested()) co_return;
    if (!watched && watched.error().code() == Code::unimplemented) {
      // A scheduler of old: what is configured is all there is.
      set_addresses(settings.addresses);
      co_return;
    }
    if (watched) continue;
    log.warn("Scheduler WatchHosts stream error, reconnecting: ", watched.error());
    auto slept = co_await sleep_for(jittered(kRetryAfter));
    if (!slept) co_return;
  }
}

Task<Result<std::optional<std::string>>> Cluster::Impl::first_answer(
    net::grpc::ClientStream* stream) {
  auto answer = co_await with_timeout(stream->read(), kFirstAnswerMax);
  co_return answer;
}

// No error: the stream has told something before its end, so that the next attempt may be at once.
Task<Result<>> Cluster::Impl::watch_hosts_at(std::string address) {
  OUT_CO_TRY(auto endpoint, endpoint_of(address, settings.tls));
  net::grpc::Channel channel(client, std::move(endpoint));
  auto stream = channel.stream(kWatchHosts, net::grpc::CallOptions());
  [[maybe_unused]] auto sent = co_await stream->write(std::string());
  stream->finish_writing();
  const TimePoint begun = std::chrono::steady_clock::now();
  auto answer = co_await first_answer(stream.get());
  Result<> ended;
  while (answer && *answer) {
    auto hosts = wire::read_hosts(**answer);
    if (!hosts) {
      ended = std::unexpected(std::move(hosts).error());
      break;
    }
    set_addresses(*std::move(hosts));
    answer = co_await stream->read();
  }
  const bool brief = std::chrono::steady_clock::now() - begun < kRetryAfter;
  if (!answer && (brief || answer.error().code() == Code::unimplemented || addresses.empty())) {
    ended = std::unexpected(answer.error());
  }
  if (answer && !*answer && brief) ended = fail(Code::unavailable, "the stream has ended at once");
  stream->cancel();
  co_await channel.drain();
  co_return ended;
}

void Cluster::Impl::set_addresses(std::vector<std::string> found) {
  if (scope.cancellation().requested()) return;
  log.info("Connected and received scheduler hosts addresses: [", join(found, " "), "]");
  for (unsigned i = 0; i < services.size(); ++i) {
    loops[i].post([service = services[i], found] { service->impl_->caller.set_addresses(found); });
  }
  const bool same = found == addresses;
  addresses = std::move(found);
  if (!same) watch_jobs();
  if (settings.ready != nullptr) settings.ready->set(kReadyTarget, true);
}

void Cluster::Impl::watch_jobs() {
  if (stopped) return;
  std::vector<std::vector<std::string>> spread(services.size());
  const bool any = accepted.app || !accepted.actor_types.empty();
  std::erase_if(first_loops, [this](const auto& entry) {
    return std::ranges::find(addresses, entry.first) == addresses.end();
  });
  for (const std::string& address : addresses) {
    const auto [place, is_new] = first_loops.try_emplace(address, next_loop);
    if (is_new) next_loop += settings.streams;
    const std::size_t first = place->second;
    for (unsigned stream = 0; any && stream < settings.streams; ++stream) {
      spread[(first + stream) % spread.size()].push_back(address);
    }
  }
  for (unsigned i = 0; i < services.size(); ++i) {
    Watcher::Plan plan;
    plan.initial = wire::watch_initial(services[i]->impl_->owner, accepted);
    plan.addresses = std::move(spread[i]);
    loops[i].post([service = services[i], plan = std::move(plan)]() mutable {
      service->impl_->watcher.follow(std::move(plan));
    });
  }
}

Task<Result<>> Cluster::Impl::stop_watcher(Service* service, Duration grace) {
  service->impl_->caller.stop_waiting();
  co_await service->impl_->watcher.stop(grace);
  co_return Result<>();
}

Task<void> Cluster::Impl::stop_on(unsigned loop, Duration grace) {
  std::move_only_function<Task<Result<>>()> stop = [service = services[loop], grace] {
    return stop_watcher(service, grace);
  };
  [[maybe_unused]] auto stopped_there = co_await call_on<void>(loops[loop], std::move(stop));
}

Task<void> Cluster::Impl::stop_all(Duration grace) {
  std::vector<Task<void>> all;
  for (unsigned i = 0; i < services.size(); ++i) all.push_back(stop_on(i, grace));
  co_await run_all(std::move(all));
}

}  // namespace outrigger::runtime::scheduler
