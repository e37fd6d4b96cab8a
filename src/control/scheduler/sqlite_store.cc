#include "control/scheduler/sqlite_store.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/blocking_pool.h"
#include "base/hex.h"
#include "base/log.h"
#include "components/clients/sqlite/connection.h"
#include "control/scheduler/record.h"

namespace outrigger::control::scheduler {
namespace {

using components::sqlite::Client;
using components::sqlite::Database;
using components::sqlite::Executor;
using components::sqlite::OpenPlan;

const Logger log("dapr.scheduler.server.sqlite");

constexpr std::uint64_t kTerm = 1;
/// Jobs that are deleted with one write: others come between.
constexpr std::int64_t kRemoveSlice = 500;
/// What load() gives has no more bytes than this and a job.
constexpr std::size_t kLoadBytesMax = std::size_t{8} << 20;
constexpr std::string_view kFile = "outrigger-scheduler.db";
/// What is answered in this time after a removal is lost as is all that was answered before it.
constexpr Duration kFileCheckInterval = std::chrono::milliseconds(2);
constexpr Duration kLockRetry = std::chrono::milliseconds(100);

// The index has all that due() and shorten_waits() need. `gap` is Waking::wait_max.
constexpr std::string_view kTable =
    "CREATE TABLE IF NOT EXISTS job (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, "
    "job BLOB NOT NULL, counter BLOB, due INTEGER NOT NULL, gap INTEGER NOT NULL)";
constexpr std::string_view kIndex = "CREATE INDEX IF NOT EXISTS job_due ON job (due, id, gap)";
constexpr std::string_view kPut =
    "INSERT INTO job (id, name, job, counter, due, gap) VALUES (?1, ?2, ?3, NULL, ?4, ?5) "
    "ON CONFLICT (name) DO UPDATE SET id = ?1, job = ?3, counter = NULL, due = ?4, gap = ?5";

std::int64_t nanos(WallTime time) { return time.time_since_epoch().count(); }

std::string uri_of(const std::filesystem::path& file) {
  std::string uri = "file:";
  for (const char c : file.string()) {
    if (c == '%' || c == '?' || c == '#') {
      uri += '%';
      append_hex(uri, {&c, 1});
    } else {
      uri += c;
    }
  }
  return uri;
}

Result<std::optional<JobId>> id_of(Database& database, std::string_view name) {
  OUT_TRY(auto rows, database.query("SELECT id FROM job WHERE name = ?", {name}));
  OUT_TRY(const bool found, rows.next());
  if (!found) return std::nullopt;
  return static_cast<JobId>(rows.integer(0));
}

Result<bool> settle_one(Database& database, const Settlement& settlement) {
  const auto id = static_cast<std::int64_t>(settlement.id);
  if (!settlement.waking) {
    OUT_TRY(const auto deleted, database.execute("DELETE FROM job WHERE id = ?", {id}));
    return deleted > 0;
  }
  const std::string counter = encode(settlement.counter);
  OUT_TRY(const auto changed,
          database.execute("UPDATE job SET counter = ?, due = ?, gap = ? WHERE id = ?",
                           {std::string_view(counter), nanos(settlement.waking->due),
                            settlement.waking->wait_max.count(), id}));
  return changed > 0;
}

}  // namespace

/// Keeps a second scheduler out of the folder, for as long as this object or process lives.
class SqliteStore::FolderLock {
 public:
  static Result<std::unique_ptr<FolderLock>> take(const std::filesystem::path& folder) {
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    if (error) {
      return fail(Code::failed_precondition,
                  "cannot make the folder " + folder.string() + ": " + error.message());
    }
    const auto file = folder / "outrigger-scheduler.lock";
    const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
      return fail(Code::failed_precondition,
                  "cannot write to " + file.string() + ": " + std::strerror(errno));
    }
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
      ::close(fd);
      return fail(Code::unavailable, "another scheduler uses the folder " + folder.string());
    }
    return std::unique_ptr<FolderLock>(new FolderLock(fd));
  }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;
  ~FolderLock() { ::close(fd_); }

 private:
  explicit FolderLock(int fd) noexcept : fd_(fd) {}
  int fd_;
};

/// The files that SQLite has open, which others may remove: it would go on to write to what nobody
/// finds any more. Of the writing thread.
class SqliteStore::Files {
 public:
  explicit Files(const std::filesystem::path& folder)
      : database_{.path = folder / kFile},
        journal_{.path = folder / (std::string(kFile) + "-wal")} {}

  /// To be called when SQLite has just opened them.
  Result<> opened() {
    for (File* file : {&database_, &journal_}) {
      struct stat found{};
      // Some file systems cannot do with a journal of this kind, and SQLite then has none.
      file->known = ::stat(file->path.c_str(), &found) == 0;
      file->device = found.st_dev;
      file->number = found.st_ino;
    }
    return {};
  }
  /// Whether the files are still there; looks now and then only, for it is asked for each write.
  Result<> check() {
    const TimePoint now = std::chrono::steady_clock::now();
    if (now < good_until_) return {};
    for (const File* file : {&database_, &journal_}) {
      struct stat found{};
      const bool there =
          !file->known || (::stat(file->path.c_str(), &found) == 0 &&
                           found.st_dev == file->device && found.st_ino == file->number);
      if (!there) {
        return fail(Code::failed_precondition,
                    "the file " + file->path.string() +
                        " was removed or replaced while in use; nothing is written until it is "
                        "back in its place or this scheduler is started anew");
      }
    }
    good_until_ = now + kFileCheckInterval;
    return {};
  }

 private:
  struct File {
    std::filesystem::path path;
    bool known = false;
    dev_t device = 0;
    ino_t number = 0;
  };
  File database_, journal_;
  TimePoint good_until_;
};

SqliteStore::SqliteStore(SqliteOptions options) : options_(std::move(options)) {}
SqliteStore::~SqliteStore() = default;

Task<Result<>> SqliteStore::lock() {
  const TimePoint end = std::chrono::steady_clock::now() + options_.lock_timeout;
  for (bool told = false;; told = true) {
    std::move_only_function<Result<std::unique_ptr<FolderLock>>()> take =
        [folder = options_.folder] { return FolderLock::take(folder); };
    auto taken = co_await BlockingPool::shared().run(std::move(take));
    if (taken) {
      lock_ = *std::move(taken);
      co_return Result<>();
    }
    const bool held = taken.error().code() == Code::unavailable;
    if (!held) co_return std::unexpected(std::move(taken).error());
    if (std::chrono::steady_clock::now() > end) {
      co_return fail(Code::failed_precondition, taken.error().message());
    }
    if (!told) log.warn(taken.error(), "; waiting for it to end");
    OUT_CO_CHECK(co_await sleep_for(kLockRetry));
  }
}

Task<Result<>> SqliteStore::open(Events& events, std::string address) {
  if (!lock_) {
    OUT_CO_CHECK(co_await lock());
  }
  if (!calls_) {
    OpenPlan plan;
    plan.uri = uri_of(options_.folder / kFile);
    plan.pragmas = {"journal_mode(WAL)", "synchronous(FULL)", "cache_size(-16000)",
                    "wal_autocheckpoint(4000)"};
    plan.busy_timeout = std::chrono::seconds(2);
    files_ = std::make_shared<Files>(options_.folder);
    auto setup = [ids = ids_, files = files_](Database& database) -> Result<> {
      OUT_CHECK(database.execute(kTable));
      OUT_CHECK(database.execute(kIndex));
      OUT_TRY(auto rows, database.query("SELECT max(id) FROM job"));
      OUT_TRY(const bool found, rows.next());
      if (found) ids->last = static_cast<JobId>(rows.integer(0));
      return files->opened();
    };
    auto executor = std::make_shared<Executor>(std::move(plan), std::move(setup));
    calls_ = std::make_unique<Client>(executor, options_.timeout);
    triggers_ = std::make_unique<Client>(executor, options_.timeout);
  }
  OUT_CO_CHECK(co_await calls_->open());
  Share share{.index = 0, .total = 1, .term = kTerm, .hosts = {std::move(address)}};
  events.owned(std::move(share));
  co_return Result<>();
}

Task<Result<Written>> SqliteStore::put(PutRequest request) {
  Client::Work<Written> work = [ids = ids_, files = files_, request = std::move(request),
                                record = std::string()](Database& database) mutable {
    if (record.empty()) record = encode(request.job);
    const auto write = [&]() -> Result<Written> {
      OUT_CHECK(files->check());
      OUT_TRY(const auto replaced, id_of(database, request.name));
      if (replaced && request.only_new) {
        return fail(Code::already_exists, "job already exists: '" + request.name + "'");
      }
      // As good as the time, so that an id is not used again after the last job was deleted.
      ids->last = std::max(ids->last + 1, static_cast<JobId>(nanos(wall_now())));
      OUT_CHECK(database.execute(
          kPut,
          {static_cast<std::int64_t>(ids->last), std::string_view(request.name),
           std::string_view(record), nanos(request.waking.due), request.waking.wait_max.count()}));
      return Written{.id = ids->last, .replaced = replaced};
    };
    return write();
  };
  auto written = co_await calls_->write<Written>(std::move(work));
  co_return written;
}

Task<Result<std::optional<StoredJob>>> SqliteStore::get(std::string name) {
  Client::Work<std::optional<StoredJob>> work =
      [name = std::move(name)](Database& database) -> Result<std::optional<StoredJob>> {
    OUT_TRY(auto rows,
            database.query("SELECT job FROM job WHERE name = ?", {std::string_view(name)}));
    OUT_TRY(const bool found, rows.next());
    if (!found) return std::nullopt;
    OUT_TRY(auto job, decode_job(rows.text(0)));
    return job;
  };
  auto job = co_await calls_->read<std::optional<StoredJob>>(std::move(work));
  co_return job;
}

Task<Result<std::optional<JobId>>> SqliteStore::remove(std::string name) {
  Client::Work<std::optional<JobId>> work =
      [files = files_, name = std::move(name)](Database& database) -> Result<std::optional<JobId>> {
    OUT_CHECK(files->check());
    OUT_TRY(const auto id, id_of(database, name));
    if (!id) return std::nullopt;
    OUT_CHECK(database.execute("DELETE FROM job WHERE id = ?", {static_cast<std::int64_t>(*id)}));
    return id;
  };
  auto removed = co_await calls_->write<std::optional<JobId>>(std::move(work));
  co_return removed;
}

Task<Result<std::vector<JobId>>> SqliteStore::remove_prefix(std::string prefix) {
  std::vector<JobId> removed;
  for (std::size_t before = 0;;) {
    before = removed.size();
    Client::Work<std::vector<JobId>> work = [files = files_, prefix, end = names_end(prefix)](
                                                Database& database) -> Result<std::vector<JobId>> {
      OUT_CHECK(files->check());
      std::vector<JobId> ids;
      OUT_TRY(auto rows,
              database.query("DELETE FROM job WHERE id IN (SELECT id FROM job WHERE name >= ?1 "
                             "AND name < ?2 LIMIT ?3) RETURNING id",
                             {std::string_view(prefix), std::string_view(end), kRemoveSlice}));
      for (;;) {
        OUT_TRY(const bool more, rows.next());
        if (!more) return ids;
        ids.push_back(static_cast<JobId>(rows.integer(0)));
      }
    };
    OUT_CO_TRY(const auto slice, co_await calls_->write<std::vector<JobId>>(std::move(work)));
    removed.insert(removed.end(), slice.begin(), slice.end());
    if (removed.size() - before < static_cast<std::size_t>(kRemoveSlice)) co_return removed;
  }
}

Task<Result<std::vector<NamedJob>>> SqliteStore::list(ListRequest request) {
  Client::Work<std::vector<NamedJob>> work =
      [request = std::move(request)](Database& database) -> Result<std::vector<NamedJob>> {
    std::vector<NamedJob> jobs;
    const std::string end = names_end(request.prefix);
    // One bound only: SQLite would begin at the one and look at all up to the other.
    const bool goes_on = request.after >= request.prefix && !request.after.empty();
    OUT_TRY(auto rows,
            database.query(goes_on ? "SELECT name, job, id, counter FROM job WHERE name > ?1 AND "
                                     "name < ?2 ORDER BY name LIMIT ?3"
                                   : "SELECT name, job, id, counter FROM job WHERE name >= ?1 AND "
                                     "name < ?2 ORDER BY name LIMIT ?3",
                           {std::string_view(goes_on ? request.after : request.prefix),
                            std::string_view(end), static_cast<std::int64_t>(request.limit)}));
    for (std::size_t bytes = 0; bytes < request.bytes_max;) {
      OUT_TRY(const bool more, rows.next());
      if (!more) break;
      bytes += rows.text(1).size();
      OUT_TRY(auto job, decode_job(rows.text(1)));
      auto& named = jobs.emplace_back(std::string(rows.text(0)), std::move(job),
                                      static_cast<JobId>(rows.integer(2)));
      if (rows.is_null(3)) continue;
      OUT_TRY(named.counter, decode_counter(rows.text(3)));
    }
    return jobs;
  };
  auto jobs = co_await calls_->read<std::vector<NamedJob>>(std::move(work));
  co_return jobs;
}

Task<Result<std::vector<Due>>> SqliteStore::due(std::uint64_t term, Due after, WallTime until,
                                                std::size_t limit) {
  if (term != kTerm) co_return other_term();
  Client::Work<std::vector<Due>> work = [after, until,
                                         limit](Database& database) -> Result<std::vector<Due>> {
    std::vector<Due> found;
    OUT_TRY(auto rows, database.query("SELECT due, id FROM job WHERE (due, id) > (?1, ?2) AND "
                                      "due <= ?3 ORDER BY due, id LIMIT ?4",
                                      {nanos(after.when), static_cast<std::int64_t>(after.id),
                                       nanos(until), static_cast<std::int64_t>(limit)}));
    for (;;) {
      OUT_TRY(const bool more, rows.next());
      if (!more) return found;
      found.push_back({WallTime(std::chrono::nanoseconds(rows.integer(0))),
                       static_cast<JobId>(rows.integer(1))});
    }
  };
  auto found = co_await triggers_->read<std::vector<Due>>(std::move(work));
  co_return found;
}

Task<Result<Loaded>> SqliteStore::load(std::uint64_t term, std::vector<JobId> ids) {
  if (term != kTerm) co_return other_term();
  Client::Work<Loaded> work = [ids = std::move(ids)](Database& database) -> Result<Loaded> {
    Loaded loaded;
    for (std::size_t bytes = 0; loaded.looked_up < ids.size() && bytes < kLoadBytesMax;) {
      const JobId id = ids[loaded.looked_up++];
      OUT_TRY(auto rows, database.query("SELECT name, job, counter, due FROM job WHERE id = ?",
                                        {static_cast<std::int64_t>(id)}));
      OUT_TRY(const bool found, rows.next());
      if (!found) continue;
      auto& job = loaded.jobs.emplace_back();
      job.id = id;
      job.name = rows.text(0);
      job.job = rows.text(1);
      if (!rows.is_null(2)) job.counter = rows.text(2);
      job.due = WallTime(std::chrono::nanoseconds(rows.integer(3)));
      bytes += job.job.size();
    }
    return loaded;
  };
  auto loaded = co_await triggers_->read<Loaded>(std::move(work));
  co_return loaded;
}

Task<Result<std::vector<bool>>> SqliteStore::settle(std::uint64_t term,
                                                    std::vector<Settlement> settlements) {
  if (term != kTerm) co_return other_term();
  Client::Work<std::vector<bool>> work = [files = files_, settlements = std::move(settlements)](
                                             Database& database) -> Result<std::vector<bool>> {
    OUT_CHECK(files->check());
    std::vector<bool> there;
    there.reserve(settlements.size());
    for (const auto& settlement : settlements) {
      OUT_TRY(const bool changed, settle_one(database, settlement));
      there.push_back(changed);
    }
    return there;
  };
  auto there = co_await triggers_->write_unflushed<std::vector<bool>>(std::move(work));
  co_return there;
}

Task<Result<>> SqliteStore::shorten_waits(std::uint64_t term, WallTime now) {
  if (term != kTerm) co_return other_term();
  Client::Work<void> work = [files = files_, now](Database& database) -> Result<> {
    OUT_CHECK(files->check());
    OUT_CHECK(database.execute(
        "UPDATE job SET due = ?1 + gap WHERE due > ?1 AND gap > 0 AND due - gap > ?1",
        {nanos(now)}));
    return {};
  };
  auto done = co_await triggers_->write_unflushed<void>(std::move(work));
  co_return done;
}

Task<Result<>> SqliteStore::probe() {
  Client::Work<void> work = [files = files_](Database& database) -> Result<> {
    OUT_CHECK(files->check());
    OUT_CHECK(database.execute("PRAGMA user_version = 1"));
    return {};
  };
  auto done = co_await calls_->write<void>(std::move(work));
  co_return done;
}

Task<void> SqliteStore::close() {
  if (calls_) co_await calls_->close();
  if (triggers_) co_await triggers_->close();
  calls_.reset();
  triggers_.reset();
  lock_.reset();
}

}  // namespace outrigger::control::scheduler
