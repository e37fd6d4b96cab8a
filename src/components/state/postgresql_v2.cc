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
      " (key text NOT NULL PRIMARY KEY, value bytea NOT NULL, "
      "etag uuid NOT NULL DEFAULT gen_random_uuid(), "
      "created_at timestamp with time zone NOT NULL DEFAULT now(), "
      "updated_at timestamp with time zone, expires_at timestamp with time zone)";
  OUT_CO_CHECK(co_await session->execute(sql));
  const std::string index = "CREATE INDEX ON " + table + " (expires_at)";
  OUT_CO_CHECK(co_await session->execute(index));
  co_return Result<>();
}

Task<Result<>> add_number(Session* session, std::string table) {
  return postgres::add_row_id(session, std::move(table), "created_at");
}

/// The forms and the messages of upstream's parser: plain, without dashes, in braces, as a URN.
Result<Value> etag_of(std::string_view text) {
  constexpr std::string_view kUrn = "urn:uuid:";
  std::string_view plain = text;
  if (text.size() == kUrn.size() + 36) {
    if (!starts_with_fold(text, kUrn)) {
      const std::string prefix = quoted(text.substr(0, kUrn.size()));
      return fail(etag_mismatch("invalid urn prefix: " + prefix));
    }
    plain = text.substr(kUrn.size());
  } else if (text.size() == 38) {
    plain = text.substr(1, 36);
  } else if (text.size() != 36 && text.size() != 32) {
    return fail(etag_mismatch("invalid UUID length: " + std::to_string(text.size())));
  }
  auto bytes = postgres::from_uuid(plain);
  if (bytes.empty()) return fail(etag_mismatch("invalid UUID format"));
  return Value(std::move(bytes));
}

WriteSql writes_of(const std::string& table) {
  return {
      .put = "INSERT INTO " + table +
             " AS t (key, value, etag, expires_at) "
             "VALUES ($1, $2, gen_random_uuid(), now() + $3::bigint * interval '1 second') "
             "ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = now(), "
             "etag = excluded.etag, expires_at = excluded.expires_at",
      .expired = "t.expires_at IS NOT NULL AND t.expires_at < now()",
      .put_matching = "UPDATE " + table +
                      " SET value = $2, updated_at = now(), etag = gen_random_uuid(), "
                      "expires_at = now() + $3::bigint * interval '1 second' WHERE key = $1 AND "
                      "etag = $4 AND (expires_at IS NULL OR expires_at >= now())",
      .etag_column = "etag"};
}

class LayoutV2 final : public Layout {
 public:
  explicit LayoutV2(const Options& options)
      : Layout("key, value, etag, expires_at", "expires_at",
               "last-cleanup-state-v2-" + options.table_prefix,
               {.metadata_table = options.metadata_table,
                .key = "migrations-state-v2-" + options.table_prefix,
                .table = options.table_prefix + "state",
                .steps = {&create_table, &add_number}},
               writes_of(options.table_prefix + "state")) {}

  [[nodiscard]] Result<Item> item(const postgres::Rows& rows, std::size_t row) const override {
    Item item;
    item.value = rows.bytes(row, 1);
    item.etag = postgres::to_uuid(rows.bytes(row, 2));
    set_expiry(item, rows, row, 3);
    return item;
  }

 private:
  void add_values(SetRequest request, Value lifetime, std::vector<Value>& values) const override {
    values.emplace_back(std::move(request.value));
    values.push_back(std::move(lifetime));
  }
  [[nodiscard]] Result<Value> parse_etag(const std::string& text) const override {
    return etag_of(text);
  }
};

}  // namespace

std::unique_ptr<Layout> make_layout_v2(const Options& options) {
  return std::make_unique<LayoutV2>(options);
}

}  // namespace outrigger::components::state::postgresql
