#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

struct pg_result;

namespace outrigger::components::postgres {

/// An SQL text with $1, $2, ... for its parameters. Does not change; may be used by all loops.
class Statement {
 public:
  /// `often` is prepared once on each connection and kept there: for texts of which there are few.
  enum class Use : std::uint8_t { often, once };
  explicit Statement(std::string sql, Use use = Use::often);

  [[nodiscard]] const std::string& sql() const noexcept { return sql_; }
  /// What a connection calls it when prepared, unique in the process; empty for `once`.
  [[nodiscard]] const std::string& name() const noexcept { return name_; }

 private:
  std::string sql_;
  std::string name_;
};

/// A parameter in PostgreSQL's binary form (values.h makes them); nullopt is NULL. The binary form
/// of a text is its bytes.
using Value = std::optional<std::string>;

/// A statement and what is bound to it. The statement must outlive the call.
struct Step {
  const Statement* statement;
  std::vector<Value> values;
};

/// Steps that are sent together and are one transaction: all are done or none.
using Unit = std::vector<Step>;

/// What a statement gave: rows, whose columns are in binary form, or the number of rows it wrote.
class Rows {
 public:
  explicit Rows(pg_result* result) noexcept;
  Rows(Rows&& other) noexcept;
  Rows& operator=(Rows&& other) noexcept;
  ~Rows();

  [[nodiscard]] std::size_t size() const noexcept;
  [[nodiscard]] bool is_null(std::size_t row, std::size_t column) const noexcept;
  /// The bytes of a column; empty if it is NULL. The view lives as long as this.
  [[nodiscard]] std::string_view bytes(std::size_t row, std::size_t column) const noexcept;
  /// How many rows an INSERT, UPDATE or DELETE wrote.
  [[nodiscard]] std::int64_t written() const noexcept;

 private:
  struct Free {
    void operator()(pg_result* result) const noexcept;
  };
  std::unique_ptr<pg_result, Free> result_;
};

/// Why the server refused a step.
struct Refusal {
  Error error;           ///< "ERROR: relation "x" does not exist (SQLSTATE 42P01)".
  std::string sqlstate;  ///< Five characters.
  /// A cancel request for another call may have met this one: it may be repeated.
  bool stray = false;
};

/// What came of a unit. With a refusal, nothing was done, and the step that was refused is the one
/// numbered rows.size().
struct Reply {
  std::vector<Rows> rows;
  std::optional<Refusal> refusal;
};

namespace sqlstate {
inline constexpr std::string_view kDivisionByZero = "22012";
inline constexpr std::string_view kUniqueViolation = "23505";
inline constexpr std::string_view kDuplicateObject = "42710";
inline constexpr std::string_view kDuplicateTable = "42P07";
inline constexpr std::string_view kReadOnly = "25006";  ///< Also of a server that stood down.
inline constexpr std::string_view kNoSuchStatement = "26000";
inline constexpr std::string_view kDeadlock = "40P01";
inline constexpr std::string_view kSerialization = "40001";
inline constexpr std::string_view kUndefinedTable = "42P01";
inline constexpr std::string_view kPlanChanged = "0A000";
inline constexpr std::string_view kCancelled = "57014";
}  // namespace sqlstate

/// The code that fits an SQLSTATE. Never Code::aborted, which means more to the blocks.
[[nodiscard]] Code code_of(std::string_view sqlstate) noexcept;

}  // namespace outrigger::components::postgres
