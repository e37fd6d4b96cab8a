#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "control/core/options.h"

namespace outrigger::control::scheduler {

/// What the flags of the scheduler say (facts/flags.tsv).
struct Options {
  CommonOptions common;
  std::string id = "dapr-scheduler-server-0";
  /// Told to sidecars in place of our own address.
  std::optional<std::string> broadcast;
  /// True: our own store, in `data_dir`, unless `postgres` is given; false: outside etcd.
  bool embed = true;
  /// The connection string of a PostgreSQL that keeps the jobs; empty: none.
  std::string postgres;
  std::string data_dir = "./data";
  /// The port that answers as etcd's own does.
  std::uint64_t etcd_client_port = 2379;
  std::string etcd_client_listen_address = "localhost";
  std::vector<std::string> etcd_endpoints;
  std::string etcd_username;
  std::string etcd_password;
  /// Flags that were given and mean nothing here, for the log.
  std::vector<std::string> ignored;
};

/// nullopt: the process is to end with `exit_code`; what there was to say has been said.
std::optional<Options> parse_options(std::span<const std::string> arguments, int& exit_code);

}  // namespace outrigger::control::scheduler
