#include "base/uuid.h"
#include "components/clients/postgres/client.h"
#include "components/clients/postgres/values.h"
#include "control/leadership/lease_stores.h"

namespace outrigger::control {
namespace {

using namespace components;
using namespace std::chrono_literals;

const postgres::Statement& create_statement() {
  static const postgres::Statement statement(
      "CREATE TABLE IF NOT EXISTS outrigger_leases (name text PRIMARY KEY, holder text NOT NULL, "
      "expires timestamptz NOT NULL)",
      postgres::Statement::Use::once);
  return statement;
}

// The row is written only if it is free or ours, so a row written is the lease held.
const postgres::Statement& acquire_statement() {
  static const postgres::Statement statement(
      "INSERT INTO outrigger_leases AS lease VALUES ($1::text, $2::text, clock_timestamp() + "
      "$3::bigint * interval '1 millisecond') ON CONFLICT (name) DO UPDATE SET holder = "
      "excluded.holder, expires = excluded.expires WHERE lease.holder = excluded.holder OR "
      "lease.expires <= clock_timestamp()");
  return statement;
}

const postgres::Statement& release_statement() {
  static const postgres::Statement statement(
      "DELETE FROM outrigger_leases WHERE name = $1::text AND holder = $2::text");
  return statement;
}

class PostgresLeaseStore final : public LeaseStore {
 public:
  PostgresLeaseStore(std::shared_ptr<const postgres::Settings> settings, LeaseName name)
      : client_(Loop::current(), std::move(settings)), name_(std::move(name)) {}

  Task<Result<bool>> acquire(Duration time_to_live) override {
    OUT_CO_CHECK(co_await make_table());
    const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(time_to_live);
    postgres::Step step;
    step.statement = &acquire_statement();
    step.values.emplace_back(name_.name);
    step.values.emplace_back(name_.holder);
    step.values.emplace_back(postgres::from_integer(milliseconds.count()));
    OUT_CO_TRY(const auto rows, co_await client_.query(std::move(step), postgres::Effect::write));
    co_return rows.written() == 1;
  }

  Task<Result<>> release() override {
    postgres::Step step;
    step.statement = &release_statement();
    step.values.emplace_back(name_.name);
    step.values.emplace_back(name_.holder);
    OUT_CO_CHECK(co_await client_.query(std::move(step), postgres::Effect::write));
    co_return Result<>();
  }

  Task<void> close() override { return client_.close(); }

 private:
  Task<Result<>> make_table() {
    if (table_is_there_) co_return Result<>();
    postgres::Step step;
    step.statement = &create_statement();
    auto made = co_await client_.query(std::move(step), postgres::Effect::write);
    // Two replicas that make it at once: one is told that the type exists.
    if (!made &&
        made.error().message().find(postgres::sqlstate::kUniqueViolation) == std::string::npos) {
      co_return std::unexpected(std::move(made).error());
    }
    table_is_there_ = true;
    co_return Result<>();
  }

  postgres::Client client_;
  LeaseName name_;
  bool table_is_there_ = false;
};

}  // namespace

Result<std::unique_ptr<LeaseStore>> make_postgres_lease_store(std::string connection_string,
                                                              LeaseName name) {
  postgres::ConnectionOptions options;
  options.connection_string = std::move(connection_string);
  constexpr Duration kTimeout = 2s;
  // Two processes that were given the same id are still two.
  name.holder += "/" + uuid_v4();
  OUT_TRY(auto settings, postgres::make_settings(options, kTimeout));
  return std::make_unique<PostgresLeaseStore>(std::move(settings), std::move(name));
}

}  // namespace outrigger::control
