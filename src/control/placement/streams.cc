#include "control/placement/streams.h"

#include "base/log.h"
#include "control/placement/wire.h"

namespace outrigger::control::placement {
namespace {

const Logger log("dapr.placement.server");

// Orders that a sidecar has not taken yet. A round is three; more than a few rounds behind it can
// only be if it reports in a loop and reads nothing.
constexpr std::size_t kUnsentMax = 64;
// Tables go to so many streams at a time: with a thousand sidecars each of them is large, and the
// copies of those that take theirs at once are gone before the next are made.
constexpr std::size_t kLettersOfATurn = 64;

}  // namespace

struct Streams::Namespace {
  Namespace(std::string its_name, RoundRules rules, std::function<void()> on_time)
      : name(std::move(its_name)), rounds(rules), timer(std::move(on_time)) {}
  std::string name;
  Rounds rounds;
  Timer timer;
  /// Those that point here: more than the rounds know, which forget whom they have ended.
  std::size_t connections = 0;
  telemetry::Gauge runtimes;
  telemetry::Gauge actor_runtimes;
};

namespace {

/// A report of whom the caller may speak for.
Result<HostReport> parse_report(std::string_view bytes, const Streams::Caller& caller) {
  OUT_TRY(HostReport host, parse_host(bytes));
  if (!caller.identity) return host;
  if (host.id != caller.identity->app_id) {
    return fail(Code::permission_denied, "provided app ID " + host.id +
                                             " doesn't match the one in the SPIFFE ID (" +
                                             caller.identity->app_id + ")");
  }
  if (host.app_namespace != caller.identity->app_namespace) {
    return fail(Code::permission_denied, "provided client namespace " + host.app_namespace +
                                             " doesn't match the one in the SPIFFE ID (" +
                                             caller.identity->app_namespace + ")");
  }
  return host;
}

}  // namespace

struct Streams::Connection {
  StreamId id = 0;
  Namespace* space = nullptr;
  Caller caller;
  std::deque<std::shared_ptr<const std::string>> unsent;
  Signal changed;
  /// Why it is over, if not by itself.
  std::optional<Error> end;
  bool gone = false;
  /// Of its writes, which a sidecar that reads nothing would hold up for ever.
  Cancellation* writing = nullptr;
};

Streams::Streams(Options options, telemetry::Registry& metrics)
    : options_(options),
      namespaces_group_(metrics.group({"host_namespace"}, telemetry::Registry::AppLabel::no)),
      runtimes_(metrics.gauge(namespaces_group_, "dapr_placement_runtimes_total",
                              "The total number of runtimes reported to placement service.")),
      actor_runtimes_(
          metrics.gauge(namespaces_group_, "dapr_placement_actor_runtimes_total",
                        "The total number of actor runtimes reported to placement service.")) {}

Streams::~Streams() { OUT_ASSERT(connections_.empty()); }

Streams::Namespace& Streams::open_namespace(const std::string& name) {
  std::unique_ptr<Namespace>& space = namespaces_[name];
  if (space) return *space;
  auto on_time = [this, name] {
    const auto found = namespaces_.find(name);
    if (found == namespaces_.end()) return;
    found->second->rounds.on_time(Loop::current().now());
    follow(*found->second);
  };
  space = std::make_unique<Namespace>(name, options_.rules, std::move(on_time));
  const telemetry::Labels labels = namespaces_group_.find({name});
  space->runtimes = runtimes_.at(labels);
  space->actor_runtimes = actor_runtimes_.at(labels);
  return *space;
}

void Streams::follow(Namespace& space) {
  Rounds& rounds = space.rounds;
  std::map<std::pair<Step, std::uint64_t>, std::shared_ptr<const std::string>> orders;
  for (Rounds::Action& action : rounds.take_actions()) {
    if (action.end) {
      log.warn("Closing non-responding stream ", space.name, ":", action.stream);
      end(action.stream, *std::move(action.end));
      continue;
    }
    auto& order = orders[{action.order, action.version}];
    if (!order) {
      order = std::make_shared<const std::string>(
          order_message(action.order, action.version, rounds.hosts(), options_.replication_factor));
    }
    letters_.push_back({.to = action.stream, .order = order});
  }
  if (!letters_.empty() && !posting_) {
    posting_ = true;
    scope_.spawn(post_letters());
  }
  space.runtimes.set(static_cast<double>(rounds.streams()));
  space.actor_runtimes.set(static_cast<double>(rounds.actor_streams()));
  if (const auto deadline = rounds.deadline()) {
    space.timer.start_at(*deadline);
  } else {
    space.timer.stop();
  }
}

Task<void> Streams::post_letters() {
  while (!letters_.empty()) {
    for (std::size_t i = 0; i < kLettersOfATurn && !letters_.empty(); ++i) {
      const Letter letter = std::move(letters_.front());
      letters_.pop_front();
      const auto found = connections_.find(letter.to);
      if (found == connections_.end()) continue;
      Connection& connection = *found->second;
      if (connection.unsent.size() >= kUnsentMax) {
        end(letter.to, Error(Code::resource_exhausted, "the sidecar does not read its orders"));
        continue;
      }
      connection.unsent.push_back(letter.order);
      connection.changed.notify_all();
    }
    if (!letters_.empty()) [[maybe_unused]]
      auto slept = co_await sleep_for(Duration::zero());
  }
  posting_ = false;
}

void Streams::end(StreamId id, Error why) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  Connection& connection = *found->second;
  if (!connection.end) connection.end = std::move(why);
  if (connection.writing != nullptr) connection.writing->request();
  connection.changed.notify_all();
}

void Streams::end_all(const Error& why) {
  for (auto& [id, connection] : connections_) {
    if (!connection->end) connection->end = why;
    if (connection->writing != nullptr) connection->writing->request();
    connection->changed.notify_all();
  }
}

Task<Result<>> Streams::serve(net::grpc::ServerStream* stream, Caller caller) {
  OUT_CO_TRY(const auto first, co_await stream->read());
  if (!first) co_return Result<>();
  OUT_CO_TRY(HostReport host, parse_report(*first, caller));
  log.info("Received status report connection from new namespace=", host.app_namespace,
           " id=", host.id, " host=", host.name);
  Connection connection;
  connection.id = ++last_id_;
  connection.caller = std::move(caller);
  connection.space = &open_namespace(host.app_namespace);
  ++connection.space->connections;
  connections_.emplace(connection.id, &connection);
  connection.space->rounds.add(connection.id, std::move(host), Loop::current().now());
  follow(*connection.space);
  auto ended = co_await converse(&connection, stream);
  leave(connection);
  co_return ended;
}

void Streams::leave(Connection& connection) {
  connections_.erase(connection.id);
  Namespace& space = *connection.space;
  // Also after the rounds have ended it themselves: then they do not know it any more.
  space.rounds.remove(connection.id, Loop::current().now());
  follow(space);
  if (--space.connections == 0) namespaces_.erase(space.name);
}

Task<Result<>> Streams::converse(Connection* connection, net::grpc::ServerStream* stream) {
  Cancellation* const outer = co_await this_cancellation();
  Cancellation writing(outer);
  connection->writing = &writing;
  Scope listener;
  listener.spawn(listen(connection, stream));
  Result<> going;
  while (going && !connection->end && !connection->gone) {
    if (connection->unsent.empty()) {
      going = co_await connection->changed.wait();
      continue;
    }
    std::string order = *connection->unsent.front();
    connection->unsent.pop_front();
    going = co_await stream->write(std::move(order)).under(writing);
  }
  connection->writing = nullptr;
  listener.cancel();
  co_await listener.join();
  if (connection->end) {
    log.info("Closing connection to ", connection->caller.address, ": ", *connection->end);
    co_return fail(*connection->end);
  }
  co_return going;
}

Task<void> Streams::listen(Connection* connection, net::grpc::ServerStream* stream) {
  for (;;) {
    auto message = co_await stream->read();
    if (!message || !*message) {
      connection->gone = true;
      if (connection->writing != nullptr) connection->writing->request();
      connection->changed.notify_all();
      co_return;
    }
    auto host = parse_report(**message, connection->caller);
    if (host && host->app_namespace != connection->space->name) {
      host = fail(Code::invalid_argument, "a sidecar cannot change its namespace");
    }
    if (!host) {
      log.warn("Authorization failed for stream ", connection->caller.address, ": ", host.error());
      end(connection->id, std::move(host).error());
      co_return;
    }
    connection->space->rounds.report(connection->id, *std::move(host), Loop::current().now());
    follow(*connection->space);
  }
}

std::string Streams::state() const {
  std::map<std::string, NamespaceState> page;
  for (const auto& [name, space] : namespaces_) {
    page[name] = {.version = space->rounds.version(), .hosts = space->rounds.hosts()};
  }
  return state_page(page);
}

Task<void> Streams::close() { co_await scope_.join(); }

}  // namespace outrigger::control::placement
