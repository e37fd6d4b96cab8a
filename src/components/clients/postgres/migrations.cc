#include "components/clients/postgres/migrations.h"

#include "base/log.h"
#include "base/strings.h"
#include "components/clients/postgres/values.h"

namespace outrigger::components::postgres {
namespace {

using namespace std::chrono_literals;

const Logger log("dapr.contrib.postgresql");

/// Another process may hold the lock for as long as its migrations take.
constexpr Duration kLockTimeout = 1min;
/// Processes that create one table at the same time make each other fail.
constexpr int kAttemptsMax = 4;

/// How a server refuses a "CREATE TABLE IF NOT EXISTS" while another session is creating that
/// table: it depends on how far the other one is.
bool is_lost_race(std::string_view state) noexcept {
  return state == sqlstate::kUniqueViolation || state == sqlstate::kDuplicateObject ||
         state == sqlstate::kDuplicateTable;
}

std::string quote_identifier(std::string_view name) {
  return "\"" + replace_all(name, "\"", "\"\"") + "\"";
}

Task<Result<std::size_t>> read_level(Session* session, std::string metadata_table,
                                     std::string key) {
  const std::string sql = "SELECT value FROM " + metadata_table + " WHERE key = $1";
  std::vector<Value> values{std::move(key)};
  OUT_CO_TRY(auto rows, co_await session->execute(sql, std::move(values)));
  if (rows.size() == 0) co_return std::size_t{0};
  const auto text = rows.bytes(0, 0);
  const auto level = parse_int<std::size_t>(text);
  if (level) co_return *level;
  co_return fail(Code::failed_precondition,
                 "invalid migration level found in metadata table: " + std::string(text));
}

Task<Result<>> lock(Session* session, std::string metadata_table) {
  const std::string create = "CREATE TABLE IF NOT EXISTS " + metadata_table +
                             " (key text NOT NULL PRIMARY KEY, value text NOT NULL)";
  OUT_CO_CHECK(co_await session->execute(create));
  // Committed before the transaction: others lock the same row.
  const std::string insert = "INSERT INTO " + metadata_table +
                             " (key, value) VALUES ('lock', 'lock') ON CONFLICT (key) DO NOTHING";
  OUT_CO_CHECK(co_await session->execute(insert));
  OUT_CO_CHECK(co_await session->execute("BEGIN"));
  const std::string select =
      "SELECT value FROM " + metadata_table + " WHERE key = 'lock' FOR UPDATE";
  auto locked = co_await with_timeout(session->execute(select), kLockTimeout);
  if (!locked)
    co_return fail(std::move(locked).error().context("failed to acquire migration lock"));
  co_return Result<>();
}

Task<Result<>> migrate_on(Session* session, const Migrations* migrations) {
  OUT_CO_CHECK(co_await lock(session, migrations->metadata_table));
  OUT_CO_TRY(const auto level,
             co_await read_level(session, migrations->metadata_table, migrations->key));
  for (std::size_t i = level; i < migrations->steps.size(); ++i) {
    log.info("Performing migration ", i + 1, " on '", migrations->table, "'");
    auto done = co_await migrations->steps[i](session, migrations->table);
    if (!done) {
      const std::string which = "failed to perform migration " + std::to_string(i);
      co_return fail(std::move(done).error().context(which));
    }
    const std::string update = "INSERT INTO " + migrations->metadata_table +
                               " (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET "
                               "value = excluded.value";
    std::vector<Value> values{migrations->key, std::to_string(i + 1)};
    OUT_CO_CHECK(co_await session->execute(update, std::move(values)));
  }
  OUT_CO_CHECK(co_await session->execute("COMMIT"));
  co_return Result<>();
}

}  // namespace

Task<Result<Rows>> Session::execute(std::string sql, std::vector<Value> values) {
  sqlstate_.clear();
  const Statement statement(std::move(sql), Statement::Use::once);
  Unit unit;
  unit.push_back({.statement = &statement, .values = std::move(values)});
  Call call;
  connection_->submit(call, unit);
  OUT_CO_TRY(auto reply, co_await call.wait());
  if (reply.refusal) {
    sqlstate_ = std::move(reply.refusal->sqlstate);
    co_return fail(std::move(reply.refusal->error));
  }
  if (reply.rows.empty()) co_return fail(Code::internal, "the database gave no result");
  co_return std::move(reply.rows.front());
}

Task<Result<>> migrate(Client* client, Migrations migrations) {
  for (int attempt = 1;; ++attempt) {
    OUT_CO_TRY(auto connection, co_await client->dedicated());
    Session session(std::move(connection));
    if (attempt == 1) {
      // Mostly there is nothing to do, and then no right to create tables is needed.
      auto level = co_await read_level(&session, migrations.metadata_table, migrations.key);
      if (level && *level >= migrations.steps.size()) co_return Result<>();
    }
    auto done = co_await migrate_on(&session, &migrations);
    const bool raced = is_lost_race(session.sqlstate());
    if (done || !raced || attempt == kAttemptsMax) co_return done;
    auto slept = co_await sleep_for(50ms);
    if (!slept) co_return fail(std::move(slept).error());
  }
}

Task<Result<>> add_row_id(Session* session, std::string table, std::string created_at) {
  const std::string find =
      "SELECT format('%I.%I', n.nspname, c.relname), c.relname::text,"
      " EXISTS (SELECT 1 FROM pg_attribute WHERE attrelid = c.oid AND attname = 'row_id'"
      " AND NOT attisdropped AND attidentity <> '')"
      " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
      " WHERE c.oid = to_regclass($1)";
  std::vector<Value> name{table};
  OUT_CO_TRY(auto found, co_await session->execute(find, std::move(name)));
  if (found.size() == 0) {
    co_return fail(Code::failed_precondition, "table " + quoted(table) + " not found");
  }
  const std::string whole(found.bytes(0, 0));
  const std::string index = quote_identifier(std::string(found.bytes(0, 1)) + "_row_id_uidx");
  const std::string alter = "ALTER TABLE " + whole;
  std::vector<std::string> statements = {
      alter + " ADD COLUMN IF NOT EXISTS row_id BIGINT",
      "UPDATE " + whole +
          " AS t SET row_id = r.number FROM (SELECT key, ROW_NUMBER() OVER (ORDER BY " +
          created_at + ", key) AS number FROM " + whole +
          " WHERE row_id IS NULL) AS r WHERE r.key = t.key",
      alter + " ALTER COLUMN row_id SET NOT NULL"};
  if (!to_bool(found.bytes(0, 2))) {
    statements.push_back(alter + " ALTER COLUMN row_id ADD GENERATED BY DEFAULT AS IDENTITY");
  }
  for (const std::string& statement : statements) {
    OUT_CO_CHECK(co_await session->execute(statement));
  }
  std::vector<Value> sequence_of{whole};
  const std::string align =
      "SELECT setval(pg_get_serial_sequence($1, 'row_id'), COALESCE((SELECT MAX(row_id) FROM " +
      whole + "), 0) + 1, false)";
  OUT_CO_CHECK(co_await session->execute(align, std::move(sequence_of)));
  const std::string unique = "CREATE UNIQUE INDEX IF NOT EXISTS " + index + " ON " + whole;
  OUT_CO_CHECK(co_await session->execute(unique + " (row_id)"));
  co_return Result<>();
}

}  // namespace outrigger::components::postgres
