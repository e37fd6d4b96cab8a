#include <csignal>
#include <filesystem>

#include <sys/wait.h>
#include <unistd.h>

#include "base/scope.h"
#include "base/uuid.h"
#include "components/clients/sqlite/connection.h"
#include "components/state/registry.h"

/// That a database can go from upstream's program to this one and back. What every store must do
/// is in tests/conformance.
namespace outrigger::components::state {
namespace {

using namespace std::chrono_literals;

class SqliteState : public testing::Test {
 protected:
  SqliteState() { std::filesystem::create_directories(directory_); }
  ~SqliteState() override {
    if (store_ != nullptr) close();
    std::filesystem::remove_all(directory_);
  }

  std::unique_ptr<sqlite::Database> direct() {
    sqlite::ConnectionOptions options;
    options.connection_string = path_;
    auto plan = sqlite::plan_connection(options, sqlite::ForeignKeys::off).value();
    return sqlite::Database::open(plan).value();
  }
  Result<> open(Properties properties = {}) {
    properties.emplace("connectionString", path_);
    ComponentContext context{.loop = loop_, .app_id = "app"};
    const Metadata metadata{.name = "store", .properties = std::move(properties)};
    auto made = find_kind(kinds(), "state.sqlite", "v1")->make(metadata, context);
    if (!made) return fail(std::move(made).error());
    store_ = std::move(*made);
    auto ready = run_on(loop_, store_->init());
    if (!ready) close();
    return ready;
  }
  void close() {
    run_on(loop_, store_->close());
    store_.reset();
  }
  std::optional<Item> get(std::string key) {
    return run_on(loop_, store_->get({.key = std::move(key)})).value();
  }

  std::filesystem::path directory_ =
      std::filesystem::temp_directory_path() / ("outrigger-sqlite-" + uuid_v4());
  std::string path_ = (directory_ / "state.db").string();
  Loop loop_;
  std::unique_ptr<Store> store_;
};

/// The tables as upstream's daprd 1.18 makes them, and rows as it writes them.
constexpr const char* kUpstream[] = {
    "CREATE TABLE metadata (key text NOT NULL PRIMARY KEY, value text NOT NULL)",
    "INSERT INTO metadata VALUES ('migrations', '1')",
    ("CREATE TABLE state (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL, is_binary BOOLEAN "
     "NOT NULL, etag TEXT NOT NULL, expiration_time TIMESTAMP DEFAULT NULL, update_time TIMESTAMP "
     "NOT NULL DEFAULT CURRENT_TIMESTAMP)"),
    "INSERT INTO state VALUES ('app||json', '{\"a\":1}', 0, 'tag-1', NULL, '2026-01-02 03:04:05')",
    ("INSERT INTO state VALUES ('app||bytes', 'AP8=', 1, 'tag-2', '2099-01-02 03:04:05', "
     "'2026-01-02 03:04:05')"),
    "INSERT INTO state VALUES ('app||old', '1', 0, 'tag-3', '2020-01-02 03:04:05', '2020-01-01')",
};

TEST_F(SqliteState, ReadsWhatUpstreamWrote) {
  auto database = direct();
  for (const auto* statement : kUpstream) ASSERT_TRUE(database->execute(statement));
  ASSERT_TRUE(open());
  auto json = get("app||json");
  ASSERT_TRUE(json);
  EXPECT_EQ(json->value, "{\"a\":1}");
  EXPECT_EQ(json->etag, "tag-1");
  EXPECT_TRUE(json->metadata.empty());
  auto bytes = get("app||bytes");
  ASSERT_TRUE(bytes);
  EXPECT_EQ(bytes->value, std::string("\0\xFF", 2));
  EXPECT_EQ(bytes->metadata.at("ttlExpireTime"), "2099-01-02T03:04:05Z");
  EXPECT_FALSE(get("app||old"));
  EXPECT_TRUE(run_on(loop_, store_->set({.key = "app||json", .value = "2", .etag = "tag-1"})));
}

TEST_F(SqliteState, WritesWhatUpstreamReads) {
  ASSERT_TRUE(open());
  ASSERT_TRUE(run_on(loop_, store_->set({.key = "b", .value = std::string("\0\xFF", 2)})));
  SetRequest json{.key = "j",
                  .value = "{\"a\":1}",
                  .kind = ValueKind::json,
                  .metadata = {{"ttlInSeconds", "60"}}};
  ASSERT_TRUE(run_on(loop_, store_->set(std::move(json))));
  auto database = direct();
  const auto value = [&](const char* sql) { return database->value(sql).value(); };
  EXPECT_EQ(value("SELECT value FROM state WHERE key = 'b'"), "AP8=");
  EXPECT_EQ(value("SELECT is_binary || typeof(is_binary) FROM state WHERE key = 'b'"), "1integer");
  EXPECT_EQ(value("SELECT expiration_time FROM state WHERE key = 'b'"), std::nullopt);
  EXPECT_EQ(value("SELECT value || is_binary FROM state WHERE key = 'j'"), "{\"a\":1}0");
  EXPECT_EQ(value("SELECT typeof(value) FROM state WHERE key = 'j'"), "text");
  EXPECT_EQ(value("SELECT unixepoch(expiration_time) - unixepoch(update_time) FROM state WHERE "
                  "key = 'j'"),
            "60");
  EXPECT_EQ(value("SELECT length(expiration_time) FROM state WHERE key = 'j'"), "19");
  EXPECT_EQ(value("SELECT value FROM metadata WHERE key = 'migrations'"), "1");
  EXPECT_EQ(value("PRAGMA journal_mode"), "wal");
  EXPECT_EQ(value("PRAGMA synchronous"), "2");
}

TEST_F(SqliteState, TablesMayHaveOtherNames) {
  ASSERT_TRUE(open({{"tableName", "s1"}, {"metadataTableName", "m1"}}));
  ASSERT_TRUE(run_on(loop_, store_->set({.key = "k", .value = "v"})));
  EXPECT_EQ(direct()->value("SELECT count(*) FROM s1").value(), "1");
}

TEST_F(SqliteState, RefusesBadFieldsAndDatabases) {
  EXPECT_FALSE(open({{"tableName", "a; DROP TABLE b"}}));
  EXPECT_FALSE(open({{"timeout", "10ms"}}));
  EXPECT_FALSE(open({{"connectionString", "/nonexistent/dir/state.db"}}));
  EXPECT_FALSE(open({{"connectionString", ""}}));
}

TEST_F(SqliteState, AValueThatIsNoBase64IsAnErrorNotACrash) {
  auto database = direct();
  for (const auto* statement : kUpstream) ASSERT_TRUE(database->execute(statement));
  ASSERT_TRUE(database->execute("UPDATE state SET value = '*!*' WHERE key = 'app||bytes'"));
  ASSERT_TRUE(open());
  auto broken = run_on(loop_, store_->get({.key = "app||bytes"}));
  ASSERT_FALSE(broken);
  EXPECT_EQ(broken.error().code(), Code::data_loss);
}

TEST_F(SqliteState, ExpiredRowsAreRemovedIfAnIntervalIsSet) {
  auto database = direct();
  for (const auto* statement : kUpstream) ASSERT_TRUE(database->execute(statement));
  ASSERT_TRUE(open({{"cleanupInterval", "1s"}}));
  const auto until = std::chrono::steady_clock::now() + 60s;
  std::optional<std::string> left = "1";
  while (left != "0" && std::chrono::steady_clock::now() < until) {
    ASSERT_TRUE(run_on(loop_, sleep_for(50ms)));
    left = database->value("SELECT count(*) FROM state WHERE key = 'app||old'").value();
  }
  EXPECT_EQ(left, "0");
  EXPECT_EQ(database->value("SELECT count(*) FROM state").value(), "2");
}

TEST_F(SqliteState, AReadOnlyDatabaseIsReadAndRefusesWrites) {
  {
    auto database = direct();
    for (const auto* statement : kUpstream) ASSERT_TRUE(database->execute(statement));
    ASSERT_TRUE(database->execute("PRAGMA journal_mode(DELETE)"));
  }
  path_ = "file:" + path_ + "?mode=ro";
  ASSERT_TRUE(open());
  EXPECT_TRUE(get("app||json"));
  EXPECT_FALSE(run_on(loop_, store_->set({.key = "k", .value = "v"})));
  EXPECT_TRUE(get("app||json"));
}

/// Writes items one after the other, each with company, and reports every one that is answered.
Task<void> write_and_report(Store* store, int first, int report) {
  for (int i = first;; i += 8) {
    SetRequest request{.key = std::to_string(i), .value = "v"};
    auto done = co_await store->set(std::move(request));
    if (!done || write(report, &i, sizeof i) != sizeof i) co_return;
  }
}

TEST_F(SqliteState, AProcessThatIsKilledLosesNothingItHadAnswered) {
  for (int round = 0; round < 3; ++round) {
    int pipe_ends[2];
    ASSERT_EQ(pipe(pipe_ends), 0);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      if (!open()) _exit(1);
      std::vector<Task<void>> tasks;
      for (int i = 0; i < 8; ++i)
        tasks.push_back(write_and_report(store_.get(), round * 1'000'000 + i, pipe_ends[1]));
      run_on(loop_, run_all(std::move(tasks)));
      _exit(0);
    }
    ::close(pipe_ends[1]);
    std::vector<int> answered;
    int one = 0;
    while (read(pipe_ends[0], &one, sizeof one) == sizeof one) {
      answered.push_back(one);
      if (answered.size() == 500) kill(child, SIGKILL);
    }
    ::close(pipe_ends[0]);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_GE(answered.size(), 500u);
    ASSERT_TRUE(open());
    for (const int item : answered) ASSERT_TRUE(get(std::to_string(item))) << item;
    close();
  }
}

TEST_F(SqliteState, KeysMustNotBeEmpty) {
  ASSERT_TRUE(open());
  EXPECT_EQ(run_on(loop_, store_->get({.key = ""})).error().message(),
            "missing key in get operation");
  EXPECT_EQ(run_on(loop_, store_->set({.key = ""})).error().message(), "missing key in set option");
  EXPECT_EQ(run_on(loop_, store_->remove({.key = ""})).error().message(),
            "missing key in delete operation");
}

TEST_F(SqliteState, ListsUpstreamsFeaturesAndFields) {
  ASSERT_TRUE(open());
  EXPECT_EQ(features(*store_),
            (std::vector<std::string>{"ETAG", "TRANSACTIONAL", "TTL", "KEYS_LIKE"}));
  std::vector<std::string> names;
  for (const auto& field : find_kind(kinds(), "state.sqlite", "v1")->fields()) {
    names.push_back(field.name);
  }
  EXPECT_EQ(names,
            (std::vector<std::string>{"connectionString", "timeout", "busyTimeout", "disableWAL",
                                      "tableName", "metadataTableName", "cleanupInterval"}));
}

}  // namespace
}  // namespace outrigger::components::state
