#pragma once

#include <functional>
#include <memory>
#include <unordered_map>
#include <unordered_set>

#include "base/scope.h"
#include "control/scheduler/alarm_queue.h"
#include "control/scheduler/clock.h"
#include "control/scheduler/dispatcher.h"
#include "control/scheduler/life.h"
#include "control/scheduler/metrics.h"
#include "control/scheduler/store.h"
#include "control/scheduler/trouble.h"

namespace outrigger::control::scheduler {

struct EngineOptions {
  /// Jobs that are due within this time are kept in memory as an id and a time...
  std::chrono::nanoseconds window = std::chrono::minutes(10);
  /// ...but no more than about twice so many.
  std::size_t queued_max = 100'000;
  /// Triggers whose turn it is and that are read from the store, at most.
  std::size_t ready_max = 4096;
};

/// Triggers jobs when they are due. In memory are: an id and a time for each job that is due soon,
/// an id for each one that is due and waits for a sidecar, and the state of those that a sidecar is
/// at work on. Everything else is in the store, and is read when it is needed. On one loop.
class Engine final : private Store::Events, private Dispatcher::Owner, private Clock::Handler {
 public:
  /// All must outlive the engine. `healthy` is told when the store begins or ceases to fail for
  /// long.
  Engine(Store& store, Clock& clock, Metrics& metrics, EngineOptions options,
         std::function<void(bool)> healthy);
  ~Engine();

  /// Opens the store and begins. `address`: where sidecars reach this replica.
  Task<Result<>> open(std::string address);
  /// Sends nothing more from now on, and waits until what sidecars are at work on has been answered
  /// and settled, no longer than `limit`: before the streams are ended.
  Task<void> wind_down(Duration limit);
  /// Ends; what sidecars have answered is written down first, if the store lets it.
  Task<void> close();

  // The API. Names are as they are stored. Errors are upstream's.

  Task<Result<>> schedule(std::string name, Job job, bool overwrite);
  /// nullopt: there is none.
  Task<Result<std::optional<Job>>> get(std::string name);
  Task<Result<>> remove(std::string name);
  Task<Result<>> remove_prefix(std::string prefix);
  Task<Result<std::vector<NamedJob>>> list(ListRequest request);

  // Records as another scheduler kept them.

  Task<Result<>> restore(std::string name, StoredJob job);
  /// After its job. One that belongs to no job is dropped. Code::unimplemented for stores that do
  /// not tell a job's id in a list.
  Task<Result<>> restore_counter(std::string name, Counter counter);

  /// The streams of sidecars.
  Dispatcher& dispatcher() noexcept { return dispatcher_; }
  /// The addresses of all replicas, and a number that changes with them.
  struct Hosts {
    std::uint64_t version = 0;
    std::vector<std::string> addresses;
  };
  [[nodiscard]] const Hosts& hosts() const noexcept { return hosts_; }
  [[nodiscard]] Signal& hosts_changed() noexcept { return hosts_changed_; }

  struct Counts {
    std::size_t known = 0, queued = 0, in_flight = 0;
  };
  [[nodiscard]] Counts counts() const noexcept;

 private:
  /// Where a job is that is in memory.
  enum class State : std::uint8_t {
    queued,    ///< In alarms_.
    ready,     ///< In ready_ or woken_, or being read.
    waiting,   ///< In the dispatcher.
    flying,    ///< At a sidecar, and in flights_.
    settling,  ///< In unsettled_ or at_store_.
  };
  struct Flight {
    Life life;
    Metrics::Type type;
    TimePoint since;
  };
  struct Unsettled {
    Settlement settlement;
    std::uint64_t partition_id = 0;
  };

  // Store::Events
  void owned(Share share) override;
  Task<Result<>> drain() override;
  void lost() override;
  void changed(JobId id, std::optional<JobId> replaced, WallTime due) override;
  void removed(JobId id) override;
  // Dispatcher::Owner
  void answered(JobId job, Answer answer) override;
  bool undelivered(JobId job) override;
  void again(JobId job) override;
  // Clock::Handler
  void on_time() override;
  void on_jump() override;

  Task<Result<>> write(PutRequest request);
  void carry_over(const Share& share);
  [[nodiscard]] bool mine(std::uint64_t partition_id) const noexcept;
  bool is(JobId id, State state) const;
  void enqueue(Due due);
  void forget(JobId id);
  void make_ready(JobId id);
  void take_due();
  /// `now`: up to when all that is due has been taken.
  void arm(WallTime now);

  void tell_health(bool& part, bool works);
  void poke();
  Task<void> read_ahead();
  /// Whether there may be more to read.
  Task<Result<bool>> read_some();
  void forget_queued();
  Task<void> shorten_waits();
  void shed();
  std::vector<JobId> next_ready();
  Task<void> trigger_ready();
  void trigger(LoadedJob loaded);
  void deliver(LoadedJob& loaded, Life life, const Target& target, Delivery delivery);
  Task<void> settle_answers();
  Task<Result<>> wait_settled();
  [[nodiscard]] bool settled_all() const noexcept;
  [[nodiscard]] bool may_send() const noexcept { return share_ && !draining_ && !winding_down_; }
  void settled(const Settlement& settlement, bool there);
  void settle(JobId id, const Life& life);

  Store& store_;
  Clock& clock_;
  Metrics& metrics_;
  const EngineOptions options_;
  std::function<void(bool)> healthy_;
  bool reads_work_ = true;
  bool settling_works_ = true;
  Trouble reading_;
  Trouble settling_;
  Dispatcher dispatcher_;
  std::optional<Share> share_;
  bool draining_ = false;      ///< The share ends.
  bool winding_down_ = false;  ///< The engine does.
  Hosts hosts_;
  Signal hosts_changed_;

  std::unordered_map<JobId, State> known_;
  AlarmQueue alarms_;
  std::optional<WallTime> armed_;
  /// Everything up to here is in memory; up to `reading_to_` it is being read.
  Due horizon_;
  Due reading_to_;
  bool start_over_ = false;
  bool waits_to_shorten_ = false;
  bool look_ahead_ = false;
  Signal look_ahead_signal_;
  Timer retry_;
  std::deque<JobId> ready_;
  /// Ready as well: the dispatcher has called them again.
  std::deque<JobId> woken_;
  Signal ready_changed_;
  /// These, and what is not settled, outlive the share: the next one may have the job as well.
  std::unordered_map<JobId, Flight> flights_;
  std::deque<Unsettled> unsettled_;
  Signal unsettled_changed_;
  /// What the store is at just now.
  std::vector<Unsettled> at_store_;
  /// A flight has ended, or all answers are settled.
  Signal calmer_;

  std::unique_ptr<Scope> scope_;
};

}  // namespace outrigger::control::scheduler
