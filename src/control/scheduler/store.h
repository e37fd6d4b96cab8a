#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/loop.h"
#include "base/task.h"
#include "control/scheduler/job.h"
#include "control/scheduler/life.h"

namespace outrigger::control::scheduler {

/// One writing of a job: another one of the same name has another, larger id (etcd: the key's
/// modification revision). What is done to a job names its id, and does nothing to a later one.
using JobId = std::uint64_t;

/// Those jobs whose partition id modulo `total` is `index`.
struct Place {
  std::uint64_t index = 0;
  std::uint64_t total = 1;
  [[nodiscard]] constexpr bool has(std::uint64_t partition_id) const noexcept {
    return partition_id % (total == 0 ? 1 : total) == index;
  }
  bool operator==(const Place&) const = default;
};

/// Which jobs this replica triggers.
struct Share {
  std::uint64_t index = 0;
  std::uint64_t total = 1;
  /// Fencing: a later share has a larger term, and the store refuses what is done under an earlier
  /// one with Code::aborted.
  std::uint64_t term = 0;
  /// The addresses of all replicas, for the sidecars.
  std::vector<std::string> hosts;
  /// What nobody else can have triggered since the share before ended: the jobs of all these
  /// places. What of it is in flight is in flight under this share. nullopt: there is no such.
  std::optional<std::vector<Place>> since = std::nullopt;

  [[nodiscard]] Place place() const noexcept { return {index, total}; }
  /// Whether a job of the share before that is this one's as well has been nobody else's.
  [[nodiscard]] bool continues(std::uint64_t partition_id) const noexcept;
  /// Begins where one ended that nobody was told of.
  void follow_untold(const Share& before);
  bool operator==(const Share&) const = default;
};

/// How long the end of a share is held up for what sidecars are at work on: they all wait for the
/// slowest. Less than half a lease, and than the five seconds that the port has for its streams.
constexpr Duration kDrainMax = std::chrono::seconds(4);

/// A moment in the order in which jobs are due.
struct Due {
  WallTime when;
  JobId id = 0;
  auto operator<=>(const Due&) const = default;
};

struct PutRequest {
  std::string name;
  StoredJob job;
  Waking waking;
  /// Fail with Code::already_exists if there is a job of that name.
  bool only_new = false;
};
struct Written {
  JobId id = 0;
  std::optional<JobId> replaced;
};

struct ListRequest {
  /// "": all.
  std::string prefix;
  /// Names after this one only; "" from the first on.
  std::string after;
  std::size_t limit = 1000;
  /// Of their records: no more than this and one job. Engines that others can read keep to `limit`
  /// only where they cannot do it.
  std::size_t bytes_max = std::size_t{8} << 20;
};
struct NamedJob {
  std::string name;
  StoredJob job;
  JobId id = 0;
  /// Not told by engines that others can read.
  std::optional<Counter> counter;
};

/// A job with all that is needed to trigger it.
struct LoadedJob {
  JobId id = 0;
  WallTime due;
  std::string name;
  /// As bytes, so that one that cannot be read harms no other.
  std::string job;
  std::optional<std::string> counter;
};

/// The beginning of what was asked for: how many ids have been looked up, and what was found. Not
/// all if that would be too much memory.
struct Loaded {
  std::size_t looked_up = 0;
  std::vector<LoadedJob> jobs;
};

/// What came of a trigger.
struct Settlement {
  JobId id = 0;
  Counter counter;
  /// nullopt: the job is over and is deleted.
  std::optional<Waking> waking;
};

/// What a store answers to what is done under a term that is over, or not yet begun.
inline std::unexpected<Error> other_term() {
  return fail(Code::aborted, "the share of jobs is another one by now");
}

/// The first text behind all names that begin with the prefix, in the order of bytes.
inline std::string names_end(std::string prefix) {
  while (!prefix.empty() && prefix.back() == '\xff') prefix.pop_back();
  // Names are UTF-8, which has no such byte.
  if (prefix.empty()) return "\xff";
  prefix.back() = static_cast<char>(prefix.back() + 1);
  return prefix;
}

/// Where jobs are kept: an engine such as SQLite, etcd or PostgreSQL. One object per process, used
/// on one loop; calls may overlap. Errors of the engine are transient unless said otherwise: the
/// caller tries again. A write that was answered survives the end of this process, and of the
/// machine as far as the engine's own settings go.
class Store {
 public:
  /// Told on the store's loop of what the engine does by itself.
  class Events {
   public:
    /// This replica has this share from now on; it has none before, and none after lost().
    virtual void owned(Share share) = 0;
    /// The share is about to end in good order: nothing more of it is to be sent. Returns when what
    /// sidecars are at work on has been answered and settled, which the store still takes.
    /// Cancelled when that has taken kDrainMax; lost() follows either way.
    virtual Task<Result<>> drain() = 0;
    virtual void lost() = 0;
    /// Another replica has written a job of this share. `replaced`: what it replaces, if the engine
    /// knows.
    virtual void changed(JobId id, std::optional<JobId> replaced, WallTime due) = 0;
    /// Another replica has deleted or replaced it. An engine need not tell: load() does not find
    /// it.
    virtual void removed(JobId id) = 0;

   protected:
    ~Events() = default;
  };

  virtual ~Store() = default;

  /// Connects and takes part in sharing the work, under the address that sidecars reach this
  /// replica at. Errors that time will not mend are failed_precondition or data_loss.
  virtual Task<Result<>> open(Events& events, std::string address) = 0;

  // For the API: all jobs, whoever triggers them.

  virtual Task<Result<Written>> put(PutRequest request) = 0;
  virtual Task<Result<std::optional<StoredJob>>> get(std::string name) = 0;
  /// The id of what was deleted; nullopt if there was nothing.
  virtual Task<Result<std::optional<JobId>>> remove(std::string name) = 0;
  /// Deletes all jobs whose name begins so. If it fails, some may have been deleted.
  virtual Task<Result<std::vector<JobId>>> remove_prefix(std::string prefix) = 0;
  /// By name. Fewer than there may be: only when there is none that was the last page.
  virtual Task<Result<std::vector<NamedJob>>> list(ListRequest request) = 0;

  // For triggers: jobs of this share, under its term.

  /// Jobs after one moment up to another, in order, at most so many.
  virtual Task<Result<std::vector<Due>>> due(std::uint64_t term, Due after, WallTime until,
                                             std::size_t limit) = 0;
  /// Those of the ids that there still are.
  virtual Task<Result<Loaded>> load(std::uint64_t term, std::vector<JobId> ids) = 0;
  /// For each whether the job was still there. Need not have reached the disk when it is answered:
  /// what a failure of the machine undoes is a trigger that is repeated. May be asked for again.
  virtual Task<Result<std::vector<bool>>> settle(std::uint64_t term,
                                                 std::vector<Settlement> settlements) = 0;
  /// The clock was set back: jobs that would now wait longer than they lawfully can become due
  /// when that time has passed.
  virtual Task<Result<>> shorten_waits(std::uint64_t term, WallTime now) = 0;

  /// Writes something that means nothing, as durably as a job: whether the engine takes writes.
  virtual Task<Result<>> probe() = 0;

  virtual Task<void> close() = 0;
};

}  // namespace outrigger::control::scheduler
