#include "control/placement/options.h"

#include "base/duration.h"
#include "base/log.h"
#include "base/strings.h"

namespace outrigger::control::placement {
namespace {

using namespace std::chrono_literals;

const Logger log("dapr.placement");

constexpr int kFactorMax = 10'000;

/// Of the consensus that upstream has inside.
struct RaftFlags {
  std::vector<std::string> initial_cluster = {"dapr-placement-0=127.0.0.1:8201"};
  bool in_memory = true;
  std::string log_store;
  int max_api_level = 10;
  int min_api_level = 0;
};

void add_raft_flags(Flags& flags, RaftFlags& raft) {
  flags.add("initial-cluster", &raft.initial_cluster,
            "replicas as upstream elects them; more than one need --leader-... here");
  flags.add("inmem-store-enabled", &raft.in_memory, "of upstream's consensus; has no effect");
  flags.add("raft-logstore-path", &raft.log_store, "of upstream's consensus; has no effect");
  flags.add("max-api-level", &raft.max_api_level, "highest API level of the cluster");
  flags.add("min-api-level", &raft.min_api_level, "lowest API level of the cluster");
  flags.deprecate("max-api-level", "this flag will be removed in future releases");
  flags.deprecate("min-api-level", "this flag will be removed in future releases");
}

void add_own_flags(Flags& flags, Options& options) {
  flags.add("id", &options.id, "id of this placement among its replicas");
  flags.add("replicationFactor", &options.replication_factor,
            "points on the hash ring for each sidecar");
  flags.add("keepalive-time", &options.common.keepalive_time,
            "a silent sidecar is asked for a sign of life after this (1s to 10s)");
  flags.add("keepalive-timeout", &options.common.keepalive_timeout,
            "and its connection is closed after this (1s to 10s)");
  flags.add("disseminate-timeout", &options.dissemination_timeout,
            "time that the answers of one sidecar may take in a round");
  flags.add("disseminate-coalesce-window", &options.coalesce_window,
            "time after a round in which changes are gathered for the next; 0: none");
  flags.add("metadata-enabled", &options.metadata, "serve the tables on the health port");
  flags.add("leader-etcd-endpoints", &options.leader_etcd_endpoints,
            "replicas elect their leader in this etcd");
  flags.add("leader-etcd-username", &options.leader_etcd_username, "user of that etcd");
  flags.add("leader-etcd-password", &options.leader_etcd_password, "password of that etcd");
  flags.add("leader-postgres", &options.leader_postgres,
            "replicas elect their leader in the PostgreSQL of this connection string");
}

Result<> between(std::string_view flag, std::chrono::nanoseconds value) {
  if (value >= 1s && value <= 10s) return {};
  return fail(Code::invalid_argument, "invalid value for " + std::string(flag) +
                                          ": value should be between 1s and 10s, got " +
                                          format_duration(value));
}

Result<> check(const Options& options, const RaftFlags& raft) {
  OUT_CHECK(between("keepalive-time", options.common.keepalive_time));
  OUT_CHECK(between("keepalive-timeout", options.common.keepalive_timeout));
  const auto refuse = [](std::string why) { return fail(Code::invalid_argument, std::move(why)); };
  if (options.dissemination_timeout <= 0s) {
    return refuse("invalid value for disseminate-timeout: must be positive, got " +
                  format_duration(options.dissemination_timeout));
  }
  if (options.replication_factor < 1 || options.replication_factor > kFactorMax) {
    return refuse("invalid value for replicationFactor: value should be between 1 and " +
                  std::to_string(kFactorMax) + ", got " +
                  std::to_string(options.replication_factor));
  }
  const bool etcd = !options.leader_etcd_endpoints.empty();
  if (etcd && !options.leader_postgres.empty()) {
    return refuse("--leader-etcd-endpoints and --leader-postgres: one of the two elects");
  }
  if (raft.initial_cluster.size() > 1 && !etcd && options.leader_postgres.empty()) {
    return refuse("--initial-cluster names " + std::to_string(raft.initial_cluster.size()) +
                  " replicas, which need something to elect their leader in: say "
                  "--leader-etcd-endpoints or --leader-postgres, or run one placement");
  }
  return {};
}

}  // namespace

std::optional<Options> parse_options(std::span<const std::string> arguments,
                                     const Environment& environment, int& exit_code) {
  CommonFlags common("placement", 50005);
  Options options;
  RaftFlags raft;
  options.common.keepalive_time = 2s;
  options.common.keepalive_timeout = 3s;
  options.metadata = is_truthy(environment("DAPR_PLACEMENT_METADATA_ENABLED").value_or(""));
  add_own_flags(common.flags, options);
  add_raft_flags(common.flags, raft);
  auto parsed = common.parse(arguments, exit_code);
  if (!parsed) return std::nullopt;
  parsed->keepalive_time = options.common.keepalive_time;
  parsed->keepalive_timeout = options.common.keepalive_timeout;
  options.common = *std::move(parsed);
  if (auto checked = check(options, raft); !checked) {
    log.log(LogLevel::fatal, checked.error().message(), {});
    exit_code = 1;
    return std::nullopt;
  }
  return options;
}

}  // namespace outrigger::control::placement
