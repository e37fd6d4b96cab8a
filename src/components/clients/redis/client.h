#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/scope.h"
#include "components/clients/redis/command.h"
#include "components/clients/redis/options.h"
#include "components/clients/redis/reply.h"
#include "components/clients/redis/topology.h"

namespace outrigger::components::redis {

/// Redis for one component on one loop: a single server, the master that sentinels name, or a
/// cluster. Commands of all tasks share a connection to each server; what breaks is made again, and
/// commands are tried again within the configured limits where that does no harm.
class Client {
 public:
  /// Reads nothing and connects to nothing. Code::invalid_argument: a certificate or key.
  static Result<std::unique_ptr<Client>> make(Options options);
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client();

  /// Connects, and has an answer to PING. After an error nothing but close() is left.
  Task<Result<>> open();
  /// Sends the command to the server that has its key and gives its reply, which may be an error
  /// reply; an error if there was none. Redirections are followed and scripts that the server does
  /// not know are sent in full. A command that is not `once_only` is repeated after a broken
  /// connection; states that pass (LOADING, READONLY, CLUSTERDOWN, ...) are waited out for all.
  Task<Result<Reply>> call(Command command) { return call(std::move(command), commands_); }
  Task<Result<Reply>> call(Command command, Lane lane);
  /// The same with error replies as errors.
  Task<Result<Reply>> run(Command command);
  Task<Result<Reply>> run(Command command, Lane lane);

  /// A write and then WAIT on the same connection: returns when `replicas` have it or `limit_ms`
  /// has passed. Goes its own way, for WAIT holds up what comes behind it.
  Task<Result<Reply>> call_and_wait(Command command, int replicas, int limit_ms);

  /// A way of one's own to the servers, for commands that block there for up to `blocking`.
  Lane take_lane(Duration blocking);
  /// Gives it back, and breaks its connections: servers forget what was blocking on them.
  void return_lane(Lane lane);

  /// A slot of each server that owns keys, for commands that concern all of them.
  std::vector<std::optional<std::uint16_t>> owners() { return topology_->owners(); }
  /// Whether the server has the commands of RedisJSON.
  Task<Result<bool>> has_json();
  Task<Result<>> ping();
  /// The server that is configured, as messages name it.
  [[nodiscard]] const std::string& host() const noexcept { return settings_->options.host; }
  [[nodiscard]] const Options& options() const noexcept { return settings_->options; }

  /// Ends what runs by itself and closes the connections. No calls may be running.
  Task<void> close();

 private:
  struct Attempt {
    std::shared_ptr<Link> link;
    const Connection* connection = nullptr;  // To compare with; may be gone.
    bool asking = false;
    bool lost = false;
    Result<Reply> reply = fail(Code::unavailable, "redis: no server is known for this key");
  };
  struct Route {
    std::shared_ptr<Link> link;  // Where a redirection leads; nullptr: where the slot's map does.
    bool asking = false;
    int redirects = 0;
    int attempts = 0;
  };

  explicit Client(std::shared_ptr<const Settings> settings);
  static bool settled(const Result<Reply>& reply) noexcept {
    return reply.has_value() && !reply->is_error();
  }
  Task<Result<Reply>> persist(Command command, Lane lane, Attempt attempt);
  Task<Attempt> try_once(const Command* command, Lane lane, Route route);
  bool redirect(const Command& command, const Lane& lane, const Attempt& attempt, Route& route);
  void doubt(const Attempt& attempt);
  bool worth_repeating(const Command& command, const Attempt& attempt) const;

  std::shared_ptr<const Settings> settings_;
  Scope scope_;
  Lane commands_;
  Lane waits_;
  std::size_t lanes_ = 2;
  std::vector<Lane> free_lanes_;
  std::unique_ptr<Topology> topology_;
};

}  // namespace outrigger::components::redis
