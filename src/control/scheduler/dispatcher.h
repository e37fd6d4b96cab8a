#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "control/scheduler/backlog.h"
#include "control/scheduler/target.h"

namespace outrigger::control::scheduler {

/// What a sidecar gets to see of a trigger.
struct Delivery {
  std::string name;
  std::optional<Payload> payload;
  /// A serialised JobMetadata.
  std::string metadata;
};

/// No more than `count` triggers at a time of an actor type, or of one concurrency key of it, in
/// all sidecars of a namespace together.
struct Limit {
  std::uint32_t count = 0;
  std::string actor_type;
  std::optional<std::string> concurrency_key;
};

/// What a sidecar says when it connects.
struct WatchRequest {
  std::string app_id;
  std::string name_space;
  /// Takes jobs of its app.
  bool jobs = true;
  /// Takes reminders of these actor types.
  std::vector<std::string> actor_types;
  std::vector<Limit> limits;
};

/// A sidecar's stream.
class Watcher {
 public:
  /// Queues a message. `trigger` comes back with the answer.
  virtual void send(std::uint64_t trigger, Delivery delivery) = 0;
  /// So much is queued that nothing should be added: Dispatcher::has_room() is called when there
  /// is room again.
  [[nodiscard]] virtual bool full() const = 0;

 protected:
  ~Watcher() = default;
};
using WatcherId = std::uint64_t;

enum class Answer : std::uint8_t { success, failed };

/// Finds each trigger a stream that takes it, in turn among those that do, within the limits; keeps
/// the ids of those that must wait for a stream, for room in one, or for a limit. No I/O, no clock.
class Dispatcher {
 public:
  /// Who offers triggers. Calls come from within calls of the dispatcher.
  class Owner {
   public:
    /// The job may have been forgotten meanwhile.
    virtual void answered(JobId job, Answer answer) = 0;
    /// It had been sent to a stream that is gone. False if it has been forgotten meanwhile; else
    /// again() follows.
    virtual bool undelivered(JobId job) = 0;
    /// It has waited long enough: offer it again.
    virtual void again(JobId job) = 0;

   protected:
    ~Owner() = default;
  };
  /// Of a limit, named "<actor type>" or "<actor type>:<concurrency key>".
  class Gauges {
   public:
    virtual void in_flight(const std::string& limit, std::size_t count) = 0;
    virtual void pending(const std::string& limit, std::size_t count) = 0;
    virtual void throttled(const std::string& limit) = 0;
    virtual void watchers(std::size_t count) = 0;

   protected:
    ~Gauges() = default;
  };
  enum class Outcome : std::uint8_t {
    sent,           ///< answered() or undelivered() follows.
    waits,          ///< again() follows.
    undeliverable,  ///< No stream takes it; again() follows when one comes.
  };

  /// Both must outlive the dispatcher.
  Dispatcher(Owner& owner, Gauges& gauges) : owner_(owner), gauges_(gauges) {}

  Outcome offer(JobId job, const Target& target, Delivery delivery);
  /// Nothing more is wanted to be known of this job: it was deleted, say.
  void forget(JobId job);
  /// Forgets all jobs that wait.
  void forget_waiting();
  /// Nothing is wanted to be known of the answers to such triggers, for their jobs may be offered
  /// again before these come. They count for limits.
  void disown(const std::function<bool(JobId)>& such);
  /// This replica's place among all that share the jobs: its part of each limit.
  void set_share(std::uint64_t index, std::uint64_t total);

  WatcherId add(Watcher& watcher, WatchRequest request);
  void remove(WatcherId watcher);
  /// False if the stream had no such trigger.
  bool answer(WatcherId watcher, std::uint64_t trigger, Answer answer);
  void has_room(WatcherId watcher);
  /// has_room() for all streams that are not full: some of those that were called again are gone.
  void offer_room();

 private:
  struct Limiter {
    std::string shown;
    std::uint32_t count = 0;
    std::uint32_t taken = 0;
    std::size_t users = 0;
    Backlog waiting;
  };
  using Limiters = std::vector<std::string>;  // Keys of limiters_.
  struct Group {
    std::vector<WatcherId> watchers;
    std::size_t turn = 0;
    /// For a stream, or for room in one.
    Backlog waiting;
  };
  struct Flight {
    JobId job;
    std::string group;
    Limiters limiters;
  };
  struct Connected {
    Watcher* watcher;
    std::vector<std::string> groups;
    Limiters limiters;
    std::uint64_t last_trigger = 0;
    std::unordered_map<std::uint64_t, Flight> flights;
  };

  [[nodiscard]] std::uint32_t part_of(std::uint32_t count) const noexcept;
  Limiters limiters_for(const Target& target) const;
  WatcherId choose(Group& group) const;
  bool acquire(const Limiters& limiters);
  void release(const Limiters& limiters);
  void admit(Limiter& limiter);
  void wait(Backlog& backlog, JobId job);
  /// The one that keeps a job with these needs from going.
  Limiter& blocking(const Limiters& needs);
  void wait_for_limit(JobId job, Limiters needs);
  void sweep_groups();
  void wake_all(Backlog& backlog);
  void set_limits(Connected& connected, const WatchRequest& request);
  void drop_limiters(const Limiters& limiters);

  Owner& owner_;
  Gauges& gauges_;
  std::uint64_t index_ = 0;
  std::uint64_t total_ = 1;
  WatcherId last_watcher_ = 0;
  std::unordered_map<WatcherId, Connected> connected_;
  std::unordered_map<std::string, Group> groups_;
  std::size_t sweep_groups_at_ = 0;
  std::map<std::string, Limiter> limiters_;
  /// What jobs that wait for a limit need, and what those have that are about to be offered again.
  std::unordered_map<JobId, Limiters> needs_;
  std::unordered_map<JobId, Limiters> holds_;
  /// All that wait.
  Waiting waiting_;
};

}  // namespace outrigger::control::scheduler
