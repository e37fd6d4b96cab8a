#pragma once

#include <memory>
#include <string>
#include <vector>

#include "control/scheduler/store.h"

namespace outrigger::control::scheduler {

struct EtcdOptions {
  std::vector<std::string> endpoints;
  std::string username;
  std::string password;
  /// Of this replica; must differ from those of the others.
  std::string id;
};

/// Jobs in etcd, in upstream's keys and records, shared with other replicas of either kind. Holds
/// in memory when each job of its share is due, so its share is some 200 bytes a job. A job's id is
/// the key's modification revision.
/// Code::invalid_argument: an endpoint that is none.
Result<std::unique_ptr<Store>> make_etcd_store(EtcdOptions options);

}  // namespace outrigger::control::scheduler
