#include "control/scheduler/postgres_store.h"

#include <unordered_set>

#include "base/log.h"
#include "components/clients/postgres/client.h"
#include "components/clients/postgres/values.h"
#include "control/scheduler/postgres_batches.h"
#include "control/scheduler/postgres_members.h"
#include "control/scheduler/postgres_statements.h"
#include "control/scheduler/record.h"

namespace outrigger::control::scheduler {
namespace {

using namespace std::chrono_literals;
namespace postgres = components::postgres;
using postgres::Effect;
using postgres::from_integer;
using postgres::Rows;
using postgres::Step;
using postgres::to_integer;

const Logger log("dapr.scheduler.server.postgresql");

constexpr Duration kTimeout = 10s;
// How often what others have written is looked for.
constexpr Duration kNewsInterval = 250ms;
// How long after a writing whose answer did not come the server may still be at it.
constexpr Duration kDoubtFor = 60s;
constexpr std::size_t kLoadSlice = 200;
constexpr std::size_t kLoadBytesMax = std::size_t{8} << 20;

std::int64_t nanos(WallTime time) { return time.time_since_epoch().count(); }
WallTime wall(std::int64_t number) { return WallTime(std::chrono::nanoseconds(number)); }
JobId id_at(const Rows& rows, std::size_t row, std::size_t column) {
  return static_cast<JobId>(to_integer(rows.bytes(row, column)));
}
const PostgresStatements& sql() { return PostgresStatements::all(); }

/// Whether what was to be written may be there after an error with this code.
bool may_be_done(Code code) {
  return code == Code::unavailable || code == Code::deadline_exceeded || code == Code::unknown;
}

/// A step with these parameters: texts and bytes as they are, numbers as bigint.
class Building {
 public:
  explicit Building(const postgres::Statement& statement) { step_.statement = &statement; }
  Building& with(std::string bytes) {
    step_.values.emplace_back(std::move(bytes));
    return *this;
  }
  Building& with(std::int64_t number) { return with(from_integer(number)); }
  Building& with(const PostgresFence& fence) {
    return with(fence.id).with(fence.uid).with(fence.round);
  }
  Building& with(const Share& share) {
    return with(as_signed(share.total)).with(as_signed(share.index));
  }
  Step take() { return std::move(step_); }

 private:
  Step step_;
};

class PostgresStore final : public Store {
 public:
  PostgresStore(std::shared_ptr<const postgres::Settings> settings, std::string id)
      : client_(Loop::current(), std::move(settings)), id_(std::move(id)) {}

  Task<Result<>> open(Events& events, std::string address) override;
  Task<Result<Written>> put(PutRequest request) override;
  Task<Result<std::optional<StoredJob>>> get(std::string name) override;
  Task<Result<std::optional<JobId>>> remove(std::string name) override;
  Task<Result<std::vector<JobId>>> remove_prefix(std::string prefix) override;
  Task<Result<std::vector<NamedJob>>> list(ListRequest request) override;
  Task<Result<std::vector<Due>>> due(std::uint64_t term, Due after, WallTime until,
                                     std::size_t limit) override;
  Task<Result<Loaded>> load(std::uint64_t term, std::vector<JobId> ids) override;
  Task<Result<std::vector<bool>>> settle(std::uint64_t term,
                                         std::vector<Settlement> settlements) override;
  Task<Result<>> shorten_waits(std::uint64_t term, WallTime now) override;
  Task<Result<>> probe() override;
  Task<void> close() override;

 private:
  bool serves(std::uint64_t term) const { return told_ && share_->term == term; }
  Task<Result<>> drain();
  void let_go();
  Task<Result<>> make_tables();
  Task<void> follow();
  Task<Result<>> begin();
  Task<Result<>> hear();
  Task<Result<>> load_slice(std::vector<std::string> ids, Loaded* out);

  postgres::Client client_;
  PostgresBatches writes_{client_};
  std::string id_;
  std::unique_ptr<PostgresMembers> members_;
  Events* events_ = nullptr;
  std::optional<Share> share_;
  /// One that ended before the events' owner was told of it.
  std::optional<Share> untold_;
  bool told_ = false;  ///< The events' owner knows of the share.
  /// A writing was not answered and may have been done: the share is to be read anew, and what was
  /// written heard for a while, as if it were another replica's.
  bool in_doubt_ = false;
  TimePoint doubt_until_;
  Signal shared_anew_;
  /// Transactions from this one on may be news.
  std::string horizon_;
  std::unordered_set<JobId> heard_;
  Scope scope_;
};

Task<Result<>> PostgresStore::open(Events& events, std::string address) {
  if (members_) co_return Result<>();
  events_ = &events;
  OUT_CO_CHECK(co_await make_tables());
  ShareEvents callbacks;
  callbacks.owned = [this](Share share) {
    let_go();
    if (untold_) share.follow_untold(*std::exchange(untold_, std::nullopt));
    share_ = std::move(share);
    shared_anew_.notify_all();
  };
  callbacks.drain = [this] { return drain(); };
  callbacks.lost = [this] { let_go(); };
  PostgresMembers::Self self;
  self.id = id_;
  self.address = std::move(address);
  members_ = std::make_unique<PostgresMembers>(client_, std::move(self), std::move(callbacks));
  members_->join();
  writes_.start();
  scope_.spawn(follow());
  co_return Result<>();
}

Task<Result<>> PostgresStore::make_tables() {
  // Two replicas that make one thing at once: one of them is told that it exists.
  constexpr int kTries = 3;
  for (const auto* statement : {&PostgresMembers::table_statement(), &sql().sequence, &sql().table,
                                &sql().due_index, &sql().new_index}) {
    for (int tries = 1;; ++tries) {
      Step step{.statement = statement, .values = {}};
      auto made = co_await client_.query(std::move(step), Effect::write);
      if (made) break;
      if (tries == kTries) co_return std::unexpected(std::move(made).error());
    }
  }
  co_return Result<>();
}

Task<Result<>> PostgresStore::drain() {
  if (!told_) co_return Result<>();
  co_return co_await events_->drain();
}

void PostgresStore::let_go() {
  if (share_ && !told_) untold_ = std::move(share_);
  share_.reset();
  if (std::exchange(told_, false)) events_->lost();
}

// Tells of shares, and of what other replicas have written in them. Of a single replica everything
// is its own, unless it was not told what became of a writing.
Task<void> PostgresStore::follow() {
  Cancellation* const mine = co_await this_cancellation();
  bool in_trouble = false;
  while (!mine->requested()) {
    if (!share_) {
      [[maybe_unused]] auto woken = co_await shared_anew_.wait();
      continue;
    }
    Result<> done;
    const bool doubts = std::chrono::steady_clock::now() < doubt_until_;
    if (!told_ || in_doubt_) {
      done = co_await begin();
    } else if (share_->total > 1 || doubts) {
      done = co_await hear();
    }
    if (mine->requested()) co_return;
    if (!done && !in_trouble) log.error("New jobs cannot be looked for: ", done.error());
    in_trouble = !done;
    [[maybe_unused]] auto slept = co_await sleep_for(kNewsInterval);
  }
}

// What is written from here on is news; what was written before is there to be read.
Task<Result<>> PostgresStore::begin() {
  const std::uint64_t term = share_->term;
  Step step = Building(sql().horizon).take();
  OUT_CO_TRY(const auto rows, co_await client_.query(std::move(step), Effect::read));
  if (!share_ || share_->term != term) co_return Result<>();
  horizon_ = rows.bytes(0, 0);
  heard_.clear();
  told_ = true;
  in_doubt_ = false;
  events_->owned(*share_);
  co_return Result<>();
}

Task<Result<>> PostgresStore::hear() {
  const Share share = *share_;
  postgres::Unit unit;
  unit.push_back(Building(sql().horizon).take());
  unit.push_back(Building(sql().news).with(horizon_).with(share).take());
  OUT_CO_TRY(const auto reply, co_await client_.run(std::move(unit), Effect::read));
  if (reply.refusal) co_return std::unexpected(reply.refusal->error);
  if (!serves(share.term)) co_return Result<>();
  horizon_ = reply.rows[0].bytes(0, 0);
  std::unordered_set<JobId> seen;
  const Rows& rows = reply.rows[1];
  for (std::size_t row = 0; row < rows.size(); ++row) {
    const JobId id = id_at(rows, row, 0);
    seen.insert(id);
    if (heard_.contains(id)) continue;
    events_->changed(id, std::nullopt, wall(to_integer(rows.bytes(row, 1))));
  }
  // Each once: what is older than the horizon does not come again.
  heard_ = std::move(seen);
  co_return Result<>();
}

Task<Result<Written>> PostgresStore::put(PutRequest request) {
  const std::string name = request.name;
  Step step = Building(request.only_new ? sql().put_new : sql().put)
                  .with(request.name)
                  .with(std::to_string(request.job.partition_id))
                  .with(encode(request.job))
                  .with(nanos(request.waking.due))
                  .with(request.waking.wait_max.count())
                  .take();
  const auto rows = co_await writes_.write(std::move(request.name), std::move(step));
  if (!rows) {
    if (may_be_done(rows.error().code())) {
      in_doubt_ = told_;
      doubt_until_ = std::chrono::steady_clock::now() + kDoubtFor;
    }
    co_return std::unexpected(rows.error());
  }
  if (rows->size() == 0) {
    co_return fail(Code::already_exists, "job already exists: '" + name + "'");
  }
  Written written{.id = id_at(*rows, 0, 0), .replaced = std::nullopt};
  if (!rows->is_null(0, 1)) written.replaced = id_at(*rows, 0, 1);
  co_return written;
}

Task<Result<std::optional<StoredJob>>> PostgresStore::get(std::string name) {
  Step step = Building(sql().get).with(std::move(name)).take();
  OUT_CO_TRY(const auto rows, co_await client_.query(std::move(step), Effect::read));
  if (rows.size() == 0) co_return std::nullopt;
  OUT_CO_TRY(auto job, decode_job(rows.bytes(0, 0)));
  co_return job;
}

Task<Result<std::optional<JobId>>> PostgresStore::remove(std::string name) {
  Step step = Building(sql().remove).with(name).take();
  OUT_CO_TRY(const auto rows, co_await writes_.write(std::move(name), std::move(step)));
  if (rows.size() == 0) co_return std::nullopt;
  co_return id_at(rows, 0, 0);
}

Task<Result<std::vector<JobId>>> PostgresStore::remove_prefix(std::string prefix) {
  std::string end = names_end(prefix);
  Step step = Building(sql().remove_prefix).with(std::move(prefix)).with(std::move(end)).take();
  OUT_CO_TRY(const auto rows, co_await client_.query(std::move(step), Effect::write));
  std::vector<JobId> removed;
  for (std::size_t row = 0; row < rows.size(); ++row) removed.push_back(id_at(rows, row, 0));
  co_return removed;
}

Task<Result<std::vector<NamedJob>>> PostgresStore::list(ListRequest request) {
  std::string end = names_end(request.prefix);
  Step step = Building(sql().list)
                  .with(std::move(request.prefix))
                  .with(std::move(end))
                  .with(std::move(request.after))
                  .with(static_cast<std::int64_t>(request.limit))
                  .with(static_cast<std::int64_t>(request.bytes_max))
                  .take();
  OUT_CO_TRY(const auto rows, co_await client_.query(std::move(step), Effect::read));
  std::vector<NamedJob> jobs;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    OUT_CO_TRY(auto job, decode_job(rows.bytes(row, 1)));
    jobs.push_back({std::string(rows.bytes(row, 0)), std::move(job)});
  }
  co_return jobs;
}

Task<Result<std::vector<Due>>> PostgresStore::due(std::uint64_t term, Due after, WallTime until,
                                                  std::size_t limit) {
  if (!serves(term)) co_return other_term();
  Step step = Building(sql().due)
                  .with(nanos(after.when))
                  .with(as_signed(after.id))
                  .with(nanos(until))
                  .with(*share_)
                  .with(static_cast<std::int64_t>(limit))
                  .take();
  OUT_CO_TRY(const auto rows, co_await client_.query(std::move(step), Effect::read));
  std::vector<Due> found;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    found.push_back({wall(to_integer(rows.bytes(row, 0))), id_at(rows, row, 1)});
  }
  co_return found;
}

Task<Result<Loaded>> PostgresStore::load(std::uint64_t term, std::vector<JobId> ids) {
  Loaded loaded;
  std::size_t bytes = 0;
  while (loaded.looked_up < ids.size() && bytes < kLoadBytesMax) {
    if (!serves(term)) co_return other_term();
    const std::size_t end = std::min(loaded.looked_up + kLoadSlice, ids.size());
    std::vector<std::string> slice;
    for (; loaded.looked_up < end; ++loaded.looked_up) {
      slice.push_back(std::to_string(ids[loaded.looked_up]));
    }
    const std::size_t before = loaded.jobs.size();
    OUT_CO_CHECK(co_await load_slice(std::move(slice), &loaded));
    for (std::size_t i = before; i < loaded.jobs.size(); ++i) bytes += loaded.jobs[i].job.size();
  }
  co_return loaded;
}

Task<Result<>> PostgresStore::load_slice(std::vector<std::string> ids, Loaded* out) {
  Step step = Building(sql().load).with(postgres::from_texts(ids)).with(*share_).take();
  OUT_CO_TRY(const auto rows, co_await client_.query(std::move(step), Effect::read));
  for (std::size_t row = 0; row < rows.size(); ++row) {
    LoadedJob& job = out->jobs.emplace_back();
    job.id = id_at(rows, row, 0);
    job.due = wall(to_integer(rows.bytes(row, 1)));
    job.name = rows.bytes(row, 2);
    job.job = rows.bytes(row, 3);
    if (!rows.is_null(row, 4)) job.counter = rows.bytes(row, 4);
  }
  co_return Result<>();
}

Task<Result<std::vector<bool>>> PostgresStore::settle(std::uint64_t term,
                                                      std::vector<Settlement> settlements) {
  const auto fence = members_->fence(term);
  if (!fence) co_return other_term();
  postgres::Unit unit;
  unit.push_back(Building(sql().fence).with(*fence).take());
  for (const Settlement& settlement : settlements) {
    if (settlement.waking) {
      unit.push_back(Building(sql().advance)
                         .with(as_signed(settlement.id))
                         .with(encode(settlement.counter))
                         .with(nanos(settlement.waking->due))
                         .with(settlement.waking->wait_max.count())
                         .with(*fence)
                         .take());
    } else {
      unit.push_back(Building(sql().finish).with(as_signed(settlement.id)).with(*fence).take());
    }
  }
  OUT_CO_TRY(const auto reply, co_await client_.run(std::move(unit), Effect::write));
  if (reply.refusal) co_return std::unexpected(reply.refusal->error);
  if (reply.rows[0].size() == 0) co_return other_term();
  std::vector<bool> there;
  for (std::size_t i = 1; i < reply.rows.size(); ++i) {
    there.push_back(reply.rows[i].written() == 1);
  }
  co_return there;
}

Task<Result<>> PostgresStore::shorten_waits(std::uint64_t term, WallTime now) {
  if (!serves(term)) co_return other_term();
  Step step = Building(sql().shorten).with(nanos(now)).with(*share_).take();
  OUT_CO_CHECK(co_await client_.query(std::move(step), Effect::write));
  co_return Result<>();
}

Task<Result<>> PostgresStore::probe() {
  Step step = Building(sql().probe).with(id_).take();
  OUT_CO_CHECK(co_await client_.query(std::move(step), Effect::write));
  co_return Result<>();
}

Task<void> PostgresStore::close() {
  co_await writes_.close();
  scope_.cancel();
  co_await scope_.join();
  if (members_) co_await members_->leave();
  members_.reset();
  co_await client_.close();
}

}  // namespace

const PostgresStatements& PostgresStatements::all() {
  static const PostgresStatements statements;
  return statements;
}

Result<std::unique_ptr<Store>> make_postgres_store(PostgresOptions options) {
  postgres::ConnectionOptions connection;
  connection.connection_string = std::move(options.connection_string);
  OUT_TRY(auto settings, postgres::make_settings(connection, kTimeout));
  return std::make_unique<PostgresStore>(std::move(settings), std::move(options.id));
}

}  // namespace outrigger::control::scheduler
