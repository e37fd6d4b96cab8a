#pragma once

#include <memory>
#include <string>
#include <vector>

#include "components/clients/postgres/migrations.h"
#include "components/component.h"
#include "components/state/query.h"
#include "components/state/store.h"

/// What the versions of state.postgresql have in common. Both keep to upstream's tables, for one
/// database must serve both programs.
namespace outrigger::components::state::postgresql {

/// The fields of both versions; each has one of `table` and `table_prefix`.
struct Options : postgres::ConnectionOptions {
  std::string table = "state";
  std::string table_prefix;
  std::string metadata_table = "dapr_metadata";
  std::chrono::nanoseconds timeout = std::chrono::seconds(20);
  std::chrono::nanoseconds cleanup_interval = std::chrono::hours(1);
};

/// How a write says that the item was not as asked for: by writing no row, or, within a
/// transaction, by an error that undoes all of it (sqlstate::kDivisionByZero).
enum class Unmatched : std::uint8_t { writes_no_row, fails };

/// A statement in both forms.
struct Conditional {
  explicit Conditional(const std::string& sql);
  [[nodiscard]] const postgres::Statement& in(Unmatched how) const noexcept {
    return how == Unmatched::fails ? failing : plain;
  }
  postgres::Statement plain;
  postgres::Statement failing;
};

/// The statements of writing, as a version has them in SQL. Parameters: the key; what add_values()
/// gives; the ETag where one must match.
struct WriteSql {
  /// Writes the item whatever is there.
  std::string put;
  /// Of the row `t` that is there: that it has expired and counts as gone.
  std::string expired;
  /// Writes the item if the row that is there has the ETag.
  std::string put_matching;
  /// The column that must have the ETag, for removals.
  std::string etag_column;
};

/// The tables of one version: how items are kept in them. Does not change; used by all loops.
class Layout {
 public:
  virtual ~Layout() = default;

  /// Errors are those of a request that cannot be right.
  [[nodiscard]] Result<postgres::Step> put(SetRequest request, Unmatched how) const;
  [[nodiscard]] Result<postgres::Step> removal(DeleteRequest request, Unmatched how) const;
  /// The item of a row of get() or bulk_get().
  [[nodiscard]] virtual Result<Item> item(const postgres::Rows& rows, std::size_t row) const = 0;
  /// The statement of the query API; nullopt if the version has none.
  [[nodiscard]] virtual bool has_queries() const noexcept { return false; }

  /// Parameter: the key. Columns: the key, then those that item() reads.
  [[nodiscard]] const postgres::Statement& get() const noexcept { return get_; }
  /// The same; parameter: a text[] of keys.
  [[nodiscard]] const postgres::Statement& bulk_get() const noexcept { return bulk_get_; }
  /// Parameters: pattern, least row_id, limit. Columns: key, row_id.
  [[nodiscard]] const postgres::Statement& keys() const noexcept { return keys_; }
  /// Parameters: a name, milliseconds. Writes no row if the last clean-up was not that long ago.
  [[nodiscard]] const postgres::Statement& stamp_cleanup() const noexcept { return stamp_; }
  [[nodiscard]] const std::string& cleanup_name() const noexcept { return cleanup_name_; }
  /// Parameter: how many rows at most.
  [[nodiscard]] const postgres::Statement& clean() const noexcept { return clean_; }
  [[nodiscard]] const postgres::Migrations& migrations() const noexcept { return migrations_; }
  [[nodiscard]] const std::string& table() const noexcept { return table_; }

 protected:
  /// `columns` are what item() reads, `expiry` is the column that says when.
  Layout(std::string_view columns, std::string_view expiry, std::string cleanup_name,
         postgres::Migrations migrations, const WriteSql& writes);

 private:
  /// The parameters that a written item has between its key and its ETag, the lifetime last.
  virtual void add_values(SetRequest request, postgres::Value lifetime,
                          std::vector<postgres::Value>& values) const = 0;
  [[nodiscard]] virtual Result<postgres::Value> parse_etag(const std::string& text) const = 0;

  std::string table_;
  std::string cleanup_name_;
  postgres::Migrations migrations_;
  postgres::Statement get_;
  postgres::Statement bulk_get_;
  postgres::Statement keys_;
  postgres::Statement stamp_;
  postgres::Statement clean_;
  postgres::Statement put_;
  Conditional put_first_;
  Conditional put_matching_;
  postgres::Statement remove_;
  Conditional remove_matching_;
};

/// Puts when the item expires into its metadata.
void set_expiry(Item& item, const postgres::Rows& rows, std::size_t row, std::size_t column);

/// v1: JSON, or base64 in a JSON string; the ETag is the transaction that wrote the row.
[[nodiscard]] std::unique_ptr<Layout> make_layout_v1(const Options& options);
/// v2: bytes, and a random ETag.
[[nodiscard]] std::unique_ptr<Layout> make_layout_v2(const Options& options);

/// The SQL of a query over the items of v1.
struct QueryPlan {
  std::string sql;
  std::vector<postgres::Value> values;
  std::int64_t skipped = 0;
  bool limited = false;
};
[[nodiscard]] Result<QueryPlan> plan_query(const Query& query, std::string_view table);

}  // namespace outrigger::components::state::postgresql
