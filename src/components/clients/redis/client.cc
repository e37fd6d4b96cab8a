#include "components/clients/redis/client.h"

#include <algorithm>

#include "components/clients/redis/slot_map.h"

namespace outrigger::components::redis {
namespace {

using namespace std::chrono_literals;

// As often as upstream's client library follows MOVED and ASK for one command, and some more for a
// cluster that is being moved about.
constexpr int kRedirectsMax = 8;
// What the network may add to the time for which a command blocks on the server.
constexpr Duration kBlockingMargin = 3s;

const Command& ping_command() {
  static const Command command = Command::keyless({"PING"});
  return command;
}

bool passes(const Reply& reply) {
  for (const auto* word :
       {"LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "NOREPLICAS"}) {
    if (reply.is_error(word)) return true;
  }
  return reply.text.starts_with("ERR max number of clients");
}

std::unique_ptr<Topology> make_topology(const std::shared_ptr<const Settings>& settings,
                                        Scope& scope) {
  if (settings->options.failover) return make_sentinel(settings, scope);
  if (settings->options.is_cluster()) return make_cluster(settings, scope);
  return make_standalone(settings, scope);
}

}  // namespace

Result<std::unique_ptr<Client>> Client::make(Options options) {
  OUT_TRY(auto settings, Settings::make(std::move(options)));
  return std::unique_ptr<Client>(new Client(std::move(settings)));
}

Client::Client(std::shared_ptr<const Settings> settings)
    : settings_(std::move(settings)), topology_(make_topology(settings_, scope_)) {
  const Duration answer = settings_->options.answer_timeout();
  commands_ = {.index = 0, .answer_timeout = answer};
  waits_ = {.index = 1, .answer_timeout = answer == 0ns ? answer : answer + kBlockingMargin};
}

Client::~Client() = default;

Task<Result<>> Client::open() {
  auto done = co_await topology_->start();
  if (done) done = co_await ping();
  co_return done;
}

Task<Result<>> Client::ping() {
  auto reply = co_await call(ping_command());
  OUT_CO_CHECK(checked(std::move(reply)));
  co_return Result<>();
}

Task<Result<Reply>> Client::run(Command command) {
  auto reply = co_await call(std::move(command), commands_);
  co_return checked(std::move(reply));
}

Task<Result<Reply>> Client::run(Command command, Lane lane) {
  auto reply = co_await call(std::move(command), lane);
  co_return checked(std::move(reply));
}

Task<Result<Reply>> Client::call(Command command, Lane lane) {
  Attempt attempt;
  attempt.link = topology_->find(command.slot(), lane);
  // What nearly always happens comes without a further task: an open connection and a good reply.
  if (Connection* connection = attempt.link == nullptr ? nullptr : attempt.link->open()) {
    Call call;
    attempt.connection = connection;
    connection->submit(call, command.bytes());
    attempt.reply = co_await call.wait();
    if (settled(attempt.reply)) co_return std::move(attempt.reply);
    attempt.lost = call.lost();
  } else {
    attempt = co_await try_once(&command, lane, Route());
    if (settled(attempt.reply)) co_return std::move(attempt.reply);
  }
  auto reply = co_await persist(std::move(command), lane, std::move(attempt));
  co_return reply;
}

Task<Client::Attempt> Client::try_once(const Command* command, Lane lane, Route route) {
  Attempt attempt;
  attempt.asking = route.asking;
  attempt.link = route.link != nullptr ? route.link : topology_->find(command->slot(), lane);
  if (attempt.link == nullptr) {
    auto refreshed = co_await topology_->refresh();
    if (!refreshed) attempt.reply = fail(std::move(refreshed).error());
    attempt.link = topology_->find(command->slot(), lane);
    if (attempt.link == nullptr) co_return attempt;
  }
  Connection* connection = attempt.link->open();
  if (connection == nullptr) {
    auto connected = co_await attempt.link->connect();
    if (!connected) {
      attempt.reply = fail(std::move(connected).error());
      co_return attempt;
    }
    connection = attempt.link->open();
    if (connection == nullptr) {
      attempt.reply = fail(Code::unavailable, "redis: the connection broke at once");
      co_return attempt;
    }
  }
  static const Command asking = Command::keyless({"ASKING"});
  if (route.asking) connection->submit(asking.bytes());
  Call call;
  attempt.connection = connection;
  connection->submit(call, command->bytes());
  attempt.reply = co_await call.wait();
  attempt.lost = call.lost();
  co_return attempt;
}

Task<Result<Reply>> Client::persist(Command command, Lane lane, Attempt attempt) {
  Route route;
  for (;;) {
    if (settled(attempt.reply)) co_return std::move(attempt.reply);
    if (attempt.reply && attempt.reply->is_error("NOSCRIPT") && command.is_script()) {
      command = command.in_full();
      route.link = attempt.link;
      route.asking = attempt.asking;
    } else if (!redirect(command, lane, attempt, route)) {
      if (!worth_repeating(command, attempt)) co_return std::move(attempt.reply);
      doubt(attempt);
      if (++route.attempts > settings_->options.retries()) co_return std::move(attempt.reply);
      route.link = nullptr;
      route.asking = false;
      auto slept = co_await sleep_for(settings_->options.backoff(route.attempts));
      if (!slept) co_return fail(std::move(slept).error());
    }
    attempt = co_await try_once(&command, lane, route);
  }
}

// Whether the reply sends the command elsewhere; then `route` leads there.
bool Client::redirect(const Command& command, const Lane& lane, const Attempt& attempt,
                      Route& route) {
  if (!attempt.reply || attempt.link == nullptr || !command.slot()) return false;
  const bool moved = attempt.reply->is_error("MOVED");
  if (!moved && !attempt.reply->is_error("ASK")) return false;
  const auto target = read_redirect(attempt.reply->text, attempt.link->address());
  if (!target || ++route.redirects > kRedirectsMax) return false;
  if (moved) topology_->moved(target->slot, target->address);
  route.link = topology_->at(target->address, lane);
  route.asking = !moved;
  return route.link != nullptr;
}

// Before a repetition: the map may be old, or the server a master no more.
void Client::doubt(const Attempt& attempt) {
  if (attempt.link == nullptr) return;
  const bool demoted = attempt.reply && (attempt.reply->is_error("READONLY") ||
                                         attempt.reply->is_error("MASTERDOWN"));
  // Others may have replaced the connection meanwhile: theirs is not to be broken.
  if (demoted && attempt.link->open() == attempt.connection) {
    attempt.link->drop(error_of(*attempt.reply));
  }
  topology_->suspect(*attempt.link);
}

bool Client::worth_repeating(const Command& command, const Attempt& attempt) const {
  if (attempt.reply) return passes(*attempt.reply);
  if (attempt.lost) return command.repeat() == Command::Repeat::harmless;
  return attempt.reply.error().code() == Code::unavailable;
}

Task<Result<Reply>> Client::call_and_wait(Command command, int replicas, int limit_ms) {
  const auto slot = command.slot();
  auto reply = co_await call(std::move(command), waits_);
  if (!settled(reply)) co_return reply;
  const std::string count = std::to_string(replicas);
  const std::string limit = std::to_string(limit_ms);
  const std::string_view words[] = {"WAIT", count, limit};
  auto waited = co_await call(Command::make(words, slot), waits_);
  if (!waited) {
    co_return fail(std::move(waited).error().context("redis waiting for " + count +
                                                     " replicas to acknowledge write, err"));
  }
  co_return reply;
}

Lane Client::take_lane(Duration blocking) {
  const Duration answer_timeout = blocking + kBlockingMargin;
  const auto found = std::ranges::find(free_lanes_, answer_timeout, &Lane::answer_timeout);
  if (found == free_lanes_.end()) return {.index = lanes_++, .answer_timeout = answer_timeout};
  const Lane lane = *found;
  free_lanes_.erase(found);
  return lane;
}

void Client::return_lane(Lane lane) {
  topology_->drop(lane, Error(Code::cancelled, "redis: no longer waited for"));
  free_lanes_.push_back(lane);
}

Task<Result<bool>> Client::has_json() {
  auto probe = Command::keyless({"JSON.GET"});
  auto reply = co_await call(std::move(probe));
  if (!reply) co_return fail(std::move(reply).error());
  co_return !reply->is_error() || !reply->text.starts_with("ERR unknown command");
}

Task<void> Client::close() {
  scope_.cancel();
  co_await scope_.join();
  topology_.reset();
}

}  // namespace outrigger::components::redis
