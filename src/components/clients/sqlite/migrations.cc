#include "components/clients/sqlite/migrations.h"

#include "base/strings.h"

namespace outrigger::components::sqlite {
namespace {

Result<> run(Database& database, const Migrations& migrations) {
  const std::string& table = migrations.metadata_table;
  OUT_CHECK(database.execute("CREATE TABLE IF NOT EXISTS " + table +
                             " (key text NOT NULL PRIMARY KEY, value text NOT NULL)"));
  OUT_TRY(const auto stored,
          database.value("SELECT value FROM " + table + " WHERE key = ?", {migrations.key}));
  std::size_t done = 0;
  if (stored) {
    const auto number = parse_int<std::int64_t>(*stored);
    if (!number || *number < 0) {
      return fail(Code::failed_precondition,
                  "invalid migration level found in metadata table: " + *stored);
    }
    done = static_cast<std::size_t>(*number);
  }
  for (; done < migrations.statements.size(); ++done) {
    OUT_CHECK(database.execute(migrations.statements[done]));
    const std::string level = std::to_string(done + 1);
    OUT_CHECK(database.execute("REPLACE INTO " + table + " (key, value) VALUES (?, ?)",
                               {migrations.key, level}));
  }
  return {};
}

}  // namespace

Result<> migrate(Database& database, const Migrations& migrations) {
  OUT_CHECK(database.execute("BEGIN EXCLUSIVE TRANSACTION"));
  auto done = run(database, migrations);
  if (done) {
    auto committed = database.execute("COMMIT");
    if (committed) return {};
    done = fail(std::move(committed).error());
  }
  database.rollback();
  return fail(std::move(done).error().context("failed to perform migrations"));
}

}  // namespace outrigger::components::sqlite
