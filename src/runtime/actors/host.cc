#include "runtime/actors/host.h"

#include <algorithm>

#include "base/log.h"
#include "base/strings.h"

namespace outrigger::runtime::actors {
namespace {

const Logger log("dapr.runtime.actor");
const Logger scheduler_log("dapr.runtime.actor.reminders.scheduler");

Task<void> connect_one(Service* service, std::vector<Router::Home> homes, Service::Register add,
                       Service::Unregister remove) {
  service->set_homes(std::move(homes));
  service->set_registration(std::move(add), std::move(remove));
  co_return;
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

Task<void> add_one(Service* service, std::shared_ptr<const Hosting> hosting, Host::Way way) {
  Callbacks* const callbacks =
      way == Host::Way::http ? &service->http_callbacks() : &service->stream_callbacks();
  for (const auto& [type, settings] : hosting->types) {
    service->life().add_type(type, settings, callbacks);
  }
  co_return;
}

Task<void> register_one(Service* service, bool registered) {
  service->set_registered(registered);
  co_return;
}

Task<void> store_one(Service* service, std::optional<std::string> store) {
  service->state().set_store(std::move(store));
  co_return;
}

Task<Result<std::vector<Life::Count>>> count_one(Service* service) {
  co_return service->life().counts();
}

}  // namespace

Host::Host(Loops& loops, std::vector<Service*> services, placement::Registration* placement,
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
  Work work = [homes, add, remove](Service* service) {
    return connect_one(service, homes, add, remove);
  };
  co_await on_all(std::move(work));
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
  Work work = [store](Service* service) { return store_one(service, store); };
  co_await on_all(std::move(work));
  // With a store the first report is to have the types, which are not known yet.
  if (!has_store_ || registered_) advertise();
  log.info("Actor runtime started");
}

Task<void> Host::set_store(std::optional<std::string> store) {
  const bool had_store = std::exchange(has_store_, store.has_value());
  if (placement_ == nullptr || closing_) co_return;
  if (had_store && !has_store_) {
    log.info("Actor state store removed - actor hosting disabled until one is configured");
    // Placement first, so that nobody is sent here any more.
    advertise();
    Work halt = [types = types_](Service* service) { return service->life().remove_types(types); };
    co_await on_all(std::move(halt));
  }
  Work work = [store](Service* service) { return store_one(service, store); };
  co_await on_all(std::move(work));
  if (had_store || !has_store_) co_return;
  log.info("Actor state store ", *store, " configured - actor hosting enabled");
  const std::vector<Told> told = told_;
  for (const Told& each : told) {
    auto hosted = co_await host(each.config, each.way);
    if (!hosted) log.warn("Failed to register hosted actors: ", hosted.error());
  }
  advertise();
}

// Cannot fail, and is done on every loop even if this task is cancelled.
Task<void> Host::on_all(Work work) {
  Cancellation never;
  auto on_one = [this, work = std::move(work)](unsigned i) { return work(services_[i]); };
  co_await run_on_all(loops_, std::move(on_one)).under(never);
}

void Host::advertise() {
  if (placement_ == nullptr || !started_) return;
  placement_->set_types(has_store_ ? types_ : std::vector<std::string>());
  if (!std::exchange(opened_, true)) placement_->open();
}

Task<void> Host::set_registered(bool registered) {
  registered_ = registered;
  Work work = [registered](Service* service) { return register_one(service, registered); };
  co_await on_all(std::move(work));
}

Task<Result<>> Host::add(AppConfig config, Way way) {
  if (placement_ == nullptr || closing_) co_return Result<>();
  if (way == Way::http) app_types_ = config.entities;
  if (!config.entities.empty()) told_.push_back({config, way});
  Result<> hosted;
  if (!config.entities.empty()) hosted = co_await host(std::move(config), way);
  // Whatever became of it: the application has said what there is to say, and calls may go on.
  co_await set_registered(true);
  advertise();
  co_return hosted;
}

Task<Result<>> Host::host(AppConfig config, Way way) {
  OUT_CO_TRY(auto hosting, make_hosting(config, settings_.dissemination_timeout));
  for (const std::string& type : config.entities) {
    if (std::ranges::find(types_, type) == types_.end()) types_.push_back(type);
  }
  if (!has_store_) co_return Result<>();
  log.info("Registering hosted actors: [", join(config.entities, " "), "]");
  auto shared = std::make_shared<const Hosting>(std::move(hosting));
  Work work = [shared, way](Service* service) { return add_one(service, shared, way); };
  co_await on_all(std::move(work));
  placement::Drain drain;
  drain.wait = shared->drain_rebalanced;
  drain.timeout = shared->drain_timeout;
  drain.timeout_by_type = shared->drain_timeouts;
  placement_->set_drain(std::move(drain));
  co_return Result<>();
}

Task<void> Host::remove(std::vector<std::string> types) {
  if (placement_ == nullptr || closing_ || types.empty()) co_return;
  std::erase_if(types_, [&](const std::string& type) {
    return std::ranges::find(types, type) != types.end();
  });
  for (Told& each : told_) {
    std::erase_if(each.config.entities, [&](const std::string& type) {
      return std::ranges::find(types, type) != types.end();
    });
  }
  std::erase_if(told_, [](const Told& each) { return each.config.entities.empty(); });
  // Placement first, so that nobody is sent here any more.
  advertise();
  Work work = [types](Service* service) { return service->life().remove_types(types); };
  co_await on_all(std::move(work));
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
  Work work = [](Service* service) { return service->stop(); };
  co_await on_all(std::move(work));
}

}  // namespace outrigger::runtime::actors
