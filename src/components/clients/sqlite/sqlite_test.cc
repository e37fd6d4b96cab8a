#include <filesystem>
#include <thread>

#include "base/scope.h"
#include "base/uuid.h"
#include "components/clients/sqlite/connection.h"
#include "components/clients/sqlite/executor.h"
#include "components/clients/sqlite/migrations.h"

namespace outrigger::components::sqlite {
namespace {

using namespace std::chrono_literals;

OpenPlan plan_of(std::string text) {
  ConnectionOptions options;
  options.connection_string = std::move(text);
  return plan_connection(options, ForeignKeys::off).value();
}
std::string refusal_of(std::string text) {
  ConnectionOptions options;
  options.connection_string = std::move(text);
  auto plan = plan_connection(options, ForeignKeys::off);
  return plan ? "none" : plan.error().message();
}

TEST(Connection, APathBecomesAUriWithWal) {
  const auto plan = plan_of("data.db");
  EXPECT_EQ(plan.uri, "file:data.db");
  EXPECT_EQ(plan.pragmas, (std::vector<std::string>{"journal_mode(WAL)"}));
  EXPECT_EQ(plan.transaction, "IMMEDIATE");
  EXPECT_EQ(plan.busy_timeout, 2s);
  EXPECT_EQ(plan_of("file:data.db").uri, "file:data.db");
}

TEST(Connection, KeepsSqlitesParametersAndTakesItsOwn) {
  const auto plan = plan_of(
      "file:data.db?mode=rwc&_pragma=synchronous(NORMAL)&_txlock=Deferred&vfs=a%26b&mode=ro");
  EXPECT_EQ(plan.uri, "file:data.db?mode=rwc&vfs=a%26b");
  EXPECT_EQ(plan.pragmas, (std::vector<std::string>{"synchronous(NORMAL)", "journal_mode(WAL)"}));
  EXPECT_EQ(plan.transaction, "DEFERRED");
}

TEST(Connection, ChoosesTheJournalByWhatTheDatabaseIs) {
  for (const auto* memory : {":memory:", "file::memory:", "FILE::MEMORY:?cache=shared"}) {
    const auto plan = plan_of(memory);
    EXPECT_TRUE(plan.in_memory) << memory;
    EXPECT_EQ(plan.pragmas.back(), "journal_mode(MEMORY)");
  }
  EXPECT_EQ(plan_of("file:data.db?mode=ro").pragmas.back(), "journal_mode(DELETE)");
  EXPECT_EQ(plan_of("file:data.db?immutable=1").pragmas.back(), "journal_mode(DELETE)");
  ConnectionOptions options;
  options.connection_string = "data.db";
  options.disable_wal = true;
  EXPECT_EQ(plan_connection(options, ForeignKeys::on)->pragmas,
            (std::vector<std::string>{"journal_mode(DELETE)", "foreign_keys(1)"}));
}

TEST(Connection, RefusesWhatUpstreamRefuses) {
  EXPECT_EQ(refusal_of(""), "missing connection string");
  for (const auto* pragma : {"busy_timeout(1)", "JOURNAL_MODE(DELETE)", "foreign_keys(1)"}) {
    EXPECT_NE(refusal_of(std::string("data.db?_pragma=") + pragma), "none") << pragma;
  }
  EXPECT_NE(refusal_of("data.db?_txlock=sometimes"), "none");
  ConnectionOptions options;
  options.connection_string = "data.db";
  options.timeout = 999ms;
  EXPECT_FALSE(plan_connection(options, ForeignKeys::off));
}

TEST(Connection, IdentifiersAreWordsOnly) {
  EXPECT_TRUE(valid_identifier("State_1"));
  for (const auto* bad : {"", "a b", "a;b", "a\"", "ä", "a-b"}) EXPECT_FALSE(valid_identifier(bad));
}

class Sqlite : public testing::Test {
 protected:
  Sqlite() { std::filesystem::create_directories(directory_); }
  ~Sqlite() override { std::filesystem::remove_all(directory_); }

  std::string path() const { return (directory_ / "test.db").string(); }
  std::shared_ptr<Executor> executor(std::string query = {}) {
    auto setup = [](Database& database) -> Result<> {
      OUT_CHECK(database.execute("CREATE TABLE IF NOT EXISTS t (k TEXT PRIMARY KEY, v TEXT)"));
      return {};
    };
    return std::make_shared<Executor>(plan_of(path() + query), std::move(setup));
  }
  static Client::Work<void> insert(std::string key) {
    return [key = std::move(key)](Database& database) -> Result<> {
      OUT_CHECK(database.execute("INSERT INTO t (k) VALUES (?)", {key}));
      return {};
    };
  }
  static Client::Work<std::string> count() {
    return [](Database& database) -> Result<std::string> {
      OUT_TRY(auto number, database.value("SELECT count(*) FROM t"));
      return number.value_or("");
    };
  }

  std::filesystem::path directory_ =
      std::filesystem::temp_directory_path() / ("outrigger-sqlite-" + uuid_v4());
  Loop loop_;
};

TEST_F(Sqlite, BindsAndReadsTextNumbersAndNull) {
  auto database = Database::open(plan_of(":memory:")).value();
  ASSERT_TRUE(database->execute("CREATE TABLE t (a TEXT, b INTEGER, c TEXT)"));
  const std::string odd("a\0b'", 4);
  EXPECT_EQ(
      database->execute("INSERT INTO t VALUES (?, ?, ?)", {odd, std::int64_t{-5}, nullptr}).value(),
      1);
  auto rows = database->query("SELECT a, b, c FROM t WHERE a = ?", {odd});
  ASSERT_TRUE(rows);
  ASSERT_TRUE(rows->next().value());
  EXPECT_EQ(rows->text(0), odd);
  EXPECT_EQ(rows->integer(1), -5);
  EXPECT_TRUE(rows->is_null(2));
  EXPECT_FALSE(rows->next().value());
}

TEST_F(Sqlite, ABadStatementAndABadFileAreErrors) {
  auto database = Database::open(plan_of(":memory:")).value();
  EXPECT_FALSE(database->execute("SELEC 1"));
  EXPECT_FALSE(database->execute(""));
  EXPECT_FALSE(database->execute("SELECT ?", {nullptr, nullptr}));
  EXPECT_FALSE(Database::open(plan_of("/nonexistent/dir/file.db")));
  std::filesystem::create_directories(directory_ / "test.db");
  EXPECT_FALSE(Database::open(plan_of(path())));
}

TEST_F(Sqlite, ADeadlineStopsAnEndlessStatement) {
  auto database = Database::open(plan_of(":memory:")).value();
  database->set_deadline(std::chrono::steady_clock::now() + 20ms);
  auto endless = database->value(
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n");
  ASSERT_FALSE(endless);
  EXPECT_EQ(endless.error().code(), Code::deadline_exceeded);
}

Task<void> note(Task<Result<>> task, int* succeeded, int* failed) {
  auto done = co_await std::move(task);
  ++*(done ? succeeded : failed);
}

TEST_F(Sqlite, AWriteThatFailsSpoilsNoOtherOfItsBatch) {
  Client client(executor(), 5s);
  ASSERT_TRUE(run_on(loop_, client.open()));
  int succeeded = 0;
  int failed = 0;
  std::vector<Task<void>> tasks;
  for (int i = 0; i < 100; ++i) {
    // Each key twice: the second is a conflict.
    tasks.push_back(note(client.write(insert(std::to_string(i / 2))), &succeeded, &failed));
  }
  run_on(loop_, run_all(std::move(tasks)));
  EXPECT_EQ(succeeded, 50);
  EXPECT_EQ(failed, 50);
  EXPECT_EQ(run_on(loop_, client.read(count())).value(), "50");
  run_on(loop_, client.close());
}

TEST_F(Sqlite, HoweverManyCallsComeAtOnceAllAreDone) {
  Client client(executor(), 60s);
  ASSERT_TRUE(run_on(loop_, client.open()));
  int succeeded = 0;
  int failed = 0;
  std::vector<Task<void>> tasks;
  for (int i = 0; i < 20'000; ++i) {
    tasks.push_back(note(client.write_unflushed(insert(std::to_string(i))), &succeeded, &failed));
  }
  run_on(loop_, run_all(std::move(tasks)));
  EXPECT_EQ(succeeded, 20'000);
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(run_on(loop_, client.read(count())).value(), "20000");
  run_on(loop_, client.close());
}

TEST_F(Sqlite, ACallThatFindsNoRoomInTimeSaysSo) {
  ConnectionOptions options;
  options.connection_string = path();
  options.busy_timeout = 2s;
  auto setup = [](Database& database) -> Result<> {
    OUT_CHECK(database.execute("CREATE TABLE IF NOT EXISTS t (k TEXT PRIMARY KEY, v TEXT)"));
    return {};
  };
  auto plan = plan_connection(options, ForeignKeys::off).value();
  Client client(std::make_shared<Executor>(plan, std::move(setup)), 1s);
  ASSERT_TRUE(run_on(loop_, client.open()));
  auto other = Database::open(plan).value();
  ASSERT_TRUE(other->execute("BEGIN IMMEDIATE"));
  int succeeded = 0;
  int failed = 0;
  std::vector<Task<void>> tasks;
  for (int i = 0; i < 3000; ++i) {
    tasks.push_back(note(client.write(insert(std::to_string(i))), &succeeded, &failed));
  }
  run_on(loop_, run_all(std::move(tasks)));
  EXPECT_EQ(failed, 3000);
  other->rollback();
  EXPECT_TRUE(run_on(loop_, client.write(insert("a")))) << "the room is free again";
  run_on(loop_, client.close());
}

TEST_F(Sqlite, AWriteThatBreaksTheTransactionSpoilsNoOtherEither) {
  Client client(executor(), 5s);
  ASSERT_TRUE(run_on(loop_, client.open()));
  int succeeded = 0;
  int failed = 0;
  std::vector<Task<void>> tasks;
  for (int i = 0; i < 20; ++i) {
    tasks.push_back(note(client.write(insert(std::to_string(i))), &succeeded, &failed));
    if (i != 10) continue;
    // As an I/O error does: the whole transaction is undone behind our back.
    Client::Work<void> breaker = [](Database& database) -> Result<> {
      OUT_CHECK(database.execute("INSERT OR ROLLBACK INTO t (k) VALUES ('x'), ('x')"));
      return {};
    };
    tasks.push_back(note(client.write(std::move(breaker)), &succeeded, &failed));
  }
  run_on(loop_, run_all(std::move(tasks)));
  EXPECT_EQ(succeeded, 20);
  EXPECT_EQ(failed, 1);
  EXPECT_EQ(run_on(loop_, client.read(count())).value(), "20");
  run_on(loop_, client.close());
}

TEST_F(Sqlite, AFullDatabaseFailsWhatDoesNotFitAndKeepsWhatWasAnswered) {
  Client client(executor("?_pragma=max_page_count(40)"), 5s);
  ASSERT_TRUE(run_on(loop_, client.open()));
  int succeeded = 0;
  int failed = 0;
  std::vector<Task<void>> tasks;
  for (int i = 0; i < 60; ++i) {
    Client::Work<void> work = [i, filler = std::string(4000, 'x')](Database& database) -> Result<> {
      OUT_CHECK(database.execute("INSERT INTO t VALUES (?, ?)",
                                 {std::string_view(std::to_string(i)), filler}));
      return {};
    };
    tasks.push_back(note(client.write(std::move(work)), &succeeded, &failed));
  }
  run_on(loop_, run_all(std::move(tasks)));
  EXPECT_GT(succeeded, 10);
  EXPECT_GT(failed, 10);
  EXPECT_EQ(run_on(loop_, client.read(count())).value(), std::to_string(succeeded));
  run_on(loop_, client.close());
}

TEST_F(Sqlite, ALockOfAnotherProgramIsWaitedForAndThenAnError) {
  ConnectionOptions options;
  options.connection_string = path();
  options.busy_timeout = 50ms;
  auto setup = [](Database& database) -> Result<> {
    OUT_CHECK(database.execute("CREATE TABLE IF NOT EXISTS t (k TEXT PRIMARY KEY, v TEXT)"));
    return {};
  };
  auto plan = plan_connection(options, ForeignKeys::off).value();
  Client client(std::make_shared<Executor>(plan, std::move(setup)), 5s);
  ASSERT_TRUE(run_on(loop_, client.open()));
  auto other = Database::open(plan).value();
  ASSERT_TRUE(other->execute("BEGIN IMMEDIATE"));
  auto refused = run_on(loop_, client.write(insert("a")));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::unavailable);
  EXPECT_EQ(run_on(loop_, client.read(count())).value(), "0");  // Readers need not wait.
  other->rollback();
  EXPECT_TRUE(run_on(loop_, client.write(insert("a"))));
  run_on(loop_, client.close());
}

TEST_F(Sqlite, OnlyBatchesOfUnflushedWritesAreCommittedWithoutAFlush) {
  Client client(executor(), 5s);
  ASSERT_TRUE(run_on(loop_, client.open()));
  const auto level = [] {
    Client::Work<std::string> work = [](Database& database) -> Result<std::string> {
      // A text of its own each time: this pragma is answered when it is prepared.
      static int times = 0;
      OUT_TRY(auto found, database.value("PRAGMA synchronous --" + std::to_string(++times)));
      return found.value_or("");
    };
    return work;
  };
  EXPECT_EQ(run_on(loop_, client.write_unflushed(level())).value(), "1");
  EXPECT_EQ(run_on(loop_, client.write(level())).value(), "2");
  EXPECT_EQ(run_on(loop_, client.write_unflushed(level())).value(), "1");
  ASSERT_TRUE(run_on(loop_, client.write_unflushed(insert("a"))));
  EXPECT_EQ(run_on(loop_, client.read(count())).value(), "1");
  run_on(loop_, client.close());
}

TEST_F(Sqlite, AJournalOtherThanWalIsAlwaysFlushed) {
  ConnectionOptions options;
  options.connection_string = path();
  options.disable_wal = true;
  auto plan = plan_connection(options, ForeignKeys::off).value();
  auto setup = [](Database&) { return Result<>(); };
  Client client(std::make_shared<Executor>(std::move(plan), std::move(setup)), 5s);
  ASSERT_TRUE(run_on(loop_, client.open()));
  Client::Work<std::string> level = [](Database& database) -> Result<std::string> {
    OUT_TRY(auto found, database.value("PRAGMA synchronous --here"));
    return found.value_or("");
  };
  EXPECT_EQ(run_on(loop_, client.write_unflushed(std::move(level))).value(), "2");
  run_on(loop_, client.close());
}

TEST_F(Sqlite, ADatabaseInMemoryIsOneForItsReadersAndItsWriter) {
  auto setup = [](Database& database) -> Result<> {
    OUT_CHECK(database.execute("CREATE TABLE t (k TEXT PRIMARY KEY, v TEXT)"));
    return {};
  };
  Client client(std::make_shared<Executor>(plan_of(":memory:"), std::move(setup)), 5s);
  ASSERT_TRUE(run_on(loop_, client.open()));
  ASSERT_TRUE(run_on(loop_, client.open()));
  ASSERT_TRUE(run_on(loop_, client.write(insert("a"))));
  EXPECT_EQ(run_on(loop_, client.read(count())).value(), "1");
  run_on(loop_, client.close());
}

TEST_F(Sqlite, AfterAFailedOpenTheNextOneTriesAgain) {
  bool fails = true;
  auto setup = [&fails](Database&) -> Result<> {
    if (fails) return fail(Code::unavailable, "not now");
    return {};
  };
  Client client(std::make_shared<Executor>(plan_of(path()), std::move(setup)), 5s);
  auto refused = run_on(loop_, client.open());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message(), "not now");
  fails = false;
  EXPECT_TRUE(run_on(loop_, client.open()));
  run_on(loop_, client.close());
}

TEST_F(Sqlite, MaintenanceRunsAgainAndAgain) {
  auto shared = executor();
  std::atomic<int> runs{0};
  auto work = [&runs](Database&) -> Result<bool> { return ++runs == 1; };
  shared->every(1ms, std::move(work), [](const Error&) {});
  {
    Client client(shared, 5s);
    ASSERT_TRUE(run_on(loop_, client.open()));
    const auto until = std::chrono::steady_clock::now() + 60s;
    while (runs < 5 && std::chrono::steady_clock::now() < until) std::this_thread::yield();
    run_on(loop_, client.close());
  }
  shared.reset();
  EXPECT_GE(runs.load(), 5);
}

TEST_F(Sqlite, MigrationsRunOnceAndGoOnFromWhereTheyWere) {
  auto database = Database::open(plan_of(path())).value();
  Migrations migrations{.metadata_table = "metadata", .statements = {"CREATE TABLE a (x)"}};
  ASSERT_TRUE(migrate(*database, migrations));
  ASSERT_TRUE(migrate(*database, migrations));
  EXPECT_EQ(database->value("SELECT value FROM metadata WHERE key = 'migrations'").value(), "1");
  migrations.statements.emplace_back("CREATE TABLE b (x)");
  migrations.statements.emplace_back("CREATE TABLE a (x)");
  EXPECT_FALSE(migrate(*database, migrations));
  EXPECT_EQ(database->value("SELECT value FROM metadata WHERE key = 'migrations'").value(), "1");
  EXPECT_EQ(database->value("SELECT count(*) FROM sqlite_master WHERE name = 'b'").value(), "0");
  ASSERT_TRUE(database->execute("UPDATE metadata SET value = 'x'"));
  EXPECT_FALSE(migrate(*database, migrations));
}

}  // namespace
}  // namespace outrigger::components::sqlite
