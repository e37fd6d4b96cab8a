#include "runtime/actors/host.h"

#include <algorithm>

#include "base/log.h"
#include "base/strings.h"

namespace outrigger::runtime::actors {
namespace {

const Logger log("dapr.runtime.actor");
const Logger scheduler_log("dapr.runtime.actor.reminders.scheduler");

/// Runs `work(service)`, a task, on the loop of each service, all at once.
template <class Work>
Task<void> on_one(Loop* loop, Service* service, Work work) {
  std::move_only_function<Task<Result<>>()> make = [service, &work] { return work(service); };
  // A call that cannot fail, and must be made on every loop.
  Cancellation never;
  [[maybe_unused]] auto done = co_await call_on<void>(*loop, std::move(make)).under(never);
}

template <class Work>
Task<void> on_all(Loops* loops, const std::vector<Service*>* services, Work work) {
  std::vector<Task<void>> all;
  for (unsigned i = 0; i < services->size(); ++i) {
    all.push_back(on_one(&(*loops)[i], (*services)[i], work));
  }
  co_await run_all(std::move(all));
}

Task<Result<>> connect_one(Service* service, std::vector<Router::Home> homes, Service::Register add,
                           Service::Unregister remove) {
  service->set_homes(std::move(homes));
  service->set_registration(std::move(add), std::move(remove));
  co_return Result<>();
}

/// From any loop: host->add().
Task<Result<>> add_from_stream(Loop* home, Host* host, AppConfig config) {
  std::move_only_function<Task<Result<>>()> add = [host, &config] {
    return host->add(std::move(config), Host::Way::stream);
  };
  auto added = co_await call_on<void>(*home, std::move(add));
  co_return added;
}

Task<Result<>> remove_there(Host* host, std::vector<std::string> types) {
  co_await host->remove(std::move(types));
  co_return Result<>();
}

Task<void> remove_from_stream(Loop* home, Host* host, std::vector<std::string> types) {
  std::move_only_function<Task<Result<>>()> remove = [host, &types] {
    return remove_there(host, std::move(types));
  };
  [[maybe_unused]] auto removed = co_await call_on<void>(*home, std::move(remove));
}

Task<Result<>> add_one(Service* service, std::shared_ptr<const Hosting> hosting, Host::Way way) {
  Callbacks* const callbacks =
      way == Host::Way::http ? &service->http_callbacks() : &service->stream_callbacks();
  for (const auto& [type, settings] : hosting->types) {
    service->life().add_type(type, settings, callbacks);
  }
  co_return Result<>();
}

Task<Result<>> remove_one(Service* service, std::vector<std::string> types) {
  co_await service->life().remove_types(std::move(types));
  co_return Result<>();
}

Task<Result<>> register_one(Service* service, bool registered) {
  service->set_registered(registered);
  co_return Result<>();
}

Task<Result<>> stop_one(Service* service) {
  co_await service->stop();
  co_return Result<>();
}

Task<Result<>> store_one(Service* service, std::optional<std::string> store) {
  service->state().set_store(std::move(store));
  co_return Result<>();
}

Task<Result<std::vector<Life::Count>>> count_one(Service* service) {
  co_return service->life().counts();
}

}  // namespace

Host::Host(Loops& loops, std::vector<Service*> services, placement::Client* placement,
           Settings settings)
    : loops_(loops), services_(std::move(services)), placement_(placement), settings_(settings) {
  if (placement_ == nullptr) {
    log.warn(
        "Actor runtime disabled: placement service is not configured. Actors and Workflow APIs "
        "will be unavailable");
  } else {
    scheduler_log.info("Using Scheduler service for reminders.");
  }
}

Host::~Host() = default;

Task<void> Host::connect() {
  std::vector<Router::Home> homes;
  for (unsigned i = 0; i < services_.size(); ++i) {
    homes.push_back({&loops_[i], &services_[i]->life(), &services_[i]->timers()});
  }
  Loop* const home = &loops_[0];
  Service::Register add = [home, this](AppConfig config) {
    return add_from_stream(home, this, std::move(config));
  };
  Service::Unregister remove = [home, this](std::vector<std::string> types) {
    return remove_from_stream(home, this, std::move(types));
  };
  auto work = [homes, add, remove](Service* service) {
    return connect_one(service, homes, add, remove);
  };
  co_await on_all(&loops_, &services_, work);
}

Task<void> Host::start(std::optional<std::string> store) {
  has_store_ = store.has_value();
  started_ = true;
  if (placement_ == nullptr) co_return;
  if (!has_store_) {
    log.info(
        "Actor state store not configured - actor hosting disabled until one is configured, but "
        "invocation enabled");
  }
  auto work = [store](Service* service) { return store_one(service, store); };
  co_await on_all(&loops_, &services_, work);
  // With a store the first report is to have the types, which are not known yet.
  if (!has_store_ || registered_) advertise();
  log.info("Actor runtime started");
}

void Host::advertise() {
  if (placement_ == nullptr || !started_) return;
  placement_->set_types(has_store_ ? types_ : std::vector<std::string>());
  if (!std::exchange(opened_, true)) placement_->open();
}

Task<void> Host::set_registered(bool registered) {
  registered_ = registered;
  auto work = [registered](Service* service) { return register_one(service, registered); };
  co_await on_all(&loops_, &services_, work);
}

Task<Result<>> Host::add(AppConfig config, Way way) {
  if (placement_ == nullptr || closing_) co_return Result<>();
  if (way == Way::http) app_types_ = config.entities;
  auto hosting = make_hosting(config, settings_.dissemination_timeout);
  for (const std::string& type : config.entities) {
    if (std::ranges::find(types_, type) == types_.end()) types_.push_back(type);
  }
  if (hosting && has_store_ && !hosting->types.empty()) {
    log.info("Registering hosted actors: [", join(config.entities, " "), "]");
    auto shared = std::make_shared<const Hosting>(*hosting);
    auto work = [shared, way](Service* service) { return add_one(service, shared, way); };
    co_await on_all(&loops_, &services_, work);
    placement::Drain drain;
    drain.wait = hosting->drain_rebalanced;
    drain.timeout = hosting->drain_timeout;
    drain.timeout_by_type = hosting->drain_timeouts;
    placement_->set_drain(std::move(drain));
  }
  co_await set_registered(true);
  advertise();
  if (!hosting) co_return std::unexpected(std::move(hosting).error());
  co_return Result<>();
}

Task<void> Host::remove(std::vector<std::string> types) {
  if (placement_ == nullptr || closing_ || types.empty()) co_return;
  std::erase_if(types_, [&](const std::string& type) {
    return std::ranges::find(types, type) != types.end();
  });
  // Placement first, so that nobody is sent here any more.
  advertise();
  auto work = [types](Service* service) { return remove_one(service, types); };
  co_await on_all(&loops_, &services_, work);
  // Others may have been added meanwhile, or there were more.
  co_await set_registered(!types_.empty());
}

Task<Host::Status> Host::status() {
  constexpr const char* kDisconnected = "placement: disconnected";
  Status status;
  if (placement_ == nullptr) {
    status.runtime = Status::Runtime::disabled;
    status.placement = kDisconnected;
    co_return status;
  }
  if (!registered_) co_return status;
  status.runtime = Status::Runtime::running;
  status.host_ready = placement_->ready();
  status.placement = status.host_ready ? "placement: connected" : kDisconnected;
  for (const std::string& type : types_) status.active.push_back({type, 0});
  for (unsigned i = 0; i < services_.size(); ++i) {
    std::move_only_function<Task<Result<std::vector<Life::Count>>>()> count =
        [service = services_[i]] { return count_one(service); };
    auto counts = co_await call_on<std::vector<Life::Count>>(loops_[i], std::move(count));
    if (!counts) continue;
    for (const Life::Count& one : *counts) {
      const auto found = std::ranges::find(status.active, one.type, &Life::Count::type);
      if (found == status.active.end()) {
        status.active.push_back(one);
      } else {
        found->actors += one.actors;
      }
    }
  }
  co_return status;
}

Task<void> Host::close() {
  closing_ = true;
  if (placement_ != nullptr && opened_) co_await placement_->close();
  if (placement_ != nullptr) log.info("Actor runtime shutting down");
  auto work = [](Service* service) { return stop_one(service); };
  co_await on_all(&loops_, &services_, work);
}

}  // namespace outrigger::runtime::actors
