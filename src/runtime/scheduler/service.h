#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/loop.h"
#include "base/readiness.h"
#include "base/task.h"

namespace outrigger::telemetry {
class GrpcMetrics;
}
namespace outrigger::net {
class TlsContext;
}

/// The sidecar's client of the scheduler service, which keeps jobs and actor reminders and sends
/// them back when they are due.
namespace outrigger::runtime::scheduler {

/// google.protobuf.Any, its value as it is.
struct Any {
  std::string type_url;
  std::string value;
};

/// What the scheduler does about a job that was not taken.
struct FailurePolicy {
  enum class Kind : std::uint8_t { unset, drop, constant };
  /// As on the wire: what cannot be is the scheduler's to refuse.
  struct Interval {
    std::int64_t seconds = 0;
    std::int32_t nanos = 0;
  };
  Kind kind = Kind::unset;
  // Of Kind::constant:
  std::optional<Interval> interval;
  std::optional<std::uint32_t> retries_max;  ///< Absent: for ever.
};

/// When a job is due, and what comes with it. Texts are as the scheduler takes them: cron with
/// seconds or "@every 5s", durations or times.
struct Job {
  std::optional<std::string> schedule;
  std::optional<std::uint32_t> repeats;
  std::optional<std::string> due_time;
  std::optional<std::string> ttl;
  std::optional<Any> data;
  std::optional<FailurePolicy> failure_policy;
};

/// Whom a job is for: this sidecar's application, or an actor.
struct Target {
  struct Actor {
    std::string type;
    std::string id;
  };
  std::optional<Actor> actor;
  /// The name that concurrency limits apply to; only when a job is scheduled.
  std::optional<std::string> concurrency_key;
};

struct NamedJob {
  std::string name;
  Target target;
  Job job;
};

/// A job that is due now.
struct Trigger {
  std::string name;
  Target target;
  std::optional<Any> data;
};

/// The wire knows no third one. Failed: the job's failure policy decides what comes next.
enum class Outcome : std::uint8_t { success, failed };

/// Whoever takes triggers of one kind, on one loop. Calls overlap. A call is cancelled when its
/// scheduler is no longer connected, or shutdown wants it: its outcome is then not heard.
class Receiver {
 public:
  virtual Task<Outcome> trigger(Trigger trigger) = 0;

 protected:
  ~Receiver() = default;
};

/// How patient a call is. The default is that of reminders: as long as its caller waits, and a
/// scheduler that cannot be reached is an error at once.
struct Patience {
  std::optional<Duration> limit;
  /// A scheduler that cannot be reached is waited for.
  bool wait_for_ready = false;
};

/// The jobs and reminders of this sidecar's application, seen from one loop. Calls go to the
/// schedulers in turn, and wait until these are known. An error has the code of the gRPC status, or
/// Code::unknown if no scheduler could be asked, and as message what upstream's text of it is: "rpc
/// error: code = NotFound desc = ...", "scheduler clients are disabled".
class Service {
 public:
  struct Settings {
    std::string app_id;
    std::string app_namespace;
    /// Where calls are counted, nullptr: nowhere; must outlive the service.
    const telemetry::GrpcMetrics* metrics = nullptr;
    /// What is spoken with schedulers; nullptr: cleartext.
    std::shared_ptr<net::TlsContext> tls;
  };

  /// On its loop.
  explicit Service(Settings settings);
  /// close() must have ended.
  ~Service();

  /// Code::already_exists if there is one of that name and `overwrite` is false.
  Task<Result<>> schedule(std::string name, Target target, Job job, bool overwrite,
                          Patience patience = {});
  /// Code::not_found if there is none.
  Task<Result<Job>> get(std::string name, Target target, Patience patience = {});
  /// No error if there is none.
  Task<Result<>> remove(std::string name, Target target, Patience patience = {});
  /// Everything of the target: of the application, of an actor, of all actors of a type (empty id),
  /// or of those whose id begins so. Code::unimplemented by an old scheduler.
  Task<Result<>> remove_by_metadata(Target target, bool id_is_prefix, Patience patience = {});
  Task<Result<>> remove_by_name_prefix(std::string prefix, Target target, Patience patience = {});
  /// An actor without an id: all of that type.
  Task<Result<std::vector<NamedJob>>> list(Target target, Patience patience = {});

  /// Who takes what is due; nullptr: nobody, which is Outcome::failed. Must outlive close().
  void set_app_receiver(Receiver* receiver) noexcept;
  void set_actor_receiver(Receiver* receiver) noexcept;

  /// Cancels the triggers and calls that still run, and waits for their end.
  Task<void> close();

 private:
  friend class Cluster;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The connection to all schedulers, one for the process: learns which there are, tells every
/// loop's Service, and says which triggers this sidecar takes. On loop 0.
class Cluster {
 public:
  struct Settings {
    /// As configured, "host:port"; none: there is no scheduler.
    std::vector<std::string> addresses;
    /// Streams for triggers to each scheduler; they are spread over the loops.
    unsigned streams = 3;
    /// Gets the target "scheduler-watch-hosts" here, ready once the schedulers are known; must
    /// outlive this object.
    Readiness* ready = nullptr;
    /// What is spoken with schedulers; nullptr: cleartext.
    std::shared_ptr<net::TlsContext> tls;
  };

  /// One service a loop, in the order of the loops.
  Cluster(Loops& loops, std::vector<Service*> services, Settings settings);
  /// close() must have ended.
  ~Cluster();

  void start();
  /// Which actors are hosted here now. The streams begin anew if that is a change.
  void set_actor_types(std::vector<std::string> types);
  /// Whether the application can be called with jobs. The streams begin anew, as upstream's do,
  /// with actors as before.
  void set_app_ready(bool ready);
  /// The schedulers that calls go to.
  [[nodiscard]] std::vector<std::string> connected_addresses() const;

  /// No more triggers: those that run may come to their end for so long and are then cancelled, and
  /// the streams end. Calls of the services go on, but wait for no scheduler any more.
  Task<void> stop_triggers(Duration grace);
  /// The same without grace, and watches no more. The services are closed each for itself.
  Task<void> close();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace outrigger::runtime::scheduler
