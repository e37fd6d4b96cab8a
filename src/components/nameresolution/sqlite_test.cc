#include <filesystem>

#include <unistd.h>

#include "base/log.h"
#include "components/nameresolution/registry.h"
#include "components/nameresolution/sqlite_registration.h"

namespace outrigger::components::nameresolution {
namespace {

using namespace std::chrono_literals;

/// A database file of the test's own.
class SqliteNames : public testing::Test {
 protected:
  SqliteNames() {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = std::filesystem::temp_directory_path() /
              ("out_names_" + std::to_string(::getpid()) + "_" + info->name());
    std::filesystem::create_directories(folder_);
  }
  ~SqliteNames() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] std::string path() const { return (folder_ / "hosts.db").string(); }

  Result<std::unique_ptr<Resolver>> make(Properties properties, ComponentContext context) {
    properties.emplace("connectionString", path());
    const Metadata metadata{
        .name = "names", .type = "nameresolution.sqlite", .properties = std::move(properties)};
    return find_resolver("sqlite", "v1").value()->make(metadata, context);
  }
  Result<std::unique_ptr<Resolver>> make(Properties properties = {}) {
    return make(std::move(properties), ComponentContext{.loop = loop_});
  }

  template <class T>
  T on_loop(Task<T> task) {
    return run_on(loop_, std::move(task));
  }
  std::string resolve(Resolver& resolver, std::string id) {
    auto found = on_loop(resolver.resolve({.id = std::move(id)}));
    return found ? *found : found.error().message();
  }
  /// Another program's connection to the same file.
  std::unique_ptr<sqlite::Database> database() {
    return sqlite::Database::open({.uri = "file:" + path(), .busy_timeout = 2s}).value();
  }
  std::optional<std::string> value(std::string_view sql) { return database()->value(sql).value(); }

  LogCapture logs_;
  Loop loop_;
  std::filesystem::path folder_;
};

Instance instance(std::string app_id, int port, std::string address = "192.0.2.2") {
  return {.app_id = std::move(app_id),
          .app_namespace = "ns",
          .address = std::move(address),
          .internal_port = port};
}

TEST_F(SqliteNames, SidecarsWithOneDatabaseFindEachOther) {
  auto a = make().value();
  auto b = make().value();
  ASSERT_TRUE(on_loop(a->init(instance("a", 3501))));
  ASSERT_TRUE(on_loop(b->init(instance("b", 3502, "fd00::2"))));
  EXPECT_EQ(resolve(*a, "b"), "[fd00::2]:3502");
  EXPECT_EQ(resolve(*b, "a"), "192.0.2.2:3501");
  EXPECT_EQ(b->resolve_now({.id = "a"}), "192.0.2.2:3501");
  on_loop(a->close());
  b->evict("a", "192.0.2.2:3501");
  EXPECT_EQ(b->resolve_now({.id = "a"}), std::nullopt);
  EXPECT_EQ(resolve(*b, "a"), "no host found with the given ID");
  on_loop(b->close());
  EXPECT_EQ(value("SELECT count(*) FROM hosts"), "0");
}

TEST_F(SqliteNames, TheTablesAreUpstreams) {
  auto a = make().value();
  ASSERT_TRUE(on_loop(a->init(instance("a", 3501))));
  EXPECT_EQ(value("SELECT value FROM metadata WHERE key = 'nr-migrations'"), "1");
  EXPECT_EQ(value("SELECT group_concat(name || ' ' || type) FROM pragma_table_info('hosts')"),
            "registration_id TEXT,address TEXT,app_id TEXT,namespace TEXT,last_update INTEGER");
  EXPECT_EQ(value("SELECT namespace || '|' || address || '|' || app_id FROM hosts"),
            "|192.0.2.2:3501|a");
  EXPECT_EQ(value("SELECT count(*) FROM pragma_index_list('hosts') WHERE name IN "
                  "('hosts_address_idx', 'hosts_last_update_idx')"),
            "2");
  EXPECT_EQ(value("SELECT abs(last_update - unixepoch()) < 3 FROM hosts"), "1");
  on_loop(a->close());
}

TEST_F(SqliteNames, TheTablesCanHaveOtherNames) {
  auto a = make({{"tableName", "h1"}, {"metadataTableName", "m1"}}).value();
  ASSERT_TRUE(on_loop(a->init(instance("a", 3501))));
  EXPECT_EQ(value("SELECT count(*) FROM h1"), "1");
  EXPECT_EQ(value("SELECT value FROM m1 WHERE key = 'nr-migrations'"), "1");
  on_loop(a->close());
}

TEST_F(SqliteNames, AnAddressIsTakenOverFromAnEarlierProcess) {
  auto before = make().value();
  ASSERT_TRUE(on_loop(before->init(instance("old", 3501))));
  auto after = make().value();
  ASSERT_TRUE(on_loop(after->init(instance("new", 3501))));
  EXPECT_EQ(resolve(*after, "old"), "no host found with the given ID");
  EXPECT_EQ(resolve(*after, "new"), "192.0.2.2:3501");
  on_loop(before->close());
  EXPECT_TRUE(logs_.contains("failed to unregister host: no row deleted"));
  EXPECT_EQ(value("SELECT app_id FROM hosts"), "new");
  on_loop(after->close());
}

TEST_F(SqliteNames, AHostThatWasNotRenewedIsNotFound) {
  auto a = make({{"updateInterval", "5s"}}).value();
  ASSERT_TRUE(on_loop(a->init(instance("a", 3501))));
  const auto other = database();
  ASSERT_TRUE(
      other->execute("INSERT INTO hosts VALUES ('x', '192.0.2.9:1', 'gone', '', unixepoch() - 5), "
                     "('y', '192.0.2.9:2', 'alive', '', unixepoch() - 1)"));
  EXPECT_EQ(resolve(*a, "gone"), "no host found with the given ID");
  EXPECT_EQ(resolve(*a, "alive"), "192.0.2.9:2");
  on_loop(a->close());
}

TEST_F(SqliteNames, OneOfTheHostsOfAnAppIsPickedAtRandom) {
  auto a = make().value();
  ASSERT_TRUE(on_loop(a->init(instance("a", 3501))));
  ASSERT_TRUE(
      database()->execute("INSERT INTO hosts VALUES ('x', '192.0.2.9:1', 'b', '', unixepoch()), "
                          "('y', '192.0.2.9:2', 'b', '', unixepoch())"));
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) seen.insert(resolve(*a, "b"));
  EXPECT_THAT(seen, testing::ElementsAre("192.0.2.9:1", "192.0.2.9:2"));
  on_loop(a->close());
}

TEST_F(SqliteNames, AnIdIsDataAndNotSql) {
  auto a = make().value();
  ASSERT_TRUE(on_loop(a->init(instance("it's; DROP TABLE hosts", 3501))));
  EXPECT_EQ(resolve(*a, "it's; DROP TABLE hosts"), "192.0.2.2:3501");
  EXPECT_EQ(resolve(*a, "' OR '1'='1"), "no host found with the given ID");
  EXPECT_EQ(resolve(*a, ""), "no host found with the given ID");
  on_loop(a->close());
}

TEST_F(SqliteNames, TheObjectsOfAllLoopsMakeOneRegistration) {
  const ComponentContext context{.loop = loop_};
  auto first = make({}, context).value();
  auto second = make({}, context).value();
  ASSERT_TRUE(on_loop(first->init(instance("a", 3501))));
  ASSERT_TRUE(on_loop(second->init(instance("a", 3501))));
  EXPECT_EQ(value("SELECT count(*) FROM hosts"), "1");
  on_loop(first->close());
  EXPECT_EQ(value("SELECT count(*) FROM hosts"), "1");
  EXPECT_EQ(resolve(*second, "a"), "192.0.2.2:3501");
  on_loop(second->close());
  EXPECT_EQ(value("SELECT count(*) FROM hosts"), "0");
}

TEST_F(SqliteNames, WrongSettingsAreNamed) {
  const std::pair<Properties, const char*> cases[] = {
      {{{"tableName", "a;b"}}, "invalid identifier for table name: a;b"},
      {{{"metadataTableName", "a b"}}, "invalid identifier for metadata table name: a b"},
      {{{"updateInterval", "2500ms"}}, "update interval must not contain fractions of seconds"},
      {{{"updateInterval", "1s"}}, "update interval must be at least 1s greater than timeout"},
      {{{"timeout", "5s"}}, "update interval must be at least 1s greater than timeout"},
  };
  for (const auto& [properties, message] : cases) {
    const auto made = make(properties);
    ASSERT_FALSE(made) << message;
    EXPECT_EQ(made.error().message(), message);
  }
}

TEST_F(SqliteNames, AnInstanceNeedsANameAnAddressAndAPort) {
  auto a = make().value();
  EXPECT_EQ(on_loop(a->init(instance("", 1))).error().message(), "name is missing");
  EXPECT_EQ(on_loop(a->init(instance("a", 1, ""))).error().message(), "address is missing");
  EXPECT_EQ(on_loop(a->init(instance("a", 0))).error().message(), "port is missing or invalid");
}

TEST_F(SqliteNames, AFileThatIsNoDatabaseIsAnError) {
  std::filesystem::create_directories(path());
  auto a = make().value();
  EXPECT_FALSE(on_loop(a->init(instance("a", 3501))));
}

/// The registration alone, so that a renewal can be had when the test wants it.
struct Registered {
  Registered(Loop& loop, const hosts::Options& options)
      : sql(std::make_shared<const hosts::Statements>(hosts::statements_for(options))),
        executor(hosts::open_hosts(options, sql).value()),
        registration(loop, options, executor, sql) {}
  std::shared_ptr<const hosts::Statements> sql;
  std::shared_ptr<sqlite::Executor> executor;
  hosts::Registration registration;
};

TEST_F(SqliteNames, ARenewalMakesTheRowYoungAgainAndRestoresALostOne) {
  hosts::Options options;
  options.connection_string = path();
  Registered mine(loop_, options);
  ASSERT_TRUE(on_loop(mine.registration.attach("a", "192.0.2.2:1")));
  const auto other = database();
  ASSERT_TRUE(other->execute("UPDATE hosts SET last_update = 0"));
  ASSERT_TRUE(on_loop(mine.registration.renew()));
  EXPECT_EQ(value("SELECT unixepoch() - last_update < 3 FROM hosts"), "1");
  ASSERT_TRUE(other->execute("DELETE FROM hosts"));
  ASSERT_TRUE(on_loop(mine.registration.renew()));
  EXPECT_EQ(value("SELECT address FROM hosts"), "192.0.2.2:1");
  // Another process says that it is at this address.
  ASSERT_TRUE(other->execute("UPDATE hosts SET registration_id = 'other'"));
  EXPECT_EQ(on_loop(mine.registration.renew()).error().code(), Code::aborted);
  ASSERT_FALSE(on_loop(mine.registration.detach()));
  EXPECT_EQ(value("SELECT registration_id FROM hosts"), "other");
}

Task<Result<>> wait_for_rows(sqlite::Database* database, std::string_view count) {
  for (int i = 0; i < 300; ++i) {
    OUT_CO_TRY(const auto found, database->value("SELECT count(*) FROM hosts"));
    if (found == count) co_return Result<>();
    OUT_CO_CHECK(co_await sleep_for(10ms));
  }
  co_return fail(Code::deadline_exceeded, "the number of rows stays another");
}

TEST_F(SqliteNames, CleaningUpRemovesHostsLongGoneAndNoOthers) {
  hosts::Options options;
  options.connection_string = path();
  options.cleanup_interval = 500ms;
  Registered mine(loop_, options);
  ASSERT_TRUE(on_loop(mine.registration.attach("a", "192.0.2.2:1")));
  const auto other = database();
  ASSERT_TRUE(other->execute(
      "INSERT INTO hosts VALUES ('x', '192.0.2.9:1', 'gone', '', unixepoch() - 100), "
      "('y', '192.0.2.9:2', 'alive', '', unixepoch() + 60)"));
  EXPECT_TRUE(on_loop(wait_for_rows(other.get(), "2")));
  EXPECT_EQ(value("SELECT group_concat(app_id) FROM (SELECT app_id FROM hosts ORDER BY app_id)"),
            "a,alive");
  EXPECT_TRUE(value("SELECT value FROM metadata WHERE key = 'nr-last-cleanup'"));
  EXPECT_TRUE(on_loop(mine.registration.detach()));
}

}  // namespace
}  // namespace outrigger::components::nameresolution
