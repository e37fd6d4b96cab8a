#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "base/scope.h"
#include "base/uuid.h"
#include "components/clients/postgres/client.h"
#include "components/clients/postgres/migrations.h"
#include "components/clients/postgres/values.h"
#include "components/state/query.h"
#include "components/state/registry.h"
#include "tests/conformance/support.h"

/// What state.postgresql and its client promise beyond the common suite, against a real server.
namespace outrigger::components::state {
namespace {

using namespace std::chrono_literals;
using postgres::Client;
using postgres::Effect;
using postgres::Statement;
using testing::ElementsAre;
using testing::HasSubstr;

class PostgresqlServer : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    auto given = conformance::properties_from_environment("state.postgresql");
    if (!given) GTEST_SKIP() << "no server: OUTRIGGER_TEST_STATE_POSTGRESQL is not set";
    properties_ = std::move(*given);
    // Tables of this test's own.
    name_ = "t" + uuid_v4().substr(0, 8);
    properties_["tableName"] = name_ + "_state";
    properties_["tablePrefix"] = name_ + "_";
    properties_["metadataTableName"] = name_ + "_metadata";
    client_.emplace(loop_, settings({}));
  }
  void TearDown() override {
    if (store_) run_on(loop_, store_->close());
    if (client_) {
      query("DROP TABLE IF EXISTS " + name_ + "_state, " + name_ + "_metadata");
      run_on(loop_, client_->close());
    }
  }

  [[nodiscard]] std::shared_ptr<const postgres::Settings> settings(
      postgres::ConnectionOptions options) const {
    options.connection_string = properties_.at("connectionString");
    auto made = postgres::make_settings(options, 20s);
    EXPECT_TRUE(made);
    return made ? *made : nullptr;
  }
  /// Without preparing it; the first column of the first row, "" if there is none.
  std::string query(std::string sql, Client* client = nullptr) {
    const Statement statement(std::move(sql), Statement::Use::once);
    if (client == nullptr) client = &*client_;
    auto rows = run_on(loop_, client->query({.statement = &statement, .values = {}}, Effect::read));
    EXPECT_TRUE(rows) << statement.sql() << ": " << rows.error().message();
    return rows && rows->size() != 0 ? std::string(rows->bytes(0, 0)) : std::string();
  }
  std::int64_t number(std::string sql) { return postgres::to_integer(query(std::move(sql))); }
  bool soon(const std::function<bool()>& condition) {
    const auto until = std::chrono::steady_clock::now() + 10s;
    while (std::chrono::steady_clock::now() < until) {
      if (condition()) return true;
      EXPECT_TRUE(run_on(loop_, sleep_for(20ms)));
    }
    return false;
  }

  std::unique_ptr<Store> make(Loop& loop, std::shared_ptr<Shared> shared) {
    ComponentContext context{.loop = loop, .app_id = "app", .slot = std::move(shared)};
    const Metadata metadata{.name = "store",
                            .type = "state.postgresql",
                            .version = GetParam(),
                            .properties = properties_};
    const auto* kind = find_kind(kinds(), metadata.type, metadata.version);
    auto store = kind->make(metadata, context);
    EXPECT_TRUE(store) << store.error().message();
    return store ? std::move(*store) : nullptr;
  }
  void open() {
    store_ = make(loop_, std::make_shared<Shared>());
    auto ready = run_on(loop_, store_->init());
    ASSERT_TRUE(ready) << ready.error().message();
  }
  Result<> set(SetRequest request) { return run_on(loop_, store_->set(std::move(request))); }
  std::string value(std::string key) {
    auto item = run_on(loop_, store_->get({.key = std::move(key)}));
    EXPECT_TRUE(item) << item.error().message();
    return item && *item ? (*item)->value : "(none)";
  }

  Loop loop_;
  Properties properties_;
  std::string name_;
  std::optional<Client> client_;
  std::unique_ptr<Store> store_;
};

Task<void> keep(Task<Result<postgres::Rows>> task, std::optional<Result<postgres::Rows>>* out) {
  auto result = co_await std::move(task);
  out->emplace(std::move(result));
}

TEST_P(PostgresqlServer, AnAbandonedRequestIsCancelledAndThoseBehindItAreNot) {
  Client one(loop_, settings({}));
  query("SELECT 1", &one);
  while (one.settings().connections.load() < one.settings().connections_max) {
    one.settings().connections.fetch_add(1);  // It gets no second connection.
  }
  const int borrowed = one.settings().connections.load() - 1;
  const Statement slow("SELECT 1 FROM pg_sleep(1000)", Statement::Use::once);
  const Statement quick("SELECT 2::bigint");
  std::vector<std::optional<Result<postgres::Rows>>> results(5);
  std::vector<Task<void>> tasks;
  postgres::Step step{.statement = &slow, .values = {}};
  tasks.push_back(keep(with_timeout(one.query(std::move(step), Effect::read), 50ms), &results[0]));
  for (std::size_t i = 1; i < results.size(); ++i) {
    postgres::Step next{.statement = &quick, .values = {}};
    tasks.push_back(keep(one.query(std::move(next), Effect::write), &results[i]));
  }
  run_on(loop_, run_all(std::move(tasks)));
  EXPECT_FALSE(*results[0]);
  for (std::size_t i = 1; i < results.size(); ++i) {
    ASSERT_TRUE(*results[i]) << results[i]->error().message();
    EXPECT_EQ(postgres::to_integer((*results[i])->bytes(0, 0)), 2);
  }
  EXPECT_EQ(number("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(1000)%' AND "
                   "state = 'active' AND pid <> pg_backend_pid()"),
            0);
  one.settings().connections.fetch_sub(borrowed);
  run_on(loop_, one.close());
}

TEST_P(PostgresqlServer, ConnectionsThatTheServerEndsAreReplaced) {
  open();
  ASSERT_TRUE(set({.key = "k", .value = "v"}));
  for (int round = 0; round < 3; ++round) {
    query(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> "
        "pg_backend_pid() AND backend_type = 'client backend' AND datname = current_database()");
    EXPECT_EQ(value("k"), "v");
  }
  EXPECT_TRUE(set({.key = "k", .value = "w"}));
}

TEST_P(PostgresqlServer, StatementsAreAsGoodAfterTheTableHasChanged) {
  open();
  ASSERT_TRUE(set({.key = "k", .value = "v"}));
  EXPECT_EQ(value("k"), "v");
  query("ALTER TABLE " + name_ + "_state ALTER COLUMN key TYPE varchar(300)");
  EXPECT_EQ(value("k"), "v");
  query("SELECT pg_sleep(0)");
  EXPECT_TRUE(set({.key = "k", .value = "w"}));
  EXPECT_EQ(value("k"), "w");
}

TEST_P(PostgresqlServer, TransactionsOverTheSameKeysDoNotLockEachOtherOut) {
  open();
  const auto both = [](Store* store, std::string first, std::string second,
                       Result<>* out) -> Task<void> {
    for (int i = 0; i < 50 && *out; ++i) {
      TransactionRequest request;
      request.operations.emplace_back(SetRequest{.key = first, .value = std::to_string(i)});
      request.operations.emplace_back(SetRequest{.key = second, .value = std::to_string(i)});
      *out = co_await store->transactional()->multi(std::move(request));
    }
  };
  std::vector<Result<>> results(6);
  std::vector<Task<void>> tasks;
  for (std::size_t i = 0; i < results.size(); ++i) {
    const bool other = i % 2 != 0;
    tasks.push_back(both(store_.get(), other ? "y" : "x", other ? "x" : "y", &results[i]));
  }
  run_on(loop_, run_all(std::move(tasks)));
  for (const auto& result : results) EXPECT_TRUE(result) << result.error().message();
  EXPECT_EQ(value("x"), value("y"));
}

TEST_P(PostgresqlServer, UnitsThatLockEachOtherOutAreRepeated) {
  query("CREATE TABLE " + name_ + "_state (id int PRIMARY KEY, n int)");
  query("INSERT INTO " + name_ + "_state VALUES (1, 0), (2, 0)");
  const std::string update = "UPDATE " + name_ + "_state SET n = n + 1 WHERE id = ";
  const Statement first(update + "1", Statement::Use::once);
  const Statement second(update + "2", Statement::Use::once);
  const Statement pause("SELECT pg_sleep(0.05)", Statement::Use::once);
  const auto twice = [](Client* client, const Statement* one, const Statement* pause,
                        const Statement* other, Result<>* out) -> Task<void> {
    for (int i = 0; i < 2 && *out; ++i) {
      postgres::Unit unit;
      unit.push_back({.statement = one, .values = {}});
      unit.push_back({.statement = pause, .values = {}});
      unit.push_back({.statement = other, .values = {}});
      auto reply = co_await client->run(std::move(unit), Effect::write);
      if (!reply) *out = fail(std::move(reply).error());
      if (reply && reply->refusal) *out = fail(std::move(reply->refusal->error));
    }
  };
  Client other(loop_, settings({}));
  std::array<Result<>, 2> results;
  std::vector<Task<void>> tasks;
  tasks.push_back(twice(&*client_, &first, &pause, &second, &results[0]));
  tasks.push_back(twice(&other, &second, &pause, &first, &results[1]));
  run_on(loop_, run_all(std::move(tasks)));
  for (const auto& result : results) EXPECT_TRUE(result) << result.error().message();
  EXPECT_EQ(number("SELECT n FROM " + name_ + "_state WHERE id = 1"), 4);
  run_on(loop_, other.close());
}

TEST_P(PostgresqlServer, LargeValuesPassAndLeaveNoLargeConnection) {
  open();
  const std::string large = secure_random_bytes(12 << 20);
  ASSERT_TRUE(set({.key = "large", .value = large}));
  EXPECT_TRUE(value("large") == large);
  EXPECT_TRUE(set({.key = "small", .value = "v"}));
  EXPECT_EQ(value("small"), "v");
}

TEST_P(PostgresqlServer, KeysWithNulAreRefusedAndNotCut) {
  open();
  const std::string cut = "cut";
  const std::string whole = cut + std::string(1, '\0') + "more";
  ASSERT_TRUE(set({.key = cut, .value = "v"}));
  EXPECT_FALSE(set({.key = whole, .value = "w"}));
  EXPECT_FALSE(run_on(loop_, store_->get({.key = whole})));
  EXPECT_FALSE(run_on(loop_, store_->remove({.key = whole})));
  EXPECT_FALSE(set({.key = "\xff\xfe", .value = "w"}));
  EXPECT_EQ(value(cut), "v");
}

TEST_P(PostgresqlServer, WorksWithoutPreparedStatements) {
  properties_["queryExecMode"] = "exec";
  open();
  ASSERT_TRUE(set({.key = "k", .value = "v"}));
  EXPECT_EQ(value("k"), "v");
}

TEST_P(PostgresqlServer, ManyThatOpenAnEmptyDatabaseAtOnceAllSucceed) {
  std::vector<std::thread> threads;
  std::vector<std::string> outcomes(6);
  for (auto& outcome : outcomes) {
    threads.emplace_back([this, &outcome] {
      Loop loop;
      auto store = make(loop, std::make_shared<Shared>());
      auto ready = run_on(loop, store->init());
      outcome = ready ? "ready" : ready.error().message();
      if (ready) {
        auto written = run_on(loop, store->set({.key = "k", .value = "v"}));
        if (!written) outcome = written.error().message();
      }
      run_on(loop, store->close());
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_THAT(outcomes, testing::Each("ready"));
}

int migration_attempts = 0;

/// Fails the first time it is tried, as its table's name says.
Task<Result<>> fail_once(postgres::Session* session, std::string sqlstate) {
  if (++migration_attempts > 1) co_return Result<>();
  const std::string raise =
      "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '" + sqlstate + "'; END $$";
  OUT_CO_CHECK(co_await session->execute(raise));
  co_return Result<>();
}

TEST_P(PostgresqlServer, AMigrationThatAnotherProcessDidMeanwhileIsTriedAgain) {
  for (const std::string sqlstate : {"23505", "42710", "42P07", "42601"}) {
    const bool is_race = sqlstate != "42601";  // A syntax error stays one.
    migration_attempts = 0;
    postgres::Migrations migrations;
    migrations.metadata_table = name_ + "_metadata";
    migrations.key = migrations.table = sqlstate;
    migrations.steps = {&fail_once};
    const auto done = run_on(loop_, postgres::migrate(&*client_, std::move(migrations)));
    EXPECT_EQ(done.has_value(), is_race) << sqlstate;
    EXPECT_EQ(migration_attempts, is_race ? 2 : 1) << sqlstate;
  }
}

TEST_P(PostgresqlServer, ExpiredRowsAreRemovedByOneOfAll) {
  properties_["cleanupInterval"] = "1s";
  open();
  auto other = make(loop_, std::make_shared<Shared>());
  ASSERT_TRUE(run_on(loop_, other->init()));
  for (int i = 0; i < 10; ++i) {
    SetRequest request{.key = "gone" + std::to_string(i), .value = "v"};
    request.metadata.emplace(kTtlInSeconds, "1");
    ASSERT_TRUE(set(std::move(request)));
  }
  ASSERT_TRUE(set({.key = "kept", .value = "v"}));
  const std::string count = "SELECT count(*) FROM " + name_ + "_state";
  EXPECT_EQ(number(count), 11);
  EXPECT_TRUE(soon([&] { return number(count) == 1; }));
  EXPECT_EQ(value("kept"), "v");
  const std::string stamp =
      GetParam() == "v1" ? "last-cleanup" : "last-cleanup-state-v2-" + name_ + "_";
  EXPECT_NE(query("SELECT value FROM " + name_ + "_metadata WHERE key = '" + stamp + "'"), "");
  run_on(loop_, other->close());
}

TEST_P(PostgresqlServer, ValuesAreKeptAsUpstreamKeepsThem) {
  open();
  ASSERT_TRUE(set({.key = "json", .value = R"({"a": 1})", .kind = ValueKind::json}));
  ASSERT_TRUE(set({.key = "bytes", .value = "\x01\xff"}));
  const std::string from = " FROM " + name_ + "_state WHERE key = ";
  if (GetParam() == "v1") {
    EXPECT_EQ(query("SELECT value::text || isbinary" + from + "'json'"), R"({"a": 1}false)");
    EXPECT_EQ(query("SELECT value::text || isbinary" + from + "'bytes'"), R"("Af8="true)");
  } else {
    EXPECT_EQ(query("SELECT value" + from + "'json'"), R"({"a": 1})");
    EXPECT_EQ(query("SELECT value" + from + "'bytes'"), "\x01\xff");
  }
}

TEST_P(PostgresqlServer, TextThatIsNoEtagIsRefusedAsUpstreamDoes) {
  open();
  auto refused = set({.key = "k", .value = "v", .etag = "never"});
  ASSERT_FALSE(refused);
  if (GetParam() == "v1") {
    EXPECT_TRUE(is_etag_invalid(refused.error()));
    EXPECT_THAT(refused.error().message(),
                HasSubstr(R"(strconv.ParseUint: parsing "never": invalid syntax)"));
  } else {
    EXPECT_TRUE(is_etag_mismatch(refused.error()));
    EXPECT_THAT(refused.error().message(), HasSubstr("invalid UUID length: 5"));
  }
}

TEST_P(PostgresqlServer, OnlyTheFirstVersionAnswersQueries) {
  open();
  if (GetParam() == "v2") {
    EXPECT_EQ(store_->queriable(), nullptr);
    return;
  }
  for (int i = 0; i < 6; ++i) {
    const std::string n = std::to_string(i);
    ASSERT_TRUE(set({.key = "q" + n,
                     .value = R"({"n":)" + n + R"(,"p":{"even":)" + (i % 2 ? "false" : "true") +
                              R"(},"it's":"x"})",
                     .kind = ValueKind::json}));
  }
  const auto keys = [this](std::string_view text) {
    auto query = parse_query(text);
    EXPECT_TRUE(query);
    auto answer = run_on(loop_, store_->queriable()->query(std::move(*query), {}));
    EXPECT_TRUE(answer) << answer.error().message();
    std::vector<std::string> found;
    for (const auto& item : answer->results) found.push_back(item.key);
    found.push_back(answer->token);
    return found;
  };
  EXPECT_THAT(keys(R"({"filter":{"EQ":{"p.even":true}},"sort":[{"key":"n","order":"DESC"}]})"),
              ElementsAre("q4", "q2", "q0", ""));
  EXPECT_THAT(
      keys(R"({"filter":{"AND":[{"GTE":{"n":2}},{"IN":{"n":[1,2,3]}}]},"sort":[{"key":"n"}]})"),
      ElementsAre("q2", "q3", ""));
  EXPECT_THAT(
      keys(R"({"filter":{"EQ":{"it's":"x"}},"sort":[{"key":"n"}],"page":{"limit":2,"token":"1"}})"),
      ElementsAre("q1", "q2", "3"));
  for (const auto* bad : {R"({"filter":{"LT":{"n":"5"}}})", R"({"filter":{"IN":{"n":[]}}})",
                          R"({"filter":{},"page":{"token":"x"}})",
                          R"({"sort":[{"key":"n","order":"; DROP TABLE x"}]})"}) {
    auto query = parse_query(bad);
    ASSERT_TRUE(query) << bad;
    EXPECT_FALSE(run_on(loop_, store_->queriable()->query(std::move(*query), {}))) << bad;
  }
}

INSTANTIATE_TEST_SUITE_P(Every, PostgresqlServer, testing::Values("v1", "v2"),
                         [](const auto& info) { return "postgresql_" + info.param; });

}  // namespace
}  // namespace outrigger::components::state
