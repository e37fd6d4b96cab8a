// The engines that keep the scheduler's jobs, each against the same promises.
#include <filesystem>
#include <functional>
#include <set>

#include "base/env.h"
#include "base/pch_test.h"
#include "base/scope.h"
#include "base/uuid.h"
#include "components/clients/etcd/client.h"
#include "control/scheduler/etcd_store.h"
#include "control/scheduler/postgres_store.h"
#include "control/scheduler/record.h"
#include "control/scheduler/sqlite_store.h"

namespace outrigger::control::scheduler {
namespace {

using namespace std::chrono_literals;

const WallTime kStart = WallTime(1'800'000'000s);

StoredJob job_of(std::uint64_t partition, WallTime due) {
  StoredJob job;
  job.partition_id = partition;
  job.due_time = due;
  job.job.payload = Payload{.type_url = "type/of", .value = std::string("p\0q", 3)};
  return job;
}

PutRequest putting(std::string name, WallTime due, std::uint64_t partition = 1) {
  PutRequest request;
  request.name = std::move(name);
  request.job = job_of(partition, due);
  request.waking.due = due;
  return request;
}

/// A replica: a store, and what it says.
class Replica final : private Store::Events {
 public:
  Replica(Loop& loop, std::unique_ptr<Store> store) : loop_(loop), store(std::move(store)) {}
  ~Replica() {
    if (store) run_on(loop_, store->close());
  }
  void open(std::string address) {
    auto opened = run_on(loop_, store->open(*this, std::move(address)));
    ASSERT_TRUE(opened) << opened.error().message();
  }
  void close() {
    run_on(loop_, store->close());
    store.reset();
  }
  void until(const std::function<bool()>& done) { loop_.run_until(done); }
  Share wait_share(std::uint64_t total) {
    until([&] { return share && share->total == total; });
    return *share;
  }

 private:
  void owned(Share now) override { share = std::move(now); }
  Task<Result<>> drain() override {
    ++drains;
    while (busy) {
      OUT_CO_CHECK(co_await calm.wait());
    }
    co_return Result<>();
  }
  void lost() override { share.reset(); }
  void changed(JobId id, std::optional<JobId> replaced, WallTime) override {
    if (replaced) heard.erase(*replaced);
    heard.insert(id);
  }
  void removed(JobId id) override { heard.erase(id); }

  Loop& loop_;

 public:
  std::unique_ptr<Store> store;
  std::optional<Share> share;
  std::set<JobId> heard;
  bool busy = false;  ///< Triggers are in flight.
  int drains = 0;
  Signal calm;
};

struct Engine {
  const char* name;
  const char* variable;  ///< nullptr: needs no server.
  std::function<std::unique_ptr<Store>(const std::string& where, std::string id)> make;
};

class SchedulerStores : public testing::TestWithParam<Engine> {
 protected:
  void SetUp() override {
    if (GetParam().variable != nullptr) {
      const auto where = env(GetParam().variable);
      if (!where) GTEST_SKIP() << GetParam().variable << " names no server";
      where_ = *where;
    } else {
      where_ = folder_.string();
    }
    replica_.emplace(loop_, make("one"));
    replica_->open("host:1");
    term_ = replica_->wait_share(1).term;
    ASSERT_TRUE(wait(store().remove_prefix("t||")));
  }
  void TearDown() override {
    replica_.reset();
    std::filesystem::remove_all(folder_);
  }
  std::unique_ptr<Store> make(std::string id) {
    auto on_the_loop = [](Engine engine, std::string where,
                          std::string id) -> Task<std::unique_ptr<Store>> {
      co_return engine.make(where, std::move(id));
    };
    return run_on(loop_, on_the_loop(GetParam(), where_, std::move(id)));
  }
  Store& store() { return *replica_->store; }
  template <class T>
  T wait(Task<T> task) {
    return run_on(loop_, std::move(task));
  }
  JobId put(PutRequest request) {
    auto written = wait(store().put(std::move(request)));
    EXPECT_TRUE(written) << written.error().message();
    return written ? written->id : 0;
  }
  std::vector<JobId> due_until(WallTime until, std::size_t limit = 100) {
    auto due = wait(store().due(term_, {}, until, limit));
    EXPECT_TRUE(due) << due.error().message();
    std::vector<JobId> ids;
    for (const Due& one : due.value_or(std::vector<Due>())) ids.push_back(one.id);
    return ids;
  }
  std::vector<bool> settle(Settlement settlement) {
    std::vector<Settlement> all;
    all.push_back(std::move(settlement));
    auto there = wait(store().settle(term_, std::move(all)));
    EXPECT_TRUE(there) << there.error().message();
    return there.value_or(std::vector<bool>());
  }

  Loop loop_;
  const std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("outrigger-" + uuid_v4());
  std::string where_;
  std::optional<Replica> replica_;
  std::uint64_t term_ = 0;
};

TEST_P(SchedulerStores, KeepAJobAsItWasPut) {
  const auto request = putting("t||a", kStart);
  const StoredJob before = request.job;
  put(request);
  const auto found = wait(store().get("t||a"));
  ASSERT_TRUE(found && *found);
  EXPECT_EQ(**found, before);
  const auto none = wait(store().get("t||b"));
  ASSERT_TRUE(none);
  EXPECT_EQ(*none, std::nullopt);
}

TEST_P(SchedulerStores, ReplaceAJobUnlessOnlyNewOnesAreWanted) {
  const JobId first = put(putting("t||a", kStart));
  auto only_new = putting("t||a", kStart + 1s);
  only_new.only_new = true;
  const auto refused = wait(store().put(std::move(only_new)));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::already_exists);
  const auto second = wait(store().put(putting("t||a", kStart + 2s)));
  ASSERT_TRUE(second);
  EXPECT_EQ(second->replaced, first);
  EXPECT_GT(second->id, first);
  EXPECT_EQ(due_until(kStart + 1h), std::vector<JobId>{second->id});
}

TEST_P(SchedulerStores, TellWhatIsDueInItsOrderAndInPieces) {
  const JobId late = put(putting("t||late", kStart + 2s));
  const JobId early = put(putting("t||early", kStart));
  const JobId later = put(putting("t||later", kStart + 1h));
  const JobId same = put(putting("t||same", kStart));
  EXPECT_EQ(due_until(kStart + 10s), (std::vector<JobId>{early, same, late}));
  const auto rest = wait(store().due(term_, {.when = kStart, .id = same}, kStart + 2h, 1));
  ASSERT_TRUE(rest);
  ASSERT_EQ(rest->size(), 1);
  EXPECT_EQ((*rest)[0].id, late);
  EXPECT_EQ(due_until(kStart + 2h).back(), later);
}

TEST_P(SchedulerStores, LoadJobsWithTheirCounters) {
  const JobId id = put(putting("t||a", kStart));
  const JobId gone = put(putting("t||gone", kStart));
  Settlement settlement{.id = id, .waking = Waking{.due = kStart + 5s}};
  settlement.counter = {.partition_id = 1, .count = 3, .attempts = 2};
  EXPECT_EQ(settle(settlement), std::vector<bool>{true});
  EXPECT_TRUE(wait(store().remove("t||gone")));
  const auto loaded = wait(store().load(term_, {gone, id, id + 1000}));
  ASSERT_TRUE(loaded) << loaded.error().message();
  EXPECT_EQ(loaded->looked_up, 3);
  ASSERT_EQ(loaded->jobs.size(), 1);
  EXPECT_EQ(loaded->jobs[0].name, "t||a");
  EXPECT_EQ(loaded->jobs[0].due, kStart + 5s);
  EXPECT_EQ(decode_job(loaded->jobs[0].job).value(), job_of(1, kStart));
  ASSERT_TRUE(loaded->jobs[0].counter);
  EXPECT_EQ(decode_counter(*loaded->jobs[0].counter).value(), settlement.counter);
}

TEST_P(SchedulerStores, SettleNothingOfAJobThatWasReplacedMeanwhile) {
  const JobId first = put(putting("t||a", kStart));
  const JobId second = put(putting("t||a", kStart + 1s));
  EXPECT_EQ(settle({.id = first, .counter = {}, .waking = std::nullopt}), std::vector<bool>{false});
  const auto loaded = wait(store().load(term_, {first, second}));
  ASSERT_TRUE(loaded);
  ASSERT_EQ(loaded->jobs.size(), 1);
  EXPECT_EQ(loaded->jobs[0].id, second);
  EXPECT_EQ(loaded->jobs[0].counter, std::nullopt);
}

TEST_P(SchedulerStores, ForgetAJobThatIsOver) {
  const JobId id = put(putting("t||a", kStart));
  EXPECT_EQ(settle({.id = id, .counter = {}, .waking = std::nullopt}), std::vector<bool>{true});
  EXPECT_EQ(settle({.id = id, .counter = {}, .waking = std::nullopt}), std::vector<bool>{false});
  EXPECT_TRUE(due_until(kStart + 1h).empty());
  EXPECT_EQ(wait(store().get("t||a")).value(), std::nullopt);
  EXPECT_EQ(wait(store().remove("t||a")).value(), std::nullopt);
}

TEST_P(SchedulerStores, ListAndRemoveByPrefixInTheOrderOfNames) {
  std::vector<JobId> ids;
  for (const char* name : {"t||p||b", "t||p||a", "t||p||c", "t||q"}) {
    ids.push_back(put(putting(name, kStart)));
  }
  const auto page = wait(store().list({.prefix = "t||p||", .after = "", .limit = 2}));
  ASSERT_TRUE(page);
  ASSERT_EQ(page->size(), 2);
  EXPECT_EQ((*page)[0].name, "t||p||a");
  const auto rest = wait(store().list({.prefix = "t||p||", .after = "t||p||b", .limit = 2}));
  ASSERT_TRUE(rest);
  ASSERT_EQ(rest->size(), 1);
  EXPECT_EQ((*rest)[0].name, "t||p||c");
  const auto all = wait(store().list({.prefix = "", .after = "t||p||b", .limit = 2}));
  ASSERT_TRUE(all);
  ASSERT_EQ(all->size(), 2);
  EXPECT_EQ((*all)[1].name, "t||q");
  const auto removed = wait(store().remove_prefix("t||p||"));
  ASSERT_TRUE(removed);
  EXPECT_EQ(std::set<JobId>(removed->begin(), removed->end()),
            (std::set<JobId>{ids[0], ids[1], ids[2]}));
  EXPECT_EQ(due_until(kStart + 1h), std::vector<JobId>{ids[3]});
}

TEST_P(SchedulerStores, RefuseTheWorkOfAnotherTerm) {
  const JobId id = put(putting("t||a", kStart));
  EXPECT_EQ(wait(store().due(term_ + 1, {}, kStart, 10)).error().code(), Code::aborted);
  EXPECT_EQ(wait(store().load(term_ + 1, {id})).error().code(), Code::aborted);
  std::vector<Settlement> over;
  over.push_back({.id = id, .counter = {}, .waking = std::nullopt});
  EXPECT_EQ(wait(store().settle(term_ + 1, std::move(over))).error().code(), Code::aborted);
  EXPECT_EQ(due_until(kStart), std::vector<JobId>{id});
}

TEST_P(SchedulerStores, ShortenWaitsThatAClockMadeTooLong) {
  auto request = putting("t||every", kStart + 1h);
  request.waking.wait_max = 10s;
  const JobId id = put(std::move(request));
  const JobId calendar = put(putting("t||calendar", kStart + 1h));
  EXPECT_TRUE(wait(store().shorten_waits(term_, kStart)));
  EXPECT_EQ(due_until(kStart + 10s), std::vector<JobId>{id});
  EXPECT_EQ(due_until(kStart + 1h), (std::vector<JobId>{id, calendar}));
}

TEST_P(SchedulerStores, KeepEverythingWhenTheyAreOpenedAgain) {
  put(putting("t||a", kStart));
  put(putting("t||b", kStart));
  replica_->close();
  replica_.emplace(loop_, make("one"));
  replica_->open("host:1");
  term_ = replica_->wait_share(1).term;
  EXPECT_EQ(due_until(kStart).size(), 2);
  EXPECT_EQ(wait(store().get("t||b")).value(), job_of(1, kStart));
}

/// For engines that replicas share.
class SharedStores : public SchedulerStores {};

TEST_P(SharedStores, GiveEachJobToOneReplicaAndTheRestToWhoIsLeft) {
  std::vector<JobId> ids;
  for (int i = 0; i < 6; ++i) {
    ids.push_back(put(putting("t||" + std::to_string(i), kStart, static_cast<std::uint64_t>(i))));
  }
  Replica other(loop_, make("two"));
  other.open("host:2");
  const Share second = other.wait_share(2);
  const Share first = replica_->wait_share(2);
  EXPECT_EQ(first.hosts, (std::vector<std::string>{"host:1", "host:2"}));
  EXPECT_EQ(first.index, 0);
  EXPECT_EQ(second.index, 1);
  // What was begun under the earlier share is refused.
  EXPECT_EQ(wait(store().due(term_, {}, kStart, 10)).error().code(), Code::aborted);
  term_ = first.term;
  EXPECT_EQ(due_until(kStart), (std::vector<JobId>{ids[0], ids[2], ids[4]}));
  const auto others = wait(other.store->due(second.term, {}, kStart, 10));
  ASSERT_TRUE(others);
  ASSERT_EQ(others->size(), 3);
  EXPECT_EQ((*others)[0].id, ids[1]);

  // A job that one replica is told of and another one triggers.
  const auto written = wait(other.store->put(putting("t||new", kStart + 1s, 8)));
  ASSERT_TRUE(written);
  replica_->until([&] { return replica_->heard.contains(written->id); });
  EXPECT_EQ(due_until(kStart + 1s).back(), written->id);
  EXPECT_TRUE(wait(other.store->remove("t||new")));
  const auto gone = wait(store().load(term_, {written->id}));
  ASSERT_TRUE(gone);
  EXPECT_TRUE(gone->jobs.empty());

  other.close();
  term_ = replica_->wait_share(1).term;
  EXPECT_EQ(due_until(kStart), ids);
}

TEST_P(SharedStores, LetAShareSettleWhatIsInFlightBeforeAnotherBegins) {
  const JobId here = put(putting("t||0", kStart, 0));
  const JobId there = put(putting("t||1", kStart, 1));
  replica_->busy = true;
  Replica other(loop_, make("two"));
  other.open("host:2");
  replica_->until([&] { return replica_->drains == 1; });
  // The earlier share is still whole, whoever has a job in the next one.
  for (const JobId id : {here, there}) {
    EXPECT_EQ(settle({.id = id, .counter = {}, .waking = Waking{.due = kStart + 1s}}),
              std::vector<bool>{true});
  }
  EXPECT_TRUE(replica_->share);
  EXPECT_FALSE(other.share);
  loop_.post([&] {
    replica_->busy = false;
    replica_->calm.notify_all();
  });
  const Share second = other.wait_share(2);
  const Share first = replica_->wait_share(2);
  const auto late = wait(store().settle(term_, {}));
  EXPECT_EQ(late.error().code(), Code::aborted);
  term_ = first.term;
  EXPECT_EQ(due_until(kStart + 1s), std::vector<JobId>{here});
  const auto others = wait(other.store->due(second.term, {}, kStart + 1s, 10));
  ASSERT_TRUE(others);
  ASSERT_EQ(others->size(), 1);
  EXPECT_EQ((*others)[0].id, there);
  other.close();
  term_ = replica_->wait_share(1).term;
}

TEST_P(SharedStores, WaitForNoShareForever) {
  replica_->busy = true;  // And stays it.
  Replica other(loop_, make("two"));
  other.open("host:2");
  other.wait_share(2);
  EXPECT_EQ(replica_->drains, 1);
}

std::unique_ptr<Store> in_sqlite(const std::string& folder, std::string) {
  SqliteOptions options;
  options.folder = folder;
  return std::make_unique<SqliteStore>(std::move(options));
}
std::unique_ptr<Store> in_etcd(const std::string& endpoint, std::string id) {
  EtcdOptions options;
  options.endpoints = {endpoint};
  options.id = std::move(id);
  return make_etcd_store(std::move(options)).value();
}

std::unique_ptr<Store> in_postgres(const std::string& where, std::string id) {
  PostgresOptions options;
  options.connection_string = where.substr(std::string_view("connectionString=").size());
  options.id = std::move(id);
  return make_postgres_store(std::move(options)).value();
}

const Engine kSqlite{"sqlite", nullptr, &in_sqlite};
const Engine kEtcd{"etcd", "OUTRIGGER_TEST_ETCD", &in_etcd};
const Engine kPostgres{"postgresqlv1", "OUTRIGGER_TEST_STATE_POSTGRESQL", &in_postgres};
const auto kNames = [](const auto& tested) { return std::string(tested.param.name); };
INSTANTIATE_TEST_SUITE_P(Every, SchedulerStores, testing::Values(kSqlite, kEtcd, kPostgres),
                         kNames);
INSTANTIATE_TEST_SUITE_P(Every, SharedStores, testing::Values(kEtcd, kPostgres), kNames);

}  // namespace
}  // namespace outrigger::control::scheduler
