#pragma once

#include <memory>
#include <string>

#include "control/scheduler/store.h"

namespace outrigger::control::scheduler {

struct PostgresOptions {
  std::string connection_string;
  /// Of this replica; must differ from those of the others.
  std::string id;
};

/// Jobs in a table of PostgreSQL (13 or later), shared with other replicas. Nothing of a job is
/// held in memory. What other replicas write is noticed within a quarter of a second.
/// Code::invalid_argument: a connection string that is none. On the loop that uses it.
Result<std::unique_ptr<Store>> make_postgres_store(PostgresOptions options);

}  // namespace outrigger::control::scheduler
