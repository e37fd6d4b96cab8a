#include "base/strings.h"
#include "components/clients/postgres/values.h"
#include "components/state/postgresql.h"

namespace outrigger::components::state::postgresql {
namespace {

using postgres::Session;
using postgres::Step;
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
Result<Value> parse_etag(std::string_view text) {
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

class LayoutV2 final : public Layout {
 public:
  explicit LayoutV2(const Options& options)
      : Layout(options.table_prefix + "state", "key, value, etag, expires_at", "expires_at",
               "last-cleanup-state-v2-" + options.table_prefix,
               {.metadata_table = options.metadata_table,
                .key = "migrations-state-v2-" + options.table_prefix,
                .table = options.table_prefix + "state",
                .steps = {&create_table, &add_number}}),
        put_(put_sql()),
        put_first_(put_sql() + " WHERE t.expires_at IS NOT NULL AND t.expires_at < now()"),
        put_matching_(
            "UPDATE " + table() +
            " SET value = $2, updated_at = now(), etag = gen_random_uuid(), "
            "expires_at = now() + $3::bigint * interval '1 second' "
            "WHERE key = $1 AND etag = $4 AND (expires_at IS NULL OR expires_at >= now())"),
        remove_("DELETE FROM " + table() + " WHERE key = $1"),
        remove_matching_(remove_.sql() + " AND etag = $2") {}

  [[nodiscard]] Result<Step> put(SetRequest request, Unmatched how) const override {
    if (request.key.empty()) return fail(Code::invalid_argument, "missing key in set operation");
    OUT_TRY(auto lifetime, lifetime_of(request.metadata));
    Step step{.statement = &put_, .values = {}};
    step.values.reserve(4);
    step.values.emplace_back(std::move(request.key));
    step.values.emplace_back(std::move(request.value));
    step.values.push_back(std::move(lifetime));
    if (request.has_etag()) {
      OUT_TRY(auto etag, parse_etag(*request.etag));
      step.values.push_back(std::move(etag));
      step.statement = &put_matching_.in(how);
    } else if (request.concurrency == Concurrency::first_write) {
      step.statement = &put_first_.in(how);
    }
    return step;
  }

  [[nodiscard]] Result<Step> removal(DeleteRequest request, Unmatched how) const override {
    if (request.key.empty()) return fail(Code::invalid_argument, "missing key in delete operation");
    Step step{.statement = &remove_, .values = {}};
    step.values.emplace_back(std::move(request.key));
    if (request.has_etag()) {
      OUT_TRY(auto etag, parse_etag(*request.etag));
      step.values.push_back(std::move(etag));
      step.statement = &remove_matching_.in(how);
    }
    return step;
  }

  [[nodiscard]] Result<Item> item(const postgres::Rows& rows, std::size_t row) const override {
    Item item;
    item.value = rows.bytes(row, 1);
    item.etag = postgres::to_uuid(rows.bytes(row, 2));
    set_expiry(item, rows, row, 3);
    return item;
  }

 private:
  [[nodiscard]] std::string put_sql() const {
    return "INSERT INTO " + table() +
           " AS t (key, value, etag, expires_at) "
           "VALUES ($1, $2, gen_random_uuid(), now() + $3::bigint * interval '1 second') "
           "ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = now(), "
           "etag = excluded.etag, expires_at = excluded.expires_at";
  }

  postgres::Statement put_;
  Conditional put_first_;
  Conditional put_matching_;
  postgres::Statement remove_;
  Conditional remove_matching_;
};

}  // namespace

std::unique_ptr<Layout> make_layout_v2(const Options& options) {
  return std::make_unique<LayoutV2>(options);
}

}  // namespace outrigger::components::state::postgresql
