#include "base/log.h"
#include "base/random.h"
#include "components/component.h"
#include "components/nameresolution/sqlite_registration.h"

namespace outrigger::components::nameresolution {
namespace {

using namespace std::chrono_literals;
using hosts::Options;
using hosts::Registration;
using hosts::Statements;
using sqlite::Client;
using sqlite::Database;

const Logger log("dapr.contrib");

constexpr Field<Options> kFields[] = {
    {{.name = "connectionString", .aliases = {"url"}, .required = true},
     &Options::connection_string},
    {{.name = "timeout", .aliases = {"timeoutInSeconds"}}, &Options::timeout},
    {{.name = "busyTimeout"}, &Options::busy_timeout},
    {{.name = "disableWAL"}, &Options::disable_wal},
    {{.name = "tableName"}, &Options::table},
    {{.name = "metadataTableName"}, &Options::metadata_table},
    {{.name = "updateInterval"}, &Options::update_interval},
    {{.name = "cleanupInterval", .aliases = {"cleanupIntervalInSeconds"}},
     &Options::cleanup_interval},
};

// A row may be out of date for seconds anyway, so that not every call need ask the database.
constexpr Duration kKept = 1s;
constexpr std::size_t kAppsKeptMax = 1024;

/// "192.0.2.1:50001", "[2001:db8::1]:50001".
std::string join_host_port(std::string_view host, int port) {
  const bool bare_ipv6 = host.contains(':') && !host.starts_with('[');
  std::string out = bare_ipv6 ? "[" + std::string(host) + "]" : std::string(host);
  return out + ":" + std::to_string(port);
}

/// What the loops of one component share.
struct Core {
  std::shared_ptr<sqlite::Executor> executor;
  std::shared_ptr<const Statements> sql;
  std::shared_ptr<Registration> registration;
};

class SqliteResolver final : public Resolver {
 public:
  SqliteResolver(Loop& loop, std::shared_ptr<Core> core, Duration timeout)
      : loop_(loop), core_(std::move(core)), client_(core_->executor, timeout) {}

  Task<Result<>> init(Instance instance) override {
    if (instance.app_id.empty()) co_return fail(Code::invalid_argument, "name is missing");
    if (instance.address.empty()) co_return fail(Code::invalid_argument, "address is missing");
    if (instance.internal_port <= 0) {
      co_return fail(Code::invalid_argument, "port is missing or invalid");
    }
    std::move_only_function<Task<Result<>>()> attach =
        [registration = core_->registration, id = instance.app_id,
         address = join_host_port(instance.address, instance.internal_port)] {
          return registration->attach(id, address);
        };
    auto done = co_await call_on<void>(core_->registration->home(), std::move(attach));
    attached_ = done.has_value();
    co_return done;
  }

  std::optional<std::string> resolve_now(const ResolveRequest& request) override {
    const auto found = kept_.find(request.id);
    if (found == kept_.end() || loop_.now() >= found->second.until) return std::nullopt;
    const auto& addresses = found->second.addresses;
    return addresses[fast_random_below(addresses.size())];
  }

  Task<Result<std::string>> resolve(ResolveRequest request) override {
    auto known = resolve_now(request);
    if (known) co_return std::move(*known);
    Client::Work<std::vector<std::string>> work = [sql = core_->sql,
                                                   id = request.id](Database& database) {
      return find(database, *sql, id);
    };
    auto found = co_await client_.read(std::move(work));
    if (!found) co_return fail(std::move(found).error().context("failed to look up address"));
    if (found->empty()) co_return fail(Code::not_found, "no host found with the given ID");
    std::string address = found->front();
    if (kept_.size() >= kAppsKeptMax) kept_.clear();
    kept_.insert_or_assign(request.id, Kept{std::move(*found), loop_.now() + kKept});
    co_return address;
  }

  void evict(std::string_view id, std::string_view) override {
    const auto found = kept_.find(id);
    if (found != kept_.end()) kept_.erase(found);
  }

  Task<void> close() override {
    Cancellation never;
    co_await leave().under(never);
  }

 private:
  struct Kept {
    std::vector<std::string> addresses;  // At least one.
    TimePoint until;
  };

  static Result<std::vector<std::string>> find(Database& database, const Statements& sql,
                                               const std::string& id) {
    std::vector<std::string> addresses;
    OUT_TRY(auto rows, database.query(sql.find, {id}));
    for (;;) {
      OUT_TRY(const bool more, rows.next());
      if (!more) return addresses;
      addresses.emplace_back(rows.text(0));
    }
  }

  Task<void> leave() {
    co_await client_.close();
    if (!std::exchange(attached_, false)) co_return;
    std::move_only_function<Task<Result<>>()> detach = [registration = core_->registration] {
      return registration->detach();
    };
    auto done = co_await call_on<void>(core_->registration->home(), std::move(detach));
    if (!done) log.warn("Name resolution: ", done.error());
  }

  Loop& loop_;
  std::shared_ptr<Core> core_;
  Client client_;
  std::map<std::string, Kept, std::less<>> kept_;
  bool attached_ = false;
};

Result<std::shared_ptr<Core>> make_core(const Options& options, Loop& home) {
  auto core = std::make_shared<Core>();
  core->sql = std::make_shared<const Statements>(hosts::statements_for(options));
  OUT_TRY(core->executor, hosts::open_hosts(options, core->sql));
  core->registration = std::make_shared<Registration>(home, options, core->executor, core->sql);
  return core;
}

}  // namespace

Result<std::unique_ptr<Resolver>> make_sqlite(const Metadata& metadata, ComponentContext& context) {
  OUT_TRY(const auto options, parse_fields<Options>(metadata, kFields));
  OUT_CHECK(hosts::check(options));
  std::move_only_function<Result<std::shared_ptr<Core>>()> make = [&options, &context] {
    return make_core(options, context.loop);
  };
  OUT_TRY(auto core, context.shared<Core>(std::move(make)));
  return std::make_unique<SqliteResolver>(context.loop, std::move(core), options.timeout);
}

std::vector<FieldInfo> sqlite_fields() { return describe(kFields); }

}  // namespace outrigger::components::nameresolution
