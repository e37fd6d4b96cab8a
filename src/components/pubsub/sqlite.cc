#include <fstream>

#include "base/log.h"
#include "base/time_format.h"
#include "components/clients/sqlite/connection.h"
#include "components/pubsub/registry.h"
#include "components/pubsub/sqlite_subscription.h"

namespace outrigger::components::pubsub {
namespace {

using namespace std::chrono_literals;
using sqlite::Client;
using sqlite::Database;

const Logger log("dapr.contrib.pubsub.sqlite");

struct Options : sqlite::ConnectionOptions {
  // Longer than elsewhere, for several busy programs may take turns.
  Options() { busy_timeout = 5s; }
  std::string consumer_id;
  std::string table_prefix = "pubsub_";
  std::chrono::nanoseconds visibility_timeout = 15s;
  std::chrono::nanoseconds redeliver_interval = 5s;
  std::chrono::nanoseconds poll_interval = 40ms;
  std::chrono::nanoseconds cleanup_interval = 10s;
  std::chrono::nanoseconds message_retention = 168h;
  int concurrency = 1;
  int max_in_flight = 256;
  bool strict_order = false;
};
constexpr Field<Options> kFields[] = {
    {{.name = "connectionString", .aliases = {"url"}, .required = true},
     &Options::connection_string},
    {{.name = "timeout", .aliases = {"timeoutInSeconds"}}, &Options::timeout},
    {{.name = "busyTimeout"}, &Options::busy_timeout},
    {{.name = "disableWAL"}, &Options::disable_wal},
    {{.name = "consumerID"}, &Options::consumer_id},
    {{.name = "tablePrefix"}, &Options::table_prefix},
    {{.name = "visibilityTimeout", .aliases = {"processingTimeout"}}, &Options::visibility_timeout},
    {{.name = "redeliverInterval"}, &Options::redeliver_interval},
    {{.name = "pollInterval", .bare = BareNumber::milliseconds}, &Options::poll_interval},
    {{.name = "cleanupInterval", .aliases = {"cleanupIntervalInSeconds"}},
     &Options::cleanup_interval},
    {{.name = "messageRetention"}, &Options::message_retention},
    {{.name = "concurrency"}, &Options::concurrency},
    {{.name = "maxInFlight"}, &Options::max_in_flight},
    {{.name = "strictOrder"}, &Options::strict_order},
};

/// Deleting more at once would make publishers wait.
constexpr std::int64_t kCleanupSlice = 1000;
/// Several programs that open a new database at once get into each other's way.
constexpr int kOpenTries = 10;

std::chrono::milliseconds to_ms(std::chrono::nanoseconds time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time);
}
std::int64_t wall_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(wall_now().time_since_epoch())
      .count();
}

/// Names the run of the machine: another text after each start of it.
std::string boot_of_machine() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string text;
  std::getline(file, text);
  return text;
}

Result<> check(const Options& options) {
  const auto invalid = [](std::string_view name, std::string_view rule) {
    return fail(Code::invalid_argument,
                "metadata field " + std::string(name) + " must be " + std::string(rule));
  };
  if (!options.table_prefix.empty() && !sqlite::valid_identifier(options.table_prefix)) {
    return fail(Code::invalid_argument, "invalid identifier: " + options.table_prefix);
  }
  if (options.visibility_timeout < 100ms) return invalid("visibilityTimeout", "at least 100ms");
  if (options.redeliver_interval < 0ms) return invalid("redeliverInterval", "0 or more");
  if (options.poll_interval < 1ms) return invalid("pollInterval", "at least 1ms");
  if (options.cleanup_interval < 10ms) return invalid("cleanupInterval", "at least 10ms");
  const bool too_short = options.message_retention != 0s && options.message_retention < 1s;
  if (too_short) return invalid("messageRetention", "0 (for ever) or at least 1s");
  if (options.concurrency < 1) return invalid("concurrency", "1 or more");
  if (options.max_in_flight < 1) return invalid("maxInFlight", "1 or more");
  if (options.strict_order && options.concurrency > 1)
    return invalid("concurrency", "1 with strictOrder");
  return {};
}

/// What the instances of one component share.
struct Core {
  std::shared_ptr<sqlite::Executor> executor;
  std::shared_ptr<const SqliteTables> tables;
  std::shared_ptr<const SqliteConsumer> consumer;
  std::shared_ptr<SqliteHub> hub;
};

std::shared_ptr<const SqliteConsumer> make_consumer(const Options& options,
                                                    const std::string& app_id) {
  auto consumer = std::make_shared<SqliteConsumer>();
  consumer->group = options.consumer_id.empty() ? app_id : options.consumer_id;
  consumer->visibility_timeout = to_ms(options.visibility_timeout);
  consumer->redeliver_interval = to_ms(options.redeliver_interval);
  const std::chrono::milliseconds hour = 1h;
  const bool for_ever = options.message_retention.count() == 0;
  consumer->touch_interval = for_ever ? hour : std::min(hour, to_ms(options.message_retention / 4));
  consumer->concurrency = static_cast<std::size_t>(options.concurrency);
  consumer->in_flight_max = static_cast<std::size_t>(options.max_in_flight);
  consumer->strict_order = options.strict_order;
  return consumer;
}

void clean_up_regularly(sqlite::Executor& executor, std::shared_ptr<const SqliteTables> tables,
                        const Options& options) {
  const std::int64_t retention = to_ms(options.message_retention).count();
  auto work = [tables = std::move(tables), retention](Database& database) {
    const SqliteTables::Cleaning cleaning{
        .wall = wall_ms(), .retention_ms = retention, .limit = kCleanupSlice};
    return tables->clean(database, cleaning);
  };
  auto failed = [](const Error& error) { log.error("Error removing old messages: ", error); };
  executor.every(options.cleanup_interval, std::move(work), std::move(failed));
}

Result<> set_up(Database& database, const SqliteTables& tables) {
  OUT_CHECK(sqlite::migrate(database, tables.migrations()));
  OUT_CHECK(database.execute("BEGIN IMMEDIATE"));
  auto noted = tables.note_boot(database, boot_of_machine());
  if (noted) {
    auto committed = database.execute("COMMIT");
    if (committed) return {};
    noted = fail(std::move(committed).error());
  }
  database.rollback();
  return noted;
}

Result<std::shared_ptr<Core>> make_core(const Options& options, const std::string& app_id) {
  OUT_TRY(auto plan, sqlite::plan_connection(options, sqlite::ForeignKeys::off));
  // An answered publication must be on the disk. In front: the connection string may differ.
  const std::string pragmas[] = {"synchronous(FULL)", "wal_autocheckpoint(4000)",
                                 "journal_size_limit(33554432)"};
  plan.pragmas.insert(plan.pragmas.begin(), std::begin(pragmas), std::end(pragmas));
  auto core = std::make_shared<Core>();
  auto tables = std::make_shared<const SqliteTables>(options.table_prefix);
  core->tables = tables;
  core->consumer = make_consumer(options, app_id);
  core->hub = std::make_shared<SqliteHub>(plan, options.poll_interval);
  auto setup = [tables](Database& database) { return set_up(database, *tables); };
  core->executor = std::make_shared<sqlite::Executor>(std::move(plan), std::move(setup));
  clean_up_regularly(*core->executor, core->tables, options);
  return core;
}

class SqliteBroker final : public Broker, private BulkPublisher {
 public:
  SqliteBroker(std::shared_ptr<Core> core, Duration timeout)
      : core_(std::move(core)), client_(core_->executor, timeout) {}

  Task<Result<>> init() override {
    for (int tries = 1;; ++tries) {
      auto opened = co_await client_.open();
      if (opened || opened.error().code() != Code::unavailable) co_return opened;
      if (tries == kOpenTries) co_return opened;
      OUT_CO_CHECK(co_await sleep_for(tries * 20ms));
    }
  }

  Task<Result<>> publish(PublishRequest request) override {
    OUT_CO_TRY(auto message, prepare(std::move(request.topic), std::move(request.data),
                                     std::move(request.metadata), std::move(request.content_type)));
    std::vector<SqliteTables::NewMessage> messages;
    messages.push_back(std::move(message));
    auto done = co_await insert(std::move(messages));
    co_return done;
  }

  Task<Result<std::unique_ptr<Subscription>>> subscribe(SubscribeRequest request,
                                                        Deliver deliver) override {
    SqliteSubscription::Parts parts{.client = client_,
                                    .hub = core_->hub,
                                    .tables = core_->tables,
                                    .consumer = core_->consumer,
                                    .topic = std::move(request.topic),
                                    .deliver = std::move(deliver)};
    Client::Work<SqliteTables::Group> work = [tables = core_->tables, topic = parts.topic,
                                              name = core_->consumer->group](Database& database) {
      return tables->join(database, topic, name, wall_ms());
    };
    OUT_CO_TRY(parts.group, co_await client_.write(std::move(work)));
    co_return std::make_unique<SqliteSubscription>(std::move(parts));
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

  [[nodiscard]] Traits traits() const noexcept override { return {.message_ttl = true}; }
  BulkPublisher* bulk_publisher() noexcept override { return this; }

 private:
  /// All entries or none.
  Task<Result<std::vector<BulkFailure>>> bulk_publish(BulkPublishRequest request) override {
    std::vector<SqliteTables::NewMessage> messages;
    for (auto& entry : request.entries) {
      std::optional<std::string> type;
      if (!entry.content_type.empty()) type = std::move(entry.content_type);
      OUT_CO_TRY(auto message, prepare(request.topic, std::move(entry.event),
                                       std::move(entry.metadata), std::move(type)));
      messages.push_back(std::move(message));
    }
    OUT_CO_CHECK(co_await insert(std::move(messages)));
    co_return std::vector<BulkFailure>();
  }

  static Result<SqliteTables::NewMessage> prepare(std::string topic, std::string data,
                                                  Properties metadata,
                                                  std::optional<std::string> content_type) {
    SqliteTables::NewMessage message{.topic = std::move(topic),
                                     .data = std::move(data),
                                     .metadata = std::move(metadata),
                                     .content_type = std::move(content_type),
                                     .wall = wall_ms()};
    OUT_TRY(const auto ttl, request_ttl(message.metadata));
    if (ttl) message.expires = message.wall + to_ms(*ttl).count();
    return message;
  }

  Task<Result<>> insert(std::vector<SqliteTables::NewMessage> messages) {
    if (messages.empty()) co_return Result<>();
    std::string topic = messages.front().topic;
    Client::Work<bool> work = [tables = core_->tables,
                               messages = std::move(messages)](Database& database) -> Result<bool> {
      bool stored = false;
      for (const auto& message : messages) {
        OUT_TRY(stored, tables->insert(database, message));
      }
      return stored;
    };
    OUT_CO_TRY(const bool stored, co_await client_.write(std::move(work)));
    if (stored) core_->hub->ring(topic);
    co_return Result<>();
  }

  std::shared_ptr<Core> core_;
  Client client_;
};

}  // namespace

Result<std::unique_ptr<Broker>> make_sqlite(const Metadata& metadata, ComponentContext& context) {
  OUT_TRY(auto options, parse_fields<Options>(metadata, kFields));
  OUT_CHECK(check(options));
  std::move_only_function<Result<std::shared_ptr<Core>>()> make = [&] {
    return make_core(options, context.app_id);
  };
  OUT_TRY(auto core, context.shared<Core>(std::move(make)));
  return std::make_unique<SqliteBroker>(std::move(core), options.timeout);
}

std::vector<FieldInfo> sqlite_fields() { return describe(kFields); }

}  // namespace outrigger::components::pubsub
