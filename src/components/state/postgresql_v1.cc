#include "base/base64.h"
#include "base/json.h"
#include "base/strings.h"
#include "components/clients/postgres/values.h"
#include "components/state/postgresql.h"

namespace outrigger::components::state::postgresql {
namespace {

using postgres::Session;
using postgres::Value;

Task<Result<>> create_table(Session* session, std::string table) {
  const std::string sql =
      "CREATE TABLE IF NOT EXISTS " + table +
      " (key text NOT NULL PRIMARY KEY, value jsonb NOT NULL, isbinary boolean NOT NULL, "
      "insertdate timestamp with time zone NOT NULL DEFAULT now(), "
      "updatedate timestamp with time zone NULL)";
  OUT_CO_CHECK(co_await session->execute(sql));
  co_return Result<>();
}

Task<Result<>> add_expiry(Session* session, std::string table) {
  const std::string sql =
      "ALTER TABLE " + table + " ADD COLUMN IF NOT EXISTS expiredate timestamp with time zone";
  OUT_CO_CHECK(co_await session->execute(sql));
  co_return Result<>();
}

Task<Result<>> add_number(Session* session, std::string table) {
  return postgres::add_row_id(session, std::move(table), "insertdate");
}

WriteSql writes_of(const std::string& table) {
  return {
      .put = "INSERT INTO " + table +
             " AS t (key, value, isbinary, expiredate) "
             "VALUES ($1, $2, $3, now() + $4::bigint * interval '1 second') "
             "ON CONFLICT (key) DO UPDATE SET value = excluded.value, "
             "isbinary = excluded.isbinary, updatedate = now(), expiredate = excluded.expiredate",
      .expired = "t.expiredate IS NOT NULL AND t.expiredate < now()",
      .put_matching = "UPDATE " + table +
                      " SET value = $2, isbinary = $3, updatedate = now(), "
                      "expiredate = now() + $4::bigint * interval '1 second' "
                      "WHERE key = $1 AND xmin = $5 AND (expiredate IS NULL OR expiredate > now())",
      .etag_column = "xmin"};
}

class LayoutV1 final : public Layout {
 public:
  explicit LayoutV1(const Options& options)
      : Layout("key, value, isbinary, xmin, expiredate", "expiredate", "last-cleanup",
               {.metadata_table = options.metadata_table,
                .key = "migrations",
                .table = options.table,
                .steps = {&create_table, &add_expiry, &add_number}},
               writes_of(options.table)) {}

  [[nodiscard]] Result<Item> item(const postgres::Rows& rows, std::size_t row) const override {
    Item item;
    const std::string_view value = postgres::to_json(rows.bytes(row, 1));
    if (postgres::to_bool(rows.bytes(row, 2))) {
      const auto text = json::string_value(value);
      if (!text) return fail(Code::data_loss, "failed to unmarshal JSON data: no string");
      auto bytes = base64_decode(*text);
      if (!bytes) return fail(Code::data_loss, "failed to decode base64 data");
      item.value = std::move(*bytes);
    } else {
      item.value = value;
    }
    item.etag = std::to_string(postgres::to_unsigned(rows.bytes(row, 3)));
    set_expiry(item, rows, row, 4);
    return item;
  }

  [[nodiscard]] bool has_queries() const noexcept override { return true; }

 private:
  void add_values(SetRequest request, Value lifetime, std::vector<Value>& values) const override {
    const bool binary = request.kind == ValueKind::bytes;
    if (binary) {
      std::string text = "\"";
      append_base64(text, request.value);
      text.push_back('"');
      request.value = std::move(text);
    }
    values.emplace_back(postgres::from_json(request.value));
    values.emplace_back(postgres::from_bool(binary));
    values.push_back(std::move(lifetime));
  }

  /// The number of a transaction.
  [[nodiscard]] Result<Value> parse_etag(const std::string& text) const override {
    const auto number = parse_int<std::uint32_t>(text);
    if (number && !text.starts_with('+')) return Value(postgres::from_unsigned(*number));
    return fail(etag_invalid(go_number_error("ParseUint", text)));
  }
};

}  // namespace

std::unique_ptr<Layout> make_layout_v1(const Options& options) {
  return std::make_unique<LayoutV1>(options);
}

}  // namespace outrigger::components::state::postgresql
