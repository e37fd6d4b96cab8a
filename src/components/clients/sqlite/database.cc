#include "components/clients/sqlite/database.h"

#include <thread>
#include <unordered_map>

#include <sqlite3.h>

#include "base/random.h"

namespace outrigger::components::sqlite {
namespace {

struct Finalize {
  void operator()(sqlite3_stmt* statement) const noexcept { sqlite3_finalize(statement); }
};
struct Hash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const noexcept {
    return std::hash<std::string_view>{}(text);
  }
};

Code code_of(int result) noexcept {
  switch (result & 0xFF) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_PROTOCOL: return Code::unavailable;
    case SQLITE_FULL:
    case SQLITE_TOOBIG:
    case SQLITE_NOMEM: return Code::resource_exhausted;
    case SQLITE_READONLY:
    case SQLITE_PERM: return Code::failed_precondition;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return Code::data_loss;
    case SQLITE_INTERRUPT: return Code::deadline_exceeded;
    case SQLITE_CONSTRAINT: return Code::already_exists;
    default: return Code::internal;
  }
}

/// Virtual machine steps between two looks at the clock: some tens of microseconds.
constexpr int kStepsPerLook = 2000;

/// Between two tries for a lock. SQLite's own waits grow to 100 ms: beside a program that writes
/// without pause, its lock is then free too rarely at just the right moment.
constexpr std::uint64_t kLockTryMicroseconds = 1000;

}  // namespace

struct Database::Impl {
  sqlite3* handle;
  std::unordered_map<std::string, std::unique_ptr<sqlite3_stmt, Finalize>, Hash, std::equal_to<>>
      statements;
  std::chrono::steady_clock::time_point deadline;
  std::chrono::milliseconds busy_timeout{0};
  std::chrono::steady_clock::time_point busy_since;
  Commits commits = Commits::flushed;

  static int wait_for_lock(void* self, int tries) {
    auto& impl = *static_cast<Impl*>(self);
    const auto now = std::chrono::steady_clock::now();
    if (tries == 0) impl.busy_since = now;
    if (now - impl.busy_since >= impl.busy_timeout) return 0;
    const auto wait = kLockTryMicroseconds / 2 + fast_random_below(kLockTryMicroseconds);
    std::this_thread::sleep_for(std::chrono::microseconds(wait));
    return 1;
  }
  static int late(void* self) {
    return std::chrono::steady_clock::now() > static_cast<Impl*>(self)->deadline ? 1 : 0;
  }
};

Database::Database(sqlite3* handle) noexcept : impl_(std::make_unique<Impl>()) {
  impl_->handle = handle;
}

Database::~Database() {
  impl_->statements.clear();
  sqlite3_close_v2(impl_->handle);
}

std::unexpected<Error> Database::failure() const {
  const int result = sqlite3_extended_errcode(impl_->handle);
  return fail(code_of(result), std::string(sqlite3_errmsg(impl_->handle)) + " (" +
                                   std::to_string(result & 0xFF) + ")");
}

Result<std::unique_ptr<Database>> Database::open(const OpenPlan& plan) {
  sqlite3* handle = nullptr;
  constexpr int flags =
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX;
  const int result = sqlite3_open_v2(plan.uri.c_str(), &handle, flags, nullptr);
  if (handle == nullptr) {
    return fail(code_of(result), "SQLite cannot be opened: " + std::string(sqlite3_errstr(result)));
  }
  auto database = std::unique_ptr<Database>(new Database(handle));
  if (result != SQLITE_OK) return database->failure();
  sqlite3_extended_result_codes(handle, 1);
  if (plan.busy_timeout.count() > 0) {
    database->impl_->busy_timeout = plan.busy_timeout;
    sqlite3_busy_handler(handle, &Impl::wait_for_lock, database->impl_.get());
  }
  for (const auto& pragma : plan.pragmas) {
    OUT_CHECK(database->execute("PRAGMA " + pragma));
  }
  database->impl_->statements.clear();
  return database;
}

Result<sqlite3_stmt*> Database::prepare(std::string_view sql,
                                        std::initializer_list<Parameter> parameters,
                                        Lifetime lifetime) {
  auto found = impl_->statements.find(sql);
  if (found == impl_->statements.end()) {
    sqlite3_stmt* made = nullptr;
    const int result = sqlite3_prepare_v3(impl_->handle, sql.data(), static_cast<int>(sql.size()),
                                          SQLITE_PREPARE_PERSISTENT, &made, nullptr);
    if (result != SQLITE_OK) return failure();
    if (made == nullptr) return fail(Code::internal, "empty SQL statement");
    found = impl_->statements.emplace(sql, made).first;
  }
  sqlite3_stmt* statement = found->second.get();
  auto* const keep = lifetime == Lifetime::call ? SQLITE_STATIC : SQLITE_TRANSIENT;
  int index = 0;
  for (const auto& parameter : parameters) {
    ++index;
    int result = SQLITE_OK;
    if (const auto* text = std::get_if<std::string_view>(&parameter)) {
      // A null pointer would bind NULL.
      const char* data = text->data() == nullptr ? "" : text->data();
      result = sqlite3_bind_text64(statement, index, data, text->size(), keep, SQLITE_UTF8);
    } else if (const auto* number = std::get_if<std::int64_t>(&parameter)) {
      result = sqlite3_bind_int64(statement, index, *number);
    } else if (const auto* real = std::get_if<double>(&parameter)) {
      result = sqlite3_bind_double(statement, index, *real);
    } else {
      result = sqlite3_bind_null(statement, index);
    }
    if (result != SQLITE_OK) {
      auto error = failure();
      sqlite3_clear_bindings(statement);
      return error;
    }
  }
  return statement;
}

Result<std::int64_t> Database::execute(std::string_view sql,
                                       std::initializer_list<Parameter> parameters) {
  OUT_TRY(sqlite3_stmt * statement, prepare(sql, parameters, Lifetime::call));
  int result = SQLITE_ROW;
  while (result == SQLITE_ROW) result = sqlite3_step(statement);
  std::optional<Error> error;
  if (result != SQLITE_DONE) error = std::move(failure().error());
  const std::int64_t changes = sqlite3_changes64(impl_->handle);
  sqlite3_reset(statement);
  sqlite3_clear_bindings(statement);
  if (error) return fail(std::move(*error));
  return changes;
}

Result<Rows> Database::query(std::string_view sql, std::initializer_list<Parameter> parameters) {
  OUT_TRY(sqlite3_stmt * statement, prepare(sql, parameters, Lifetime::copied));
  return Rows(*this, statement);
}

Result<std::optional<std::string>> Database::value(std::string_view sql,
                                                   std::initializer_list<Parameter> parameters) {
  OUT_TRY(auto rows, query(sql, parameters));
  OUT_TRY(const bool found, rows.next());
  if (!found || rows.is_null(0)) return std::nullopt;
  return std::string(rows.text(0));
}

bool Database::in_transaction() const noexcept {
  return sqlite3_get_autocommit(impl_->handle) == 0;
}

void Database::rollback() noexcept {
  if (!in_transaction()) return;
  // It can only fail if the transaction has ended meanwhile.
  [[maybe_unused]] auto done = execute("ROLLBACK");
}

Result<> Database::set_commits(Commits commits) {
  if (commits == impl_->commits) return {};
  // Not by execute(): this pragma takes effect when it is prepared, and prepared ones are kept.
  const char* const sql =
      commits == Commits::flushed ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL";
  if (sqlite3_exec(impl_->handle, sql, nullptr, nullptr, nullptr) != SQLITE_OK) return failure();
  impl_->commits = commits;
  return {};
}

void Database::set_deadline(
    std::optional<std::chrono::steady_clock::time_point> deadline) noexcept {
  if (!deadline) {
    sqlite3_progress_handler(impl_->handle, 0, nullptr, nullptr);
    return;
  }
  impl_->deadline = *deadline;
  sqlite3_progress_handler(impl_->handle, kStepsPerLook, &Impl::late, impl_.get());
}

Rows::~Rows() {
  if (statement_ == nullptr) return;
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

Result<bool> Rows::next() {
  const int result = sqlite3_step(statement_);
  if (result == SQLITE_ROW) return true;
  if (result == SQLITE_DONE) return false;
  return database_->failure();
}

std::string_view Rows::text(int column) const noexcept {
  // Text first, then its size: sqlite3_column_bytes() is that of the last conversion.
  const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  if (data == nullptr) return {};
  return {data, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

std::int64_t Rows::integer(int column) const noexcept {
  return sqlite3_column_int64(statement_, column);
}

bool Rows::is_null(int column) const noexcept {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

}  // namespace outrigger::components::sqlite
