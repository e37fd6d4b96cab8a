#include "components/state/postgresql.h"

#include <algorithm>
#include <limits>
#include <mutex>
#include <numeric>
#include <unordered_map>

#include "base/log.h"
#include "base/strings.h"
#include "components/clients/postgres/values.h"

namespace outrigger::components::state {
namespace postgresql {
namespace {

using namespace std::chrono_literals;
using postgres::Effect;
using postgres::Rows;
using postgres::Statement;
using postgres::Step;
using postgres::Value;

const Logger log("dapr.contrib.state.postgresql");

constexpr Field<Options> kCommonFields[] = {
    {{.name = "metadataTableName"}, &Options::metadata_table},
    {{.name = "timeout", .aliases = {"timeoutInSeconds"}}, &Options::timeout},
    {{.name = "cleanupInterval", .aliases = {"cleanupIntervalInSeconds"}},
     &Options::cleanup_interval},
};
constexpr Field<Options> kFieldsV1[] = {{{.name = "tableName"}, &Options::table}};
constexpr Field<Options> kFieldsV2[] = {{{.name = "tablePrefix"}, &Options::table_prefix}};

/// Deleting more at once would hold locks and the log for long.
constexpr std::int64_t kCleanupSlice = 10'000;
/// Upstream's limit for one clean-up, and its slack, so that a clock a little late skips no turn.
constexpr Duration kCleanupMax = 10min;
constexpr std::int64_t kCleanupSlackMillis = 100;

/// What the instances of one configured component share.
struct Core {
  std::shared_ptr<const postgres::Settings> settings;
  std::unique_ptr<const Layout> layout;
  std::chrono::nanoseconds cleanup_interval;
  std::atomic<bool> migrated{false};
  /// Whether an instance does the clean-up for all.
  std::atomic<bool> has_cleaner{false};
};

bool conditional(const SetRequest& request) {
  return request.has_etag() || request.concurrency == Concurrency::first_write;
}
bool conditional(const DeleteRequest& request) { return request.has_etag(); }

const std::string& key_of(const Operation& operation) {
  const auto key = [](const auto& each) -> const std::string& { return each.key; };
  return std::visit(key, operation);
}

/// The positions of the operations, ordered by key, then as they came.
std::vector<std::size_t> by_key(const std::vector<Operation>& operations) {
  std::vector<std::size_t> positions(operations.size());
  std::iota(positions.begin(), positions.end(), std::size_t{0});
  std::ranges::sort(positions, [&](std::size_t one, std::size_t other) {
    const auto order = key_of(operations[one]) <=> key_of(operations[other]);
    return order == 0 ? one < other : order < 0;
  });
  return positions;
}

class PostgresStore final : public Store,
                            private Transactional,
                            private Queriable,
                            private KeysLister {
 public:
  PostgresStore(Loop& loop, std::shared_ptr<Core> core)
      : core_(std::move(core)), layout_(*core_->layout), client_(loop, core_->settings) {}

  Task<Result<>> init() override {
    OUT_CO_CHECK(co_await prepare());
    const bool cleans = core_->cleanup_interval > 0ns && !core_->has_cleaner.exchange(true);
    if (cleans) background_.spawn(clean_up_regularly());
    co_return Result<>();
  }

  Task<Result<std::optional<Item>>> get(GetRequest request) override {
    if (request.key.empty()) {
      co_return fail(Code::invalid_argument, "missing key in get operation");
    }
    Step step{.statement = &layout_.get(), .values = {}};
    step.values.emplace_back(std::move(request.key));
    OUT_CO_TRY(auto rows, co_await client_.query(std::move(step), Effect::read));
    if (rows.size() == 0) co_return std::nullopt;
    OUT_CO_TRY(auto item, layout_.item(rows, 0));
    co_return std::optional<Item>(std::move(item));
  }

  Task<Result<>> set(SetRequest request) override {
    const bool asks = conditional(request);
    OUT_CO_TRY(auto step, layout_.put(std::move(request), Unmatched::writes_no_row));
    auto done = co_await write(std::move(step), asks);
    co_return done;
  }

  Task<Result<>> remove(DeleteRequest request) override {
    const bool asks = conditional(request);
    OUT_CO_TRY(auto step, layout_.removal(std::move(request), Unmatched::writes_no_row));
    auto done = co_await write(std::move(step), asks);
    co_return done;
  }

  Task<Result<std::vector<BulkItem>>> bulk_get(std::vector<GetRequest> requests,
                                               BulkOptions) override {
    std::vector<BulkItem> answers;
    if (requests.empty()) co_return answers;
    std::vector<std::string> keys;
    for (auto& request : requests) keys.push_back(std::move(request.key));
    Step step{.statement = &layout_.bulk_get(), .values = {}};
    step.values.emplace_back(postgres::from_texts(keys));
    OUT_CO_TRY(auto rows, co_await client_.query(std::move(step), Effect::read));
    std::unordered_map<std::string_view, std::size_t> places;
    for (std::size_t row = 0; row < rows.size(); ++row) places.emplace(rows.bytes(row, 0), row);
    answers.reserve(keys.size());
    for (auto& key : keys) {
      const auto place = places.find(key);
      Result<std::optional<Item>> item = std::optional<Item>();
      if (place != places.end()) item = layout_.item(rows, place->second);
      answers.push_back({.key = std::move(key), .item = std::move(item)});
    }
    co_return answers;
  }

  Task<Result<>> ping() override { return client_.ping(); }

  Task<void> close() override {
    background_.cancel();
    co_await background_.join();
    co_await client_.close();
  }

  [[nodiscard]] Traits traits() const noexcept override { return {.etag = true, .ttl = true}; }
  Transactional* transactional() noexcept override { return this; }
  KeysLister* keys_lister() noexcept override { return this; }
  Queriable* queriable() noexcept override { return layout_.has_queries() ? this : nullptr; }

 private:
  Task<Result<>> prepare() {
    auto reached = co_await client_.ping();
    if (!reached) {
      co_return fail(std::move(reached).error().context("failed to ping the database"));
    }
    if (core_->migrated) co_return Result<>();
    postgres::Migrations migrations = layout_.migrations();
    auto migrated = co_await postgres::migrate(&client_, std::move(migrations));
    if (migrated) core_->migrated = true;
    co_return migrated;
  }

  Task<Result<>> write(Step step, bool asks) {
    OUT_CO_TRY(auto rows, co_await client_.query(std::move(step), Effect::write));
    if (asks && rows.written() == 0) co_return fail(etag_mismatch());
    co_return Result<>();
  }

  /// The steps go out together: a transaction costs one round trip, and no step waits for us.
  Task<Result<>> multi(TransactionRequest request) override {
    postgres::Unit unit;
    std::vector<bool> asks;
    // Transactions that take their rows in one order cannot lock each other out; what is done to
    // one key keeps its order.
    for (const std::size_t position : by_key(request.operations)) {
      Operation& operation = request.operations[position];
      Result<Step> step = fail(Code::internal, "no operation");
      if (auto* put = std::get_if<SetRequest>(&operation)) {
        asks.push_back(conditional(*put));
        step = layout_.put(std::move(*put), Unmatched::fails);
      } else if (auto* removal = std::get_if<DeleteRequest>(&operation)) {
        asks.push_back(conditional(*removal));
        step = layout_.removal(std::move(*removal), Unmatched::fails);
      }
      if (!step) co_return fail(std::move(step).error());
      unit.push_back(std::move(*step));
    }
    if (unit.empty()) co_return Result<>();
    OUT_CO_TRY(auto reply, co_await client_.run(std::move(unit), Effect::write));
    if (!reply.refusal) co_return Result<>();
    const std::size_t which = reply.rows.size();
    const bool asked = which < asks.size() && asks[which];
    if (asked && reply.refusal->sqlstate == postgres::sqlstate::kDivisionByZero) {
      co_return fail(etag_mismatch());
    }
    co_return fail(std::move(reply.refusal->error));
  }

  Task<Result<KeysLikeAnswer>> keys_like(KeysLikeRequest request) override {
    if (request.pattern.empty()) co_return fail(empty_pattern());
    std::int64_t after = std::numeric_limits<std::int64_t>::min();
    if (request.continuation_token && !request.continuation_token->empty()) {
      const auto parsed = parse_int<std::int64_t>(*request.continuation_token);
      if (!parsed) {
        co_return fail(
            Code::invalid_argument,
            "invalid continue token: " + go_number_error("ParseInt", *request.continuation_token));
      }
      after = *parsed;
    }
    const std::size_t page = request.page_size.value_or(0);
    Step step{.statement = &layout_.keys(), .values = {}};
    step.values.emplace_back(std::move(request.pattern));
    step.values.emplace_back(postgres::from_integer(after));
    // One more, to see whether there is a next page.
    Value limit;
    if (page != 0) limit = postgres::from_integer(static_cast<std::int64_t>(page) + 1);
    step.values.push_back(std::move(limit));
    OUT_CO_TRY(auto rows, co_await client_.query(std::move(step), Effect::read));
    KeysLikeAnswer answer;
    const bool more = page != 0 && rows.size() > page;
    const std::size_t count = more ? page : rows.size();
    for (std::size_t row = 0; row < count; ++row) answer.keys.emplace_back(rows.bytes(row, 0));
    if (more) {
      answer.continuation_token = std::to_string(postgres::to_integer(rows.bytes(count - 1, 1)));
    }
    co_return answer;
  }

  Task<Result<QueryAnswer>> query(Query query, Properties) override {
    OUT_CO_TRY(auto plan, plan_query(query, layout_.table()));
    const Statement statement(std::move(plan.sql), Statement::Use::once);
    Step step{.statement = &statement, .values = std::move(plan.values)};
    OUT_CO_TRY(auto rows, co_await client_.query(std::move(step), Effect::read));
    QueryAnswer answer;
    for (std::size_t row = 0; row < rows.size(); ++row) {
      QueryItem item{.key = std::string(rows.bytes(row, 0)),
                     .value = std::string(postgres::to_json(rows.bytes(row, 1)))};
      item.etag = std::to_string(postgres::to_unsigned(rows.bytes(row, 2)));
      answer.results.push_back(std::move(item));
    }
    if (plan.limited) {
      const auto count = static_cast<std::int64_t>(rows.size());
      answer.token = std::to_string(plan.skipped + count);
    }
    co_return answer;
  }

  Task<void> clean_up_regularly() {
    for (;;) {
      auto slept = co_await sleep_for(core_->cleanup_interval);
      if (!slept) break;
      auto done = co_await with_timeout(clean_up(), kCleanupMax);
      if (!done) log.error("Error removing expired data: ", done.error());
    }
    core_->has_cleaner = false;
  }

  /// On a connection of its own, or requests would wait behind it.
  Task<Result<>> clean_up() {
    const auto millis =
        std::chrono::duration_cast<std::chrono::milliseconds>(core_->cleanup_interval).count();
    OUT_CO_TRY(auto connection, co_await client_.dedicated());
    postgres::Session session(std::move(connection));
    std::vector<Value> stamp;
    stamp.emplace_back(layout_.cleanup_name());
    stamp.emplace_back(postgres::from_integer(millis - kCleanupSlackMillis));
    OUT_CO_TRY(auto won, co_await session.execute(layout_.stamp_cleanup().sql(), std::move(stamp)));
    if (won.written() == 0) co_return Result<>();  // Another process did it.
    std::int64_t total = 0;
    for (std::int64_t removed = kCleanupSlice; removed == kCleanupSlice;) {
      std::vector<Value> limit;
      limit.emplace_back(postgres::from_integer(kCleanupSlice));
      OUT_CO_TRY(auto rows, co_await session.execute(layout_.clean().sql(), std::move(limit)));
      removed = rows.written();
      total += removed;
    }
    log.info("Removed ", total, " expired rows");
    co_return Result<>();
  }

  std::shared_ptr<Core> core_;
  const Layout& layout_;
  postgres::Client client_;
  Scope background_;
};

Result<Options> parse_options(const Metadata& metadata, std::span<const Field<Options>> own) {
  Options options;
  OUT_CHECK(
      parse_into<postgres::ConnectionOptions>(metadata, postgres::kConnectionFields, options));
  OUT_CHECK(parse_into(metadata, kCommonFields, options));
  OUT_CHECK(parse_into(metadata, own, options));
  if (options.timeout < 1s) {
    return fail(Code::invalid_argument, "invalid value for 'timeout': must be greater than 1s");
  }
  const auto interval = metadata.find({"cleanupInterval", "cleanupIntervalInSeconds"});
  if (interval && interval->empty()) options.cleanup_interval = Options().cleanup_interval;
  return options;
}

Result<std::shared_ptr<Core>> make_core(const Options& options, std::unique_ptr<Layout> layout) {
  auto core = std::make_shared<Core>();
  OUT_TRY(core->settings, postgres::make_settings(options, options.timeout));
  core->layout = std::move(layout);
  core->cleanup_interval = options.cleanup_interval;
  return core;
}

Result<std::unique_ptr<Store>> make(const Metadata& metadata, ComponentContext& context,
                                    std::span<const Field<Options>> own,
                                    std::unique_ptr<Layout> (*make_layout)(const Options&)) {
  std::move_only_function<Result<std::shared_ptr<Core>>()> make = [&] {
    auto options = parse_options(metadata, own);
    Result<std::shared_ptr<Core>> core = nullptr;
    if (options) core = make_core(*options, make_layout(*options));
    if (!options) core = fail(std::move(options).error().context("failed to parse metadata"));
    return core;
  };
  OUT_TRY(auto core, context.shared<Core>(std::move(make)));
  return std::make_unique<PostgresStore>(context.loop, std::move(core));
}

std::vector<FieldInfo> fields_with(std::vector<FieldInfo> own) {
  auto fields = describe(postgres::kConnectionFields);
  std::ranges::move(describe(kCommonFields), std::back_inserter(fields));
  std::ranges::move(own, std::back_inserter(fields));
  return fields;
}

/// Seconds to live as a parameter: a bigint, or NULL for ever.
Result<Value> lifetime_of(const Properties& metadata) {
  auto seconds = parse_ttl(metadata);
  if (!seconds) return fail(std::move(seconds).error().context("error parsing TTL"));
  if (!*seconds || **seconds <= 0) return Value();
  return Value(postgres::from_integer(**seconds));
}

std::string alive(std::string_view expiry) {
  const std::string column(expiry);
  return "(" + column + " IS NULL OR " + column + " >= now())";
}

}  // namespace

Layout::Layout(std::string_view columns, std::string_view expiry, std::string cleanup_name,
               postgres::Migrations migrations, const WriteSql& writes)
    : table_(migrations.table),
      cleanup_name_(std::move(cleanup_name)),
      migrations_(std::move(migrations)),
      get_("SELECT " + std::string(columns) + " FROM " + table_ + " WHERE key = $1 AND " +
           alive(expiry)),
      bulk_get_("SELECT " + std::string(columns) + " FROM " + table_ + " WHERE key = ANY($1) AND " +
                alive(expiry)),
      keys_("SELECT key, row_id FROM " + table_ + " WHERE key LIKE $1 AND " + alive(expiry) +
            " AND row_id > $2 ORDER BY row_id LIMIT $3"),
      stamp_("INSERT INTO " + migrations_.metadata_table +
             " AS m (key, value) VALUES ($1, now()::text) ON CONFLICT (key) DO UPDATE SET value = "
             "now()::text WHERE (EXTRACT('epoch' FROM now() - m.value::timestamp with time zone) * "
             "1000)::bigint > $2"),
      // Twice, for a row may be written anew between its being found and its being deleted.
      clean_("DELETE FROM " + table_ + " WHERE key IN (SELECT key FROM " + table_ + " WHERE " +
             std::string(expiry) + " < now() LIMIT $1) AND " + std::string(expiry) + " < now()"),
      put_(writes.put),
      put_first_(writes.put + " WHERE " + writes.expired),
      put_matching_(writes.put_matching),
      remove_("DELETE FROM " + table_ + " WHERE key = $1"),
      remove_matching_(remove_.sql() + " AND " + writes.etag_column + " = $2") {}

Result<Step> Layout::put(SetRequest request, Unmatched how) const {
  if (request.key.empty()) return fail(Code::invalid_argument, "missing key in set operation");
  OUT_TRY(auto lifetime, lifetime_of(request.metadata));
  Step step{.statement = &put_, .values = {}};
  step.values.reserve(5);
  step.values.emplace_back(std::move(request.key));
  Value etag;
  if (request.has_etag()) {
    OUT_TRY(etag, parse_etag(*request.etag));
    step.statement = &put_matching_.in(how);
  } else if (request.concurrency == Concurrency::first_write) {
    step.statement = &put_first_.in(how);
  }
  add_values(std::move(request), std::move(lifetime), step.values);
  if (etag) step.values.push_back(std::move(etag));
  return step;
}

Result<Step> Layout::removal(DeleteRequest request, Unmatched how) const {
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

Conditional::Conditional(const std::string& sql)
    : plain(sql),
      failing("WITH written AS (" + sql + " RETURNING 1) SELECT 1 / count(*) FROM written") {}

void set_expiry(Item& item, const Rows& rows, std::size_t row, std::size_t column) {
  if (rows.is_null(row, column)) return;
  item.metadata.emplace(kTtlExpireTime, format_rfc3339(postgres::to_time(rows.bytes(row, column))));
}

}  // namespace postgresql

Result<std::unique_ptr<Store>> make_postgresql_v1(const Metadata& metadata,
                                                  ComponentContext& context) {
  return postgresql::make(metadata, context, postgresql::kFieldsV1, &postgresql::make_layout_v1);
}
std::vector<FieldInfo> postgresql_v1_fields() {
  return postgresql::fields_with(describe(postgresql::kFieldsV1));
}
Result<std::unique_ptr<Store>> make_postgresql_v2(const Metadata& metadata,
                                                  ComponentContext& context) {
  return postgresql::make(metadata, context, postgresql::kFieldsV2, &postgresql::make_layout_v2);
}
std::vector<FieldInfo> postgresql_v2_fields() {
  return postgresql::fields_with(describe(postgresql::kFieldsV2));
}

}  // namespace outrigger::components::state
