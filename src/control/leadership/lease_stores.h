#pragma once

#include <string>
#include <vector>

#include "control/leadership/leadership.h"

namespace outrigger::control {

/// Who asks for which lease.
struct LeaseName {
  /// Of the lease: the service's name, "placement".
  std::string name;
  /// Of this replica: must differ from those of the others.
  std::string holder;
};

struct EtcdAccess {
  std::vector<std::string> endpoints;
  std::string username;
  std::string password;
};

/// The lease is the key "outrigger/leader/<name>" bound to a lease of etcd's own. On the loop that
/// uses it. Code::invalid_argument: an endpoint that is none.
Result<std::unique_ptr<LeaseStore>> make_etcd_lease_store(EtcdAccess access, LeaseName name);

/// The lease is a row of the table outrigger_leases, which is made if it is missing; time is the
/// server's. On the loop that uses it. Code::invalid_argument: a connection string that is none.
Result<std::unique_ptr<LeaseStore>> make_postgres_lease_store(std::string connection_string,
                                                              LeaseName name);

}  // namespace outrigger::control
