#include "components/nameresolution/mdns_engine.h"

#include "base/log.h"

namespace outrigger::components::nameresolution::mdns {
namespace {

const Logger log("dapr.contrib");

// Questions in one message: all of them fit, whatever the names.
constexpr std::size_t kQuestionsPerMessage = 16;
// The time of use is shared by all loops, so it is not written at every use.
constexpr Duration kUseGrain = std::chrono::seconds(10);

TimePoint used_at(const AppAddresses& app) {
  return TimePoint(Duration(app.used->load(std::memory_order_relaxed)));
}
void mark_used(const AppAddresses& app, TimePoint now) {
  if (now - used_at(app) < kUseGrain) return;
  app.used->store(now.time_since_epoch().count(), std::memory_order_relaxed);
}

Error not_found(const std::string& app_id) {
  return {Code::not_found, "couldn't find service: " + app_id};
}

}  // namespace

std::optional<std::string> AppAddresses::next(std::size_t& turn, TimePoint now) const {
  for (const bool ipv6 : {false, true}) {
    const auto good = [&](const Address& address) {
      return address.ipv6 == ipv6 && now < address.good_until;
    };
    const auto count = static_cast<std::size_t>(std::ranges::count_if(addresses, good));
    if (count == 0) continue;
    std::size_t skip = turn++ % count;
    for (const auto& address : addresses) {
      if (!good(address) || skip-- > 0) continue;
      mark_used(*this, now);
      return address.text;
    }
  }
  return std::nullopt;
}

std::optional<std::string> Mirror::next(std::string_view app_id, TimePoint now) {
  const auto found = apps_.find(app_id);
  if (found == apps_.end()) return std::nullopt;
  return found->second.known->next(found->second.turn, now);
}

void Mirror::set(const std::string& app_id, std::shared_ptr<const AppAddresses> addresses) {
  if (addresses->addresses.empty()) {
    apps_.erase(app_id);
  } else {
    apps_[app_id].known = std::move(addresses);
  }
}

void Mirror::remove(std::string_view app_id, std::string_view address) {
  const auto found = apps_.find(app_id);
  if (found == apps_.end()) return;
  auto rest = std::make_shared<AppAddresses>(*found->second.known);
  std::erase_if(rest->addresses, [&](const Address& one) { return one.text == address; });
  set(found->first, std::move(rest));
}

struct Engine::App {
  AppAddresses known;
  std::size_t turn = 0;
  Signal changed;
  bool browsing = false;
  std::unique_ptr<Timer> end_of_browse;
  std::unique_ptr<Timer> second_query;

  [[nodiscard]] bool is_waited_for() const { return browsing || changed.has_waiters(); }
  [[nodiscard]] bool is_forgettable() const { return known.addresses.empty() && !is_waited_for(); }
};

Engine::Engine(Loop& home, EngineOptions options) : home_(home), options_(std::move(options)) {}
Engine::~Engine() = default;

Result<> Engine::attach(std::optional<Service> service, Loop& loop,
                        std::shared_ptr<Mirror> mirror) {
  if (!open_) {
    OUT_CHECK(socket_.open(options_.group, *this));
    open_ = true;
    service_ = std::move(service);
    announce();
    announce_timer_ = std::make_unique<Timer>([this] { announce(); });
    announce_timer_->start(options_.announce_again);
    refresh_timer_ = std::make_unique<Timer>([this] { refresh(); });
    refresh_timer_->start(options_.refresh);
  }
  subscribers_.push_back({&loop, std::move(mirror)});
  return {};
}

void Engine::detach(const Mirror& mirror) {
  std::erase_if(subscribers_, [&](const Subscriber& one) { return one.mirror.get() == &mirror; });
  if (subscribers_.empty()) end();
}

void Engine::end() {
  if (!open_) return;
  open_ = false;
  if (service_) send(goodbye(*service_));
  socket_.close();
  announce_timer_.reset();
  refresh_timer_.reset();
  for (auto& [app_id, app] : apps_) {
    app->browsing = false;
    app->end_of_browse.reset();
    app->second_query.reset();
    app->changed.notify_all();
  }
  apps_.clear();
}

void Engine::send(const dns::Message& message) {
  auto bytes = dns::serialise(message);
  if (!bytes) {
    log.warn("cannot make an mDNS message: ", bytes.error());
    return;
  }
  if (auto sent = socket_.send(*bytes); !sent) log.debug("mDNS: ", sent.error());
}

void Engine::announce() {
  if (service_) send(announcement(*service_));
}

void Engine::on_datagram(std::string_view bytes, const net::MulticastSocket::Source& source) {
  // From beyond this link only datagrams for this machine alone can come (RFC 6762, section 11).
  if (!source.to_group) return;
  const auto message = dns::parse(bytes);
  if (!message) {
    log.debug("mDNS message from ", source.address, ": ", message.error());
    return;
  }
  if (message->opcode != 0 || message->rcode != 0) return;
  if (!message->response) {
    reply(*message, source);
  } else if (source.port == options_.group.port) {
    learn(*message, source);
  }
}

void Engine::reply(const dns::Message& query, const net::MulticastSocket::Source& source) {
  if (!service_) return;
  const bool legacy = source.port != options_.group.port;
  const auto answered = answer(*service_, query, legacy ? Asker::legacy : Asker::multicast_dns);
  if (!answered) return;
  const auto bytes = dns::serialise(answered->message);
  if (!bytes) return;  // A legacy query with more questions than an answer can repeat.
  const auto sent =
      answered->unicast ? socket_.send_back(*bytes, source) : socket_.send(*bytes, source);
  if (!sent) log.debug("mDNS: ", sent.error());
}

void Engine::learn(const dns::Message& response, const net::MulticastSocket::Source& source) {
  for (const auto& found : find_services(response)) {
    const auto app = apps_.find(found.app_id);
    if (app == apps_.end()) continue;
    // Another machine's loopback address would lead to somebody else's port on this one.
    if (found.loopback && !source.from_here) continue;
    if (!update(*app->second, found)) continue;
    publish(app->first, *app->second);
    app->second->changed.notify_all();
  }
}

bool Engine::update(App& app, const Found& found) {
  auto& addresses = app.known.addresses;
  bool changed = false;
  for (const bool ipv6 : {false, true}) {
    const std::string& text = ipv6 ? found.ipv6 : found.ipv4;
    if (text.empty()) continue;
    const auto known = std::ranges::find(addresses, text, &Address::text);
    if (found.gone) {
      if (known == addresses.end()) continue;
      addresses.erase(known);
    } else if (known != addresses.end()) {
      known->good_until = home_.now() + options_.address_life;
    } else {
      if (addresses.size() >= options_.addresses_max) continue;
      addresses.push_back({text, ipv6, home_.now() + options_.address_life});
      log.debug("Adding address ", text, " for app id ", found.app_id, " cache entry.");
    }
    changed = true;
  }
  return changed;
}

void Engine::publish(const std::string& app_id, const App& app) {
  const auto known = std::make_shared<const AppAddresses>(app.known);
  for (const auto& [loop, mirror] : subscribers_) {
    if (loop == &home_) {
      mirror->set(app_id, known);
    } else {
      loop->post([mirror, app_id, known] { mirror->set(app_id, known); });
    }
  }
}

void Engine::begin_browse(const std::string& app_id, App& app) {
  if (socket_.refresh()) announce();
  app.browsing = true;
  send(browse_query({app_id}));
  // The timers are the app's own and end with it.
  app.second_query = std::make_unique<Timer>([this, app_id] { send(browse_query({app_id})); });
  app.second_query->start(options_.browse_again);
  app.end_of_browse = std::make_unique<Timer>([&app] {
    app.browsing = false;
    app.changed.notify_all();
  });
  app.end_of_browse->start(options_.browse);
}

/// nullptr if there are too many already.
std::shared_ptr<Engine::App> Engine::app_for(const std::string& app_id) {
  const auto found = apps_.find(app_id);
  if (found != apps_.end()) return found->second;
  if (apps_.size() >= options_.apps_max) return nullptr;
  auto app = std::make_shared<App>();
  app->known.used = std::make_shared<std::atomic<Duration::rep>>(0);
  mark_used(app->known, home_.now());
  apps_.emplace(app_id, app);
  return app;
}

Task<Result<std::string>> Engine::lookup(std::string app_id) {
  if (!open_) co_return fail(Code::unavailable, "the mDNS resolver is closed");
  if (!can_be_found(app_id)) co_return fail(not_found(app_id));
  const std::shared_ptr<App> app = app_for(app_id);
  if (app == nullptr) {
    co_return fail(Code::resource_exhausted, "too many apps are being looked for");
  }
  for (bool asked = false;; asked = true) {
    auto address = app->known.next(app->turn, home_.now());
    if (address) {
      app->second_query.reset();
      co_return std::move(*address);
    }
    if (!app->browsing) {
      if (asked || !open_) break;
      begin_browse(app_id, *app);
    }
    auto woken = co_await app->changed.wait();
    if (!woken) co_return fail(std::move(woken).error());
  }
  // Names that nobody has must not fill the table.
  const auto still = apps_.find(app_id);
  if (still != apps_.end() && still->second == app && app->is_forgettable()) apps_.erase(still);
  co_return fail(not_found(app_id));
}

void Engine::evict(const std::string& app_id, std::string_view address) {
  const auto found = apps_.find(app_id);
  if (found == apps_.end()) return;
  App& app = *found->second;
  const auto removed =
      std::erase_if(app.known.addresses, [&](const Address& one) { return one.text == address; });
  if (removed == 0) return;
  log.debug("Address ", address, " of app id ", app_id, " does not answer");
  publish(app_id, app);
  if (!app.browsing) send(browse_query({app_id}));
}

void Engine::refresh() {
  refresh_timer_->start(options_.refresh);
  if (socket_.refresh()) announce();
  const TimePoint now = home_.now();
  std::vector<std::string> due;
  const auto ask = [&] {
    if (!due.empty()) send(browse_query(std::exchange(due, {})));
  };
  for (auto one = apps_.begin(); one != apps_.end();) {
    App& app = *one->second;
    const auto expired = std::erase_if(
        app.known.addresses, [&](const Address& address) { return address.good_until <= now; });
    const bool idle = now - used_at(app.known) >= options_.forget;
    if (idle && !app.is_waited_for()) app.known.addresses.clear();
    if (expired > 0 || app.known.addresses.empty()) publish(one->first, app);
    if (app.is_forgettable()) {
      one = apps_.erase(one);
      continue;
    }
    due.push_back(one->first);
    if (due.size() == kQuestionsPerMessage) ask();
    ++one;
  }
  ask();
}

}  // namespace outrigger::components::nameresolution::mdns
