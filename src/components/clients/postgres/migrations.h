#pragma once

#include <functional>
#include <string>
#include <vector>

#include "components/clients/postgres/client.h"

namespace outrigger::components::postgres {

/// One client's way to run statements one after the other on a connection of its own.
class Session {
 public:
  explicit Session(std::unique_ptr<Connection> connection) : connection_(std::move(connection)) {}
  /// Runs one statement without preparing it. A refusal is an error.
  Task<Result<Rows>> execute(std::string sql, std::vector<Value> values = {});
  /// The same; the SQLSTATE of a refusal, empty for other errors.
  [[nodiscard]] const std::string& sqlstate() const noexcept { return sqlstate_; }

 private:
  std::unique_ptr<Connection> connection_;
  std::string sqlstate_;
};

/// Brings a database up to date as upstream does, so that both can use it, also at the same time:
/// how many migrations were done is kept as text under `key` in the metadata table (key, value),
/// which is made if it is missing, and a row there is the lock. Unlike upstream's they are done in
/// one transaction, so that none is done in half. Names of tables go into the SQL as they are.
struct Migrations {
  using Migration = Task<Result<>> (*)(Session* session, std::string table);
  std::string metadata_table;
  std::string key;
  std::string table;  ///< What the migrations work on.
  std::vector<Migration> steps;
};
Task<Result<>> migrate(Client* client, Migrations migrations);

/// A migration: gives the table a column row_id that numbers its rows in the order of `created_at`
/// (a column's name) and then of their keys, for paging.
Task<Result<>> add_row_id(Session* session, std::string table, std::string created_at);

}  // namespace outrigger::components::postgres
