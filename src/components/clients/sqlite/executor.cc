#include "components/clients/sqlite/executor.h"

#include <condition_variable>
#include <mutex>
#include <thread>

namespace outrigger::components::sqlite {
namespace {

using detail::Job;
using Batch = std::vector<std::shared_ptr<Job>>;

/// Longer batches would only make their first members wait.
constexpr std::size_t kBatchMax = 256;
constexpr std::size_t kReadBatchMax = 64;
constexpr int kReaders = 2;

Error timed_out() { return Error(Code::deadline_exceeded, "timed out waiting for the database"); }

/// Gives every result home, with one message for each loop.
void deliver(const Batch& batch) {
  std::unordered_map<Loop*, Batch> homes;
  for (const auto& job : batch) homes[&job->home].push_back(job);
  for (auto& [loop, jobs] : homes) {
    loop->post([jobs = std::move(jobs)] {
      for (const auto& job : jobs) job->deliver();
    });
  }
}

void fail_all(const Batch& batch, const Error& error) {
  for (const auto& job : batch) job->fail_with(error);
}

/// Fails the jobs whose time has run out while they waited and gives the others back.
Batch refuse_late(const Batch& batch) {
  const auto now = std::chrono::steady_clock::now();
  Batch rest;
  rest.reserve(batch.size());
  for (const auto& job : batch) {
    if (job->deadline > now) {
      rest.push_back(job);
    } else {
      job->fail_with(timed_out());
    }
  }
  return rest;
}

/// Under a savepoint; false if the transaction is no more.
bool run_one(Database& database, Job& job) {
  if (auto marked = database.execute("SAVEPOINT job"); !marked) {
    job.fail_with(std::move(marked).error());
    return database.in_transaction();
  }
  job.run(database);
  if (!database.in_transaction()) {
    if (!job.failed()) job.fail_with(Error(Code::unavailable, "the transaction was broken off"));
    return false;
  }
  if (job.failed()) {
    auto undone = database.execute("ROLLBACK TO job");
    if (!undone) return false;
  }
  auto released = database.execute("RELEASE job");
  return released.has_value();
}

/// Runs the jobs in one transaction. False: nothing was written and the results mean nothing, for
/// one job has broken the transaction of all.
bool run_together(Database& database, const std::string& begin, const Batch& batch) {
  if (auto begun = database.execute(begin); !begun) {
    fail_all(batch, begun.error());
    return true;
  }
  for (const auto& job : batch) {
    if (run_one(database, *job)) continue;
    database.rollback();
    if (batch.size() > 1) return false;
    if (!job->failed()) job->fail_with(Error(Code::unavailable, "the transaction was broken off"));
    return true;
  }
  auto committed = database.execute("COMMIT");
  if (committed) return true;
  database.rollback();
  // A lock of somebody else's will hold up each of them alike; a full disk perhaps not.
  if (batch.size() > 1 && committed.error().code() != Code::unavailable) return false;
  fail_all(batch, committed.error());
  return true;
}

}  // namespace

struct Executor::Impl {
  struct Queued {
    Kind kind;
    std::shared_ptr<Job> job;
  };
  struct Maintenance {
    Duration interval{};
    std::move_only_function<Result<bool>(Database&)> work;
    std::move_only_function<void(const Error&)> failed;
    TimePoint next;
  };

  Impl(OpenPlan plan, Setup setup) : plan(std::move(plan)), setup(std::move(setup)) {}

  const OpenPlan plan;
  Setup setup;
  std::optional<Maintenance> maintenance;  // The writing thread's once that runs.

  std::mutex mutex;
  std::condition_variable writes_came;
  std::condition_variable reads_came;
  std::deque<Queued> writes;
  std::deque<Queued> reads;
  std::vector<std::thread> threads;
  bool closing = false;
  bool readers_run = false;

  // The writing thread's own.
  std::unique_ptr<Database> database;
  bool may_defer_flush = false;

  Result<> open();
  void start_readers();
  void serve_writes();
  void serve_reads();
  void maintain();
  Result<> choose_flush(bool flush);
  std::vector<Queued> next_writes();
  void write(std::vector<Queued> queued);
};

Result<> Executor::Impl::open() {
  if (database != nullptr) return {};
  OUT_TRY(auto opened, Database::open(plan));
  OUT_CHECK(setup(*opened));
  OUT_TRY(const auto journal, opened->value("PRAGMA journal_mode"));
  // Levels below FULL (2) were asked for by the connection string, and stay.
  OUT_TRY(const auto synchronous, opened->value("PRAGMA synchronous"));
  may_defer_flush = journal == "wal" && synchronous == "2";
  database = std::move(opened);
  if (maintenance) maintenance->next = std::chrono::steady_clock::now() + maintenance->interval;
  // Without WAL (some file systems have none) readers and the writer would shut each other out.
  if (journal == "wal") start_readers();
  return {};
}

void Executor::Impl::start_readers() {
  const std::lock_guard lock(mutex);
  if (readers_run || closing) return;
  readers_run = true;
  for (int i = 0; i < kReaders; ++i) {
    threads.emplace_back([this] { serve_reads(); });
  }
}

std::vector<Executor::Impl::Queued> Executor::Impl::next_writes() {
  std::unique_lock lock(mutex);
  const auto ready = [this] { return closing || !writes.empty(); };
  if (maintenance && database != nullptr) {
    writes_came.wait_until(lock, maintenance->next, ready);
  } else {
    writes_came.wait(lock, ready);
  }
  std::vector<Queued> taken;
  while (!writes.empty() && taken.size() < kBatchMax) {
    taken.push_back(std::move(writes.front()));
    writes.pop_front();
  }
  return taken;
}

void Executor::Impl::serve_writes() {
  for (;;) {
    auto queued = next_writes();
    if (!queued.empty()) {
      write(std::move(queued));
    } else {
      const std::lock_guard lock(mutex);
      if (closing && writes.empty()) break;
    }
    maintain();
  }
  database.reset();
}

void Executor::Impl::write(std::vector<Queued> queued) {
  Batch all;
  bool changes = false;
  bool flush = false;
  for (auto& one : queued) {
    changes = changes || one.kind == Kind::write || one.kind == Kind::write_unflushed;
    flush = flush || one.kind == Kind::write;
    all.push_back(std::move(one.job));
  }
  if (auto opened = open(); !opened) {
    fail_all(all, opened.error());
    deliver(all);
    return;
  }
  if (auto set = choose_flush(flush); !set) {
    fail_all(all, set.error());
    deliver(all);
    return;
  }
  const Batch batch = refuse_late(all);
  const std::string begin = changes ? "BEGIN " + plan.transaction : "BEGIN";
  if (!batch.empty() && !run_together(*database, begin, batch)) {
    for (const auto& job : batch) run_together(*database, begin, {job});
  }
  deliver(all);
}

Result<> Executor::Impl::choose_flush(bool flush) {
  if (!may_defer_flush) return {};
  return database->set_commits(flush ? Database::Commits::flushed : Database::Commits::unflushed);
}

void Executor::Impl::maintain() {
  if (!maintenance || database == nullptr) return;
  const auto now = std::chrono::steady_clock::now();
  if (now < maintenance->next) return;
  maintenance->next = now + maintenance->interval;
  const auto report = [this](const Error& error) {
    database->rollback();
    maintenance->failed(error);
  };
  // What a failure of the machine brings back is removed again.
  if (auto set = choose_flush(false); !set) return report(set.error());
  if (auto begun = database->execute("BEGIN IMMEDIATE"); !begun) return report(begun.error());
  auto more = maintenance->work(*database);
  if (!more) return report(more.error());
  if (auto committed = database->execute("COMMIT"); !committed) return report(committed.error());
  if (*more) maintenance->next = now;
}

void Executor::Impl::serve_reads() {
  std::unique_ptr<Database> mine;
  for (;;) {
    Batch all;
    {
      std::unique_lock lock(mutex);
      reads_came.wait(lock, [this] { return closing || !reads.empty(); });
      if (reads.empty()) break;
      while (!reads.empty() && all.size() < kReadBatchMax) {
        all.push_back(std::move(reads.front().job));
        reads.pop_front();
      }
    }
    if (mine == nullptr) {
      auto opened = Database::open(plan);
      if (!opened) {
        fail_all(all, opened.error());
        deliver(all);
        continue;
      }
      mine = std::move(*opened);
    }
    const Batch batch = refuse_late(all);
    if (auto begun = mine->execute("BEGIN"); !begun) {
      fail_all(batch, begun.error());
    } else {
      for (const auto& job : batch) {
        mine->set_deadline(job->deadline);
        job->run(*mine);
      }
      mine->set_deadline(std::nullopt);
      mine->rollback();
    }
    deliver(all);
  }
}

Executor::Executor(OpenPlan plan, Setup setup)
    : impl_(std::make_unique<Impl>(std::move(plan), std::move(setup))) {}

Executor::~Executor() {
  std::vector<std::thread> threads;
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->closing = true;
    threads.swap(impl_->threads);
  }
  impl_->writes_came.notify_all();
  impl_->reads_came.notify_all();
  for (auto& thread : threads) thread.join();
}

void Executor::every(Duration interval, std::move_only_function<Result<bool>(Database&)> work,
                     std::move_only_function<void(const Error&)> failed) {
  const std::lock_guard lock(impl_->mutex);
  OUT_ASSERT(impl_->threads.empty());
  impl_->maintenance.emplace(Impl::Maintenance{interval, std::move(work), std::move(failed), {}});
}

bool Executor::submit(Kind kind, std::shared_ptr<Job> job) {
  const std::lock_guard lock(impl_->mutex);
  const bool reader = kind == Kind::read && impl_->readers_run;
  auto& queue = reader ? impl_->reads : impl_->writes;
  if (impl_->closing) return false;
  queue.push_back({kind, std::move(job)});
  if (impl_->threads.empty()) {
    impl_->threads.emplace_back([impl = impl_.get()] { impl->serve_writes(); });
  }
  if (reader) {
    impl_->reads_came.notify_one();
  } else {
    impl_->writes_came.notify_one();
  }
  return true;
}

Client::Client(std::shared_ptr<Executor> executor, Duration timeout)
    : executor_(std::move(executor)), timeout_(timeout) {}

Task<Result<>> Client::open() {
  Work<void> nothing = [](Database&) { return Result<>(); };
  auto result = co_await call<void>(Executor::Kind::open, std::move(nothing));
  co_return result;
}

Task<Result<>> Client::room(std::shared_ptr<State> state) {
  do {
    OUT_CO_CHECK(co_await state->changed.wait());
  } while (state->pending >= kQueuedMax);
  co_return Result<>();
}

Task<Result<>> Client::wait_for_room(std::shared_ptr<State> state, Duration timeout) {
  auto there = co_await with_timeout(room(std::move(state)), timeout);
  if (!there && there.error().code() == Code::deadline_exceeded) co_return fail(timed_out());
  co_return there;
}

Task<void> Client::wait_for_answers(std::shared_ptr<State> state) {
  while (state->pending > 0) {
    [[maybe_unused]] auto woken = co_await state->done.wait();
  }
}

Task<void> Client::close() {
  // Answers do come, whatever becomes of the caller.
  Cancellation never;
  co_await wait_for_answers(state_).under(never);
}

}  // namespace outrigger::components::sqlite
