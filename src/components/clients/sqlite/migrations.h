#pragma once

#include <span>
#include <string>
#include <string_view>

#include "components/clients/sqlite/database.h"

namespace outrigger::components::sqlite {

/// Brings a database up to date as upstream does, so that both can use it: the number of
/// migrations done is kept as text under `key` in the metadata table (key, value), which is made
/// if it is missing. Runs the statements from that number on, all in one exclusive transaction.
/// The names of tables in the statements are the caller's to check (valid_identifier()).
struct Migrations {
  std::string metadata_table;
  std::string key = "migrations";
  std::vector<std::string> statements;
};
Result<> migrate(Database& database, const Migrations& migrations);

}  // namespace outrigger::components::sqlite
