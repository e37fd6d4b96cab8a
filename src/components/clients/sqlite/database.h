#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

/// SQLite behind values and errors. Every call may block on the disk: use it on threads that may,
/// most simply through an Executor (executor.h).
namespace outrigger::components::sqlite {

/// What is bound to a ? of a statement. Text is stored as it is, with any bytes in it.
using Parameter = std::variant<std::nullptr_t, std::int64_t, double, std::string_view>;

/// How a database is opened: what a connection string comes down to (connection.h).
struct OpenPlan {
  /// An SQLite URI, "file:/var/lib/state.db?mode=rwc".
  std::string uri;
  /// "journal_mode(WAL)" and so on, run in this order.
  std::vector<std::string> pragmas;
  /// How transactions that write begin: "IMMEDIATE", "DEFERRED" or "EXCLUSIVE".
  std::string transaction = "IMMEDIATE";
  /// How long to wait for another connection's lock, trying about every millisecond; 0: not at all.
  std::chrono::milliseconds busy_timeout{0};
  /// A database in memory has one connection only, or its content would be several.
  bool in_memory = false;
};

class Database;

/// The rows of one running query, read one after the other. Ends its statement when destroyed;
/// must not outlive its Database.
class Rows {
 public:
  Rows(Rows&& other) noexcept : statement_(std::exchange(other.statement_, nullptr)) {
    database_ = other.database_;
  }
  Rows& operator=(Rows&&) = delete;
  ~Rows();

  /// Moves to the next row; false after the last one.
  Result<bool> next();
  /// Columns of the present row, from 0. Views live until the next next().
  [[nodiscard]] std::string_view text(int column) const noexcept;
  [[nodiscard]] std::int64_t integer(int column) const noexcept;
  [[nodiscard]] bool is_null(int column) const noexcept;

 private:
  friend class Database;
  Rows(Database& database, sqlite3_stmt* statement) noexcept
      : database_(&database), statement_(statement) {}
  Database* database_;
  sqlite3_stmt* statement_;
};

/// One connection. Not thread-safe. Statements are prepared once for each SQL text and kept, so
/// texts must come from the program and be few.
///
/// Errors: unavailable (locked by others for longer than the busy timeout, I/O), resource_exhausted
/// (disk full), failed_precondition (read-only), data_loss (corrupt or no database),
/// deadline_exceeded, else internal.
class Database {
 public:
  static Result<std::unique_ptr<Database>> open(const OpenPlan& plan);
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  ~Database();

  /// Runs one statement and answers how many rows it changed. Rows that it returns are dropped.
  Result<std::int64_t> execute(std::string_view sql, std::initializer_list<Parameter> = {});
  /// Begins a query; parameters are copied. Do not begin the same text again while Rows of it live.
  Result<Rows> query(std::string_view sql, std::initializer_list<Parameter> = {});
  /// The first column of the first row as text; nullopt if there is no row or it is NULL.
  Result<std::optional<std::string>> value(std::string_view sql,
                                           std::initializer_list<Parameter> = {});
  /// Whether a transaction is open. An error of the disk may have ended it.
  [[nodiscard]] bool in_transaction() const noexcept;
  /// Ends the transaction with all its changes undone, if there is one.
  void rollback() noexcept;
  /// Whether commits wait until the disk has them ("full", the default) or only until the operating
  /// system has them, which survives the end of this process but not of the machine. Only sound
  /// with WAL; whatever is flushed later comes with all that was committed before it.
  enum class Commits : std::uint8_t { flushed, unflushed };
  Result<> set_commits(Commits commits);
  /// Statements that run on after this moment fail with deadline_exceeded; nullopt: none does.
  void set_deadline(std::optional<std::chrono::steady_clock::time_point> deadline) noexcept;

 private:
  friend class Rows;
  explicit Database(sqlite3* handle) noexcept;
  enum class Lifetime : std::uint8_t { call, copied };
  Result<sqlite3_stmt*> prepare(std::string_view sql, std::initializer_list<Parameter> parameters,
                                Lifetime lifetime);
  [[nodiscard]] std::unexpected<Error> failure() const;

  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace outrigger::components::sqlite
