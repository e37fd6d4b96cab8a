#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "control/core/options.h"

namespace outrigger::control::placement {

/// What the flags of placement say (facts/flags.tsv).
struct Options {
  CommonOptions common;
  std::string id = "dapr-placement-0";
  /// Points on the hash ring for each host.
  int replication_factor = 100;
  std::chrono::nanoseconds dissemination_timeout = std::chrono::seconds(8);
  std::chrono::nanoseconds coalesce_window{0};
  /// Serve the tables at /placement/state of the health port.
  bool metadata = false;
  /// Where replicas elect their leader: an etcd, or a PostgreSQL (at most one of the two is set);
  /// neither: this is the only replica.
  std::vector<std::string> leader_etcd_endpoints;
  std::string leader_etcd_username;
  std::string leader_etcd_password;
  std::string leader_postgres;
};

/// nullopt: the process is to end with `exit_code`; what there was to say has been said.
std::optional<Options> parse_options(std::span<const std::string> arguments,
                                     const Environment& environment, int& exit_code);

}  // namespace outrigger::control::placement
