#include "control/scheduler/options.h"

#include <cstdio>

#include "base/log.h"
#include "base/quantity.h"

namespace outrigger::control::scheduler {
namespace {

using namespace std::chrono_literals;

const Logger log("dapr.scheduler");

/// Flags of the etcd that upstream has inside.
struct EtcdFlags {
  std::vector<std::string> initial_cluster = {"dapr-scheduler-server-0=http://localhost:2380"};
  std::string space_quota = "9.2E";
  std::string compaction_mode = "revision";
  std::string compaction_retention = "1000000";
  std::uint64_t snapshot_count = 100'000;
  unsigned max_snapshots = 10;
  unsigned max_wals = 10;
  int batch_limit = 10'000;
  std::string batch_interval = "100ms";
  unsigned max_txn_ops = 10'000;
  unsigned defrag_threshold = 100;
  bool tick_advance = false;
  std::string metrics = "basic";
  std::string identity_directory;
  unsigned workers = 2048;
};

/// Accepted, so that a command line for upstream works; they tune what there is not here.
constexpr std::string_view kWithoutMeaning[] = {
    "etcd-space-quota",
    "etcd-compaction-mode",
    "etcd-compaction-retention",
    "etcd-snapshot-count",
    "etcd-max-snapshots",
    "etcd-max-wals",
    "etcd-backend-batch-limit",
    "etcd-backend-batch-interval",
    "etcd-max-txn-ops",
    "etcd-experimental-bootstrap-defrag-threshold-megabytes",
    "etcd-initial-election-tick-advance",
    "etcd-metrics",
    "identity-directory-write",
    "workers",
};

void add_etcd_flags(Flags& flags, EtcdFlags& etcd) {
  flags.add("etcd-initial-cluster", &etcd.initial_cluster,
            "members of the store; ours has one, more need an etcd outside");
  flags.add("etcd-space-quota", &etcd.space_quota, "of upstream's store; has no effect");
  flags.add("etcd-compaction-mode", &etcd.compaction_mode, "of upstream's store; has no effect");
  flags.add("etcd-compaction-retention", &etcd.compaction_retention,
            "of upstream's store; has no effect");
  flags.add("etcd-snapshot-count", &etcd.snapshot_count, "of upstream's store; has no effect");
  flags.add("etcd-max-snapshots", &etcd.max_snapshots, "of upstream's store; has no effect");
  flags.add("etcd-max-wals", &etcd.max_wals, "of upstream's store; has no effect");
  flags.add("etcd-backend-batch-limit", &etcd.batch_limit, "of upstream's store; has no effect");
  flags.add("etcd-backend-batch-interval", &etcd.batch_interval,
            "of upstream's store; has no effect");
  flags.add("etcd-max-txn-ops", &etcd.max_txn_ops, "of upstream's store; has no effect");
  flags.add("etcd-experimental-bootstrap-defrag-threshold-megabytes", &etcd.defrag_threshold,
            "of upstream's store; has no effect");
  flags.add("etcd-initial-election-tick-advance", &etcd.tick_advance,
            "of upstream's store; has no effect");
  flags.add("etcd-metrics", &etcd.metrics, "of upstream's store; has no effect");
  flags.add("identity-directory-write", &etcd.identity_directory,
            "where upstream writes its identity; has no effect");
  flags.hide("identity-directory-write");
  flags.add("workers", &etcd.workers, "upstream's workers; has no effect: none are needed");
}

Result<> check(const Flags& flags, const Options& options, const EtcdFlags& etcd,
               const std::string& mode) {
  const auto refuse = [](std::string why) { return fail(Code::invalid_argument, std::move(why)); };
  if (auto quota = parse_quantity(etcd.space_quota); !quota) {
    return refuse("failed to parse etcd space quota: " + quota.error().message());
  }
  if (flags.changed("kubeconfig") && mode != "kubernetes") {
    return refuse("kubeconfig flag is only valid in --mode=kubernetes");
  }
  if (options.embed) {
    const auto both = [](std::string_view flag) {
      return "cannot use --" + std::string(flag) + " with --etcd-embed";
    };
    if (!options.etcd_endpoints.empty()) return refuse(both("etcd-client-endpoints"));
    if (!options.etcd_username.empty()) return refuse(both("etcd-client-username"));
    if (!options.etcd_password.empty()) return refuse(both("etcd-client-password"));
  } else if (options.etcd_endpoints.empty()) {
    return refuse("must specify --etcd-client-endpoints when not using embedded etcd");
  }
  if (!options.embed && !options.postgres.empty()) {
    return refuse(
        "jobs are kept in etcd (--etcd-embed=false) or in PostgreSQL "
        "(--postgres-connection-string), not in both");
  }
  const bool shared = !options.embed || !options.postgres.empty();
  if (!shared && etcd.initial_cluster.size() > 1) {
    return fail(Code::unimplemented,
                "--etcd-initial-cluster names " + std::to_string(etcd.initial_cluster.size()) +
                    " members: our own store belongs to one process, and several would not know of "
                    "each other's jobs; run one scheduler, or keep the jobs in an etcd outside "
                    "(--etcd-embed=false) or in PostgreSQL (--postgres-connection-string)");
  }
  if (options.etcd_client_port > 65535) return refuse("--etcd-client-port is not a port");
  if (mode == "kubernetes") {
    return fail(Code::unimplemented,
                "--mode=kubernetes needs mutual TLS, which this version has not for the scheduler");
  }
  return {};
}

}  // namespace

std::optional<Options> parse_options(std::span<const std::string> arguments, int& exit_code) {
  CommonFlags common("scheduler", 50006);
  Options options;
  EtcdFlags etcd;
  std::string broadcast;
  std::string kubeconfig;
  Flags& flags = common.flags;
  flags.add("override-broadcast-host-port", &broadcast,
            "address (host:port) told to sidecars in place of our own");
  flags.add("kubeconfig", &kubeconfig, "kubeconfig file, in Kubernetes mode");
  flags.add("id", &options.id, "id of this scheduler among its replicas");
  flags.add("etcd-embed", &options.embed, "keep jobs in a store of our own");
  flags.add("etcd-data-dir", &options.data_dir, "folder of our own store");
  flags.add("etcd-client-port", &options.etcd_client_port, "port for clients of etcd");
  flags.add("etcd-client-listen-address", &options.etcd_client_listen_address,
            "address of the port for clients of etcd");
  flags.add("etcd-client-endpoints", &options.etcd_endpoints, "addresses of an etcd outside");
  flags.add("etcd-client-username", &options.etcd_username, "user of an etcd outside");
  flags.add("etcd-client-password", &options.etcd_password, "password of an etcd outside");
  flags.add("postgres-connection-string", &options.postgres,
            "PostgreSQL to keep jobs in, in place of our own store; not a flag of upstream's");
  add_etcd_flags(flags, etcd);
  auto parsed = common.parse(arguments, exit_code);
  if (!parsed) return std::nullopt;
  options.common = *std::move(parsed);
  // Upstream's.
  options.common.keepalive_time = 3s;
  options.common.keepalive_timeout = 5s;
  if (flags.changed("override-broadcast-host-port")) options.broadcast = broadcast;
  for (const auto flag : kWithoutMeaning) {
    if (flags.changed(flag)) options.ignored.emplace_back(flag);
  }
  if (auto checked = check(flags, options, etcd, common.mode); !checked) {
    log.fatal(checked.error());
  }
  return options;
}

}  // namespace outrigger::control::scheduler
