#include "components/nameresolution/sqlite_registration.h"

#include "base/log.h"
#include "base/uuid.h"
#include "components/clients/sqlite/migrations.h"

namespace outrigger::components::nameresolution::hosts {
namespace {

using namespace std::chrono_literals;
using sqlite::Client;
using sqlite::Database;

const Logger log("dapr.contrib");

constexpr Duration kRetryAfter = 50ms;
// An app with more instances than that is spread over these.
constexpr std::string_view kFoundMax = "64";

std::string seconds(std::chrono::nanoseconds duration) {
  return std::to_string(std::chrono::floor<std::chrono::seconds>(duration).count());
}

/// Cleans up if no other process did so within the interval.
Result<bool> clean_up(Database& database, const Statements& sql, std::int64_t least_ms) {
  OUT_TRY(const auto won, database.execute(sql.stamp_cleanup, {least_ms}));
  if (won == 0) return false;
  OUT_TRY(const auto removed, database.execute(sql.clean));
  if (removed > 0) log.info("Removed ", removed, " expired rows");
  return false;
}

}  // namespace

Result<> check(const Options& options) {
  const auto refuse = [](const std::string& what) { return fail(Code::invalid_argument, what); };
  if (!sqlite::valid_identifier(options.table)) {
    return refuse("invalid identifier for table name: " + options.table);
  }
  if (!sqlite::valid_identifier(options.metadata_table)) {
    return refuse("invalid identifier for metadata table name: " + options.metadata_table);
  }
  if (options.update_interval % 1s != 0ns) {
    return refuse("update interval must not contain fractions of seconds");
  }
  if (options.update_interval - options.timeout < 1s) {
    return refuse("update interval must be at least 1s greater than timeout");
  }
  return {};
}

Statements statements_for(const Options& options) {
  const std::string& table = options.table;
  const std::string age = "unixepoch(CURRENT_TIMESTAMP) - last_update";
  Statements sql;
  sql.create = "CREATE TABLE IF NOT EXISTS " + table +
               " (registration_id TEXT NOT NULL PRIMARY KEY, address TEXT NOT NULL, "
               "app_id TEXT NOT NULL, namespace TEXT NOT NULL, last_update INTEGER NOT NULL)";
  sql.index_address =
      "CREATE UNIQUE INDEX IF NOT EXISTS " + table + "_address_idx ON " + table + " (address)";
  sql.index_update =
      "CREATE INDEX IF NOT EXISTS " + table + "_last_update_idx ON " + table + " (last_update)";
  // The namespace is empty as upstream's is, which reads the rows without it.
  sql.take = "REPLACE INTO " + table +
             " (registration_id, address, app_id, namespace, last_update) "
             "VALUES (?, ?, ?, '', unixepoch(CURRENT_TIMESTAMP))";
  const std::string own = " WHERE registration_id = ? AND address = ?";
  sql.renew = "UPDATE " + table + " SET last_update = unixepoch(CURRENT_TIMESTAMP)" + own;
  sql.owner = "SELECT registration_id FROM " + table + " WHERE address = ?";
  sql.leave = "DELETE FROM " + table + own;
  sql.find = "SELECT address FROM " + table + " WHERE app_id = ? AND " + age + " < " +
             seconds(options.update_interval) + " ORDER BY RANDOM() LIMIT " +
             std::string(kFoundMax);
  sql.stamp_cleanup = "INSERT INTO " + options.metadata_table +
                      " (key, value) VALUES ('nr-last-cleanup', CURRENT_TIMESTAMP) "
                      "ON CONFLICT (key) DO UPDATE SET value = CURRENT_TIMESTAMP "
                      "WHERE (unixepoch(CURRENT_TIMESTAMP) - unixepoch(value)) * 1000 > ?";
  // Upstream removes the rows that are young, and its sidecars end when their row is gone: one
  // that only slept for a while shall find its own again.
  sql.clean = "DELETE FROM " + table + " WHERE " + age +
              " >= " + seconds(std::max(options.cleanup_interval, options.update_interval));
  return sql;
}

Result<std::shared_ptr<sqlite::Executor>> open_hosts(const Options& options,
                                                     std::shared_ptr<const Statements> sql) {
  OUT_TRY(auto plan, sqlite::plan_connection(options, sqlite::ForeignKeys::off));
  if (plan.in_memory) {
    log.warn(
        "Configuring name resolution with an in-memory SQLite database. Service invocation "
        "across different apps will not work.");
  } else {
    log.info("Configuring SQLite name resolution with path ", plan.uri);
  }
  // Upstream makes the table and its indices in one step, which counts as 1.
  sqlite::Migrations migrations{.metadata_table = options.metadata_table,
                                .key = "nr-migrations",
                                .statements = {sql->create}};
  auto setup = [migrations = std::move(migrations), sql](Database& database) -> Result<> {
    OUT_CHECK(sqlite::migrate(database, migrations));
    OUT_CHECK(database.execute(sql->index_address));
    OUT_CHECK(database.execute(sql->index_update));
    return {};
  };
  auto executor = std::make_shared<sqlite::Executor>(std::move(plan), std::move(setup));
  if (options.cleanup_interval > 0ns) {
    const auto interval = std::chrono::floor<std::chrono::milliseconds>(options.cleanup_interval);
    // Upstream's slack, so that a clock a little late does not skip a turn.
    auto work = [sql, least = std::int64_t{interval.count()} - 100](Database& database) {
      return clean_up(database, *sql, least);
    };
    auto failed = [](const Error& error) { log.error("Error removing expired data: ", error); };
    executor->every(interval, std::move(work), std::move(failed));
  }
  return executor;
}

Registration::Registration(Loop& home, const Options& options,
                           std::shared_ptr<sqlite::Executor> executor,
                           std::shared_ptr<const Statements> sql)
    : home_(home),
      renew_every_(options.update_interval - options.timeout),
      timeout_(options.timeout),
      sql_(std::move(sql)),
      client_(std::move(executor), options.timeout) {}

Task<Result<>> Registration::attach(std::string app_id, std::string address) {
  OUT_CO_CHECK(co_await one_at_a_time_.acquire());
  Result<> done;
  if (users_ == 0) {
    app_id_ = std::move(app_id);
    address_ = std::move(address);
    done = co_await take();
    if (done) scope_.spawn(renew_regularly());
  }
  if (done) {
    ++users_;
  } else {
    co_await client_.close();
  }
  one_at_a_time_.release();
  co_return done;
}

Task<Result<>> Registration::take() {
  OUT_CO_CHECK(co_await client_.open());
  id_ = uuid_v4();
  Client::Work<void> work = [sql = sql_, id = id_, app_id = app_id_,
                             address = address_](Database& database) -> Result<> {
    OUT_CHECK(database.execute(sql->take, {id, address, app_id}));
    return {};
  };
  auto done = co_await client_.write(std::move(work));
  if (!done) co_return fail(std::move(done).error().context("failed to register host"));
  co_return done;
}

Task<void> Registration::renew_regularly() {
  for (;;) {
    auto slept = co_await sleep_for(renew_every_);
    if (!slept) co_return;
    auto renewed = co_await renew();
    if (renewed || renewed.error().code() == Code::cancelled) continue;
    log.error("Failed to update host registration: ", renewed.error());
    // As upstream: two processes that others take for one must not both go on.
    if (renewed.error().code() == Code::aborted) log.fatal("Host registration lost");
  }
}

Task<Result<>> Registration::renew() {
  const TimePoint deadline = home_.now() + timeout_;
  for (;;) {
    Client::Work<void> work = [sql = sql_, id = id_, app_id = app_id_,
                               address = address_](Database& database) -> Result<> {
      OUT_TRY(const auto rows, database.execute(sql->renew, {id, address}));
      if (rows > 0) return {};
      OUT_TRY(const auto owner, database.value(sql->owner, {address}));
      if (owner) return fail(Code::aborted, "host registration lost");
      OUT_CHECK(database.execute(sql->take, {id, address, app_id}));
      log.warn("The host registration was removed by another process; registered again");
      return {};
    };
    auto done = co_await client_.write(std::move(work));
    if (done) co_return done;
    const bool final = done.error().code() == Code::aborted ||
                       done.error().code() == Code::cancelled || home_.now() >= deadline;
    if (final) co_return done;
    OUT_CO_CHECK(co_await sleep_for(kRetryAfter));
  }
}

Task<Result<>> Registration::detach() {
  OUT_CO_CHECK(co_await one_at_a_time_.acquire());
  Result<> done;
  if (--users_ == 0) {
    scope_.cancel();
    co_await scope_.join();
    done = co_await leave();
    co_await client_.close();
  }
  one_at_a_time_.release();
  co_return done;
}

Task<Result<>> Registration::leave() {
  Client::Work<std::int64_t> work = [sql = sql_, id = id_, address = address_](Database& database) {
    return database.execute(sql->leave, {id, address});
  };
  auto rows = co_await client_.write(std::move(work));
  if (!rows) co_return fail(std::move(rows).error().context("failed to unregister host"));
  if (*rows == 0) co_return fail(Code::aborted, "failed to unregister host: no row deleted");
  co_return Result<>();
}

}  // namespace outrigger::components::nameresolution::hosts
