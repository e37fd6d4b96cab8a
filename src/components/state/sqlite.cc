#include "base/base64.h"
#include "base/log.h"
#include "base/uuid.h"
#include "components/clients/sqlite/connection.h"
#include "components/clients/sqlite/executor.h"
#include "components/clients/sqlite/migrations.h"
#include "components/component.h"
#include "components/state/store.h"

namespace outrigger::components::state {
namespace {

using sqlite::Client;
using sqlite::Database;
using sqlite::Parameter;

const Logger log("dapr.contrib.state.sqlite");

struct Options : sqlite::ConnectionOptions {
  std::string table = "state";
  std::string metadata_table = "metadata";
  std::chrono::nanoseconds cleanup_interval{0};
};
constexpr Field<Options> kFields[] = {
    {{.name = "tableName"}, &Options::table},
    {{.name = "metadataTableName"}, &Options::metadata_table},
    {{.name = "cleanupInterval", .aliases = {"cleanupIntervalInSeconds"}},
     &Options::cleanup_interval},
};

/// The statements, made once: Database keeps what it prepared by the text.
struct Statements {
  std::string create, get, put, put_first, put_matching, remove, remove_matching, keys;
  std::string stamp_cleanup, clean;
};

constexpr std::string_view kAlive =
    "(expiration_time IS NULL OR expiration_time > CURRENT_TIMESTAMP)";

/// Deleting more at once would make writes wait.
constexpr std::int64_t kCleanupSlice = 1000;

/// The layout and the meaning of the columns are upstream's, for one database must serve both.
/// Datetime with a modifier that is NULL is NULL: the item does not expire.
Statements statements_for(const Options& options) {
  const std::string& table = options.table;
  const std::string alive(kAlive);
  const std::string row =
      "(key, value, is_binary, etag, update_time, expiration_time) "
      "SELECT ?1, ?2, ?3, ?4, CURRENT_TIMESTAMP, DATETIME(CURRENT_TIMESTAMP, ?5)";
  Statements sql;
  sql.create = "CREATE TABLE IF NOT EXISTS " + table +
               " (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL, is_binary BOOLEAN NOT NULL, "
               "etag TEXT NOT NULL, expiration_time TIMESTAMP DEFAULT NULL, "
               "update_time TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)";
  sql.get = "SELECT value, is_binary, etag, strftime('%Y-%m-%dT%H:%M:%SZ', expiration_time) FROM " +
            table + " WHERE key = ? AND " + alive;
  sql.put = "INSERT OR REPLACE INTO " + table + " " + row;
  // An expired row that is still there counts as gone.
  sql.put_first =
      sql.put + " WHERE NOT EXISTS (SELECT 1 FROM " + table + " WHERE key = ?1 AND " + alive + ")";
  sql.put_matching = "UPDATE " + table +
                     " SET value = ?2, is_binary = ?3, etag = ?4, update_time = CURRENT_TIMESTAMP, "
                     "expiration_time = DATETIME(CURRENT_TIMESTAMP, ?5) "
                     "WHERE key = ?1 AND etag = ?6 AND " +
                     alive;
  sql.remove = "DELETE FROM " + table + " WHERE key = ?";
  sql.remove_matching = sql.remove + " AND etag = ?";
  sql.keys = "SELECT key, rowid FROM " + table + " WHERE key LIKE ?1 ESCAPE '\\' AND " + alive +
             " AND rowid > ?2 ORDER BY rowid ASC LIMIT ?3";
  // Of several programs on one database, one at a time wins the right to clean up.
  sql.stamp_cleanup = "INSERT INTO " + options.metadata_table +
                      " (key, value) VALUES ('last-cleanup', CURRENT_TIMESTAMP) "
                      "ON CONFLICT (key) DO UPDATE SET value = CURRENT_TIMESTAMP "
                      "WHERE (unixepoch(CURRENT_TIMESTAMP) - unixepoch(value)) * 1000 > ?";
  sql.clean = "DELETE FROM " + table + " WHERE rowid IN (SELECT rowid FROM " + table +
              " WHERE expiration_time IS NOT NULL AND expiration_time < CURRENT_TIMESTAMP LIMIT ?)";
  return sql;
}

/// A write as the database takes it: its work may be run twice, so nothing in it is used up.
struct Put {
  std::string key;
  std::string value;
  bool binary;
  std::string etag;
  std::string lifetime;  // "+60 seconds", or empty: for ever.
  std::string expected;  // ETag, may be empty.
  bool first_write;
};
struct Removal {
  std::string key;
  std::string expected;
};
using Write = std::variant<Put, Removal>;

Result<Write> prepare(SetRequest&& request) {
  if (request.key.empty()) return fail(Code::invalid_argument, "missing key in set option");
  auto ttl = parse_ttl(request.metadata);
  if (!ttl) return fail(std::move(ttl).error().context("error parsing TTL"));
  const bool binary = request.kind == ValueKind::bytes;
  Put put{.key = std::move(request.key),
          .value = std::move(request.value),
          .binary = binary,
          .etag = uuid_v4(),
          .first_write = request.concurrency == Concurrency::first_write};
  if (*ttl && **ttl > 0) put.lifetime = "+" + std::to_string(**ttl) + " seconds";
  if (request.etag) put.expected = std::move(*request.etag);
  return put;
}

Result<Write> prepare(DeleteRequest&& request) {
  if (request.key.empty()) return fail(Code::invalid_argument, "missing key in delete operation");
  return Removal{.key = std::move(request.key),
                 .expected = std::move(request.etag).value_or(std::string())};
}

Result<> apply(Database& database, const Statements& sql, const Put& put) {
  const std::int64_t binary = put.binary ? 1 : 0;
  // Here and not in prepare(): a large value takes milliseconds, which a loop has not.
  const std::string encoded = put.binary ? base64_encode(put.value) : std::string();
  const std::string_view text = put.binary ? encoded : put.value;
  Parameter lifetime = nullptr;
  if (!put.lifetime.empty()) lifetime = std::string_view(put.lifetime);
  std::int64_t rows = 0;
  if (!put.expected.empty()) {
    OUT_TRY(rows, database.execute(sql.put_matching,
                                   {put.key, text, binary, put.etag, lifetime, put.expected}));
  } else {
    const std::string& statement = put.first_write ? sql.put_first : sql.put;
    OUT_TRY(rows, database.execute(statement, {put.key, text, binary, put.etag, lifetime}));
  }
  if (rows == 0) return fail(etag_mismatch());
  return {};
}

Result<> apply(Database& database, const Statements& sql, const Removal& removal) {
  if (removal.expected.empty()) {
    OUT_CHECK(database.execute(sql.remove, {removal.key}));
    return {};
  }
  OUT_TRY(const auto rows, database.execute(sql.remove_matching, {removal.key, removal.expected}));
  if (rows == 0) return fail(etag_mismatch());
  return {};
}

Result<std::optional<Item>> read(Database& database, const Statements& sql,
                                 const std::string& key) {
  OUT_TRY(auto rows, database.query(sql.get, {key}));
  OUT_TRY(const bool found, rows.next());
  if (!found) return std::nullopt;
  Item item;
  if (rows.integer(1) != 0) {
    auto bytes = base64_decode(rows.text(0));
    if (!bytes) return fail(Code::data_loss, "failed to decode binary data of key " + key);
    item.value = std::move(*bytes);
  } else {
    item.value = rows.text(0);
  }
  item.etag = std::string(rows.text(2));
  if (!rows.is_null(3)) item.metadata.emplace(kTtlExpireTime, rows.text(3));
  return item;
}

Result<KeysLikeAnswer> list_keys(Database& database, const Statements& sql,
                                 const KeysLikeRequest& request) {
  const Parameter limit = request.page_size ? std::int64_t{*request.page_size} : std::int64_t{-1};
  Parameter after = std::int64_t{-1};
  if (request.continuation_token) after = std::string_view(*request.continuation_token);
  OUT_TRY(auto rows, database.query(sql.keys, {request.pattern, after, limit}));
  KeysLikeAnswer answer;
  std::int64_t last = 0;
  for (;;) {
    OUT_TRY(const bool found, rows.next());
    if (!found) break;
    answer.keys.emplace_back(rows.text(0));
    last = rows.integer(1);
  }
  const bool full = request.page_size && answer.keys.size() == *request.page_size;
  if (full && !answer.keys.empty()) answer.continuation_token = std::to_string(last);
  return answer;
}

class SqliteStore final : public Store, private Transactional, private KeysLister {
 public:
  SqliteStore(std::shared_ptr<sqlite::Executor> executor, std::shared_ptr<const Statements> sql,
              Duration timeout)
      : client_(std::move(executor), timeout), sql_(std::move(sql)) {}

  Task<Result<>> init() override {
    auto opened = co_await client_.open();
    co_return opened;
  }

  Task<Result<std::optional<Item>>> get(GetRequest request) override {
    if (request.key.empty()) {
      co_return fail(Code::invalid_argument, "missing key in get operation");
    }
    Client::Work<std::optional<Item>> work = [sql = sql_,
                                              key = std::move(request.key)](Database& database) {
      return read(database, *sql, key);
    };
    auto item = co_await client_.read(std::move(work));
    co_return item;
  }

  Task<Result<>> set(SetRequest request) override {
    OUT_CO_TRY(auto write, prepare(std::move(request)));
    std::vector<Write> writes;
    writes.push_back(std::move(write));
    auto done = co_await write_all(std::move(writes));
    co_return done;
  }

  Task<Result<>> remove(DeleteRequest request) override {
    OUT_CO_TRY(auto write, prepare(std::move(request)));
    std::vector<Write> writes;
    writes.push_back(std::move(write));
    auto done = co_await write_all(std::move(writes));
    co_return done;
  }

  Task<Result<std::vector<BulkItem>>> bulk_get(std::vector<GetRequest> requests,
                                               BulkOptions) override {
    Client::Work<std::vector<BulkItem>> work =
        [sql = sql_, requests = std::move(requests)](Database& database) {
          std::vector<BulkItem> answers;
          answers.reserve(requests.size());
          for (const auto& request : requests) {
            answers.push_back({.key = request.key, .item = read(database, *sql, request.key)});
          }
          return Result<std::vector<BulkItem>>(std::move(answers));
        };
    auto answers = co_await client_.read(std::move(work));
    co_return answers;
  }

  Task<Result<>> ping() override {
    Client::Work<void> work = [](Database& database) -> Result<> {
      OUT_CHECK(database.value("SELECT 1"));
      return {};
    };
    auto done = co_await client_.read(std::move(work));
    co_return done;
  }

  Task<void> close() override { co_await client_.close(); }

  [[nodiscard]] Traits traits() const noexcept override { return {.etag = true, .ttl = true}; }
  Transactional* transactional() noexcept override { return this; }
  KeysLister* keys_lister() noexcept override { return this; }

 private:
  Task<Result<>> multi(TransactionRequest request) override {
    std::vector<Write> writes;
    for (auto& operation : request.operations) {
      const auto make = [](auto& one) { return prepare(std::move(one)); };
      OUT_CO_TRY(auto write, std::visit(make, operation));
      writes.push_back(std::move(write));
    }
    if (writes.empty()) co_return Result<>();
    auto done = co_await write_all(std::move(writes));
    co_return done;
  }

  Task<Result<KeysLikeAnswer>> keys_like(KeysLikeRequest request) override {
    if (request.pattern.empty()) co_return fail(empty_pattern());
    Client::Work<KeysLikeAnswer> work = [sql = sql_,
                                         request = std::move(request)](Database& database) {
      return list_keys(database, *sql, request);
    };
    auto answer = co_await client_.read(std::move(work));
    co_return answer;
  }

  /// All or none.
  Task<Result<>> write_all(std::vector<Write> writes) {
    Client::Work<void> work = [sql = sql_,
                               writes = std::move(writes)](Database& database) -> Result<> {
      for (const auto& write : writes) {
        const auto one = [&](const auto& content) { return apply(database, *sql, content); };
        OUT_CHECK(std::visit(one, write));
      }
      return {};
    };
    auto done = co_await client_.write(std::move(work));
    co_return done;
  }

  Client client_;
  std::shared_ptr<const Statements> sql_;
};

/// The shared half of a component: the database and its statements.
struct Core {
  std::shared_ptr<sqlite::Executor> executor;
  std::shared_ptr<const Statements> sql;
};

void clean_up_regularly(sqlite::Executor& executor, std::shared_ptr<const Statements> sql,
                        std::chrono::nanoseconds interval) {
  // Upstream's slack, so that a clock a little late does not skip a turn.
  const std::int64_t least =
      std::chrono::duration_cast<std::chrono::milliseconds>(interval).count() - 100;
  // Between two slices of one clean-up the stamp need not be won again.
  auto work = [sql, least, going_on = false](Database& database) mutable -> Result<bool> {
    if (!std::exchange(going_on, false)) {
      OUT_TRY(const auto won, database.execute(sql->stamp_cleanup, {least}));
      if (won == 0) return false;
    }
    OUT_TRY(const auto removed, database.execute(sql->clean, {kCleanupSlice}));
    if (removed > 0) log.info("Removed ", removed, " expired rows");
    going_on = removed == kCleanupSlice;
    return going_on;
  };
  auto failed = [](const Error& error) { log.error("Error removing expired data: ", error); };
  executor.every(interval, std::move(work), std::move(failed));
}

Result<std::shared_ptr<Core>> make_core(const Options& options) {
  OUT_TRY(auto plan, sqlite::plan_connection(options, sqlite::ForeignKeys::off));
  for (const auto& table : {options.table, options.metadata_table}) {
    if (!sqlite::valid_identifier(table)) {
      return fail(Code::invalid_argument, "invalid identifier: " + table);
    }
  }
  auto core = std::make_shared<Core>();
  core->sql = std::make_shared<const Statements>(statements_for(options));
  sqlite::Migrations migrations{.metadata_table = options.metadata_table,
                                .statements = {core->sql->create}};
  auto setup = [migrations = std::move(migrations)](Database& database) {
    return sqlite::migrate(database, migrations);
  };
  core->executor = std::make_shared<sqlite::Executor>(std::move(plan), std::move(setup));
  if (options.cleanup_interval.count() > 0) {
    clean_up_regularly(*core->executor, core->sql, options.cleanup_interval);
  }
  return core;
}

}  // namespace

Result<std::unique_ptr<Store>> make_sqlite(const Metadata& metadata, ComponentContext& context) {
  // Upstream's words, which people search for.
  if (metadata.find({"connectionString", "url"}).value_or("").empty()) {
    return fail(Code::invalid_argument, "missing connection string");
  }
  Options options;
  OUT_CHECK(parse_into<sqlite::ConnectionOptions>(metadata, sqlite::kConnectionFields, options));
  OUT_CHECK(parse_into(metadata, kFields, options));
  std::move_only_function<Result<std::shared_ptr<Core>>()> make = [&options] {
    return make_core(options);
  };
  OUT_TRY(auto core, context.shared<Core>(std::move(make)));
  return std::make_unique<SqliteStore>(core->executor, core->sql, options.timeout);
}

std::vector<FieldInfo> sqlite_fields() {
  auto fields = describe(sqlite::kConnectionFields);
  std::ranges::move(describe(kFields), std::back_inserter(fields));
  return fields;
}

}  // namespace outrigger::components::state
