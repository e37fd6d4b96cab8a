#pragma once

#include "runtime/actors/invocation.h"
#include "runtime/scheduler/service.h"

namespace outrigger::runtime::actors {

/// A reminder that the application asks for.
struct ReminderRequest {
  ActorRef actor;
  std::string name;
  ScheduleText when;
  std::optional<AnyData> data;
  bool overwrite = true;
  std::optional<scheduler::FailurePolicy> failure_policy;
};

/// A reminder as the scheduler has it.
struct StoredReminder {
  std::string name;
  ActorRef actor;
  std::string due_time;
  std::string period;
  std::optional<AnyData> data;
  std::string ttl;  ///< RFC 3339; empty: none.
};

/// The reminders of the actors, which the scheduler keeps. On one loop. Errors are the API's
/// (errors.h). Whether a type is hosted is for the caller to check.
class Reminders {
 public:
  /// Must outlive this object.
  explicit Reminders(scheduler::Service& jobs) : jobs_(jobs) {}

  Task<Result<>> add(ReminderRequest request);
  Task<Result<>> remove(ActorRef actor, std::string name);
  /// Of one actor, or of all of the type (no id).
  Task<Result<>> remove_all(std::string type, std::optional<std::string> id);
  Task<Result<StoredReminder>> get(ActorRef actor, std::string name);
  /// Of one actor, or of all of the type (empty id). The error is the scheduler's.
  Task<Result<std::vector<StoredReminder>>> list(ActorRef actors);

 private:
  scheduler::Service& jobs_;
};

}  // namespace outrigger::runtime::actors
