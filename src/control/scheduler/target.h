#pragma once

#include <optional>
#include <string>

#include "control/scheduler/job.h"

namespace outrigger::control::scheduler {

/// Whom a job is for: what its metadata says.
struct Target {
  enum class Kind : std::uint8_t { job, actor };
  Kind kind = Kind::job;
  std::string app_id;
  std::string name_space;
  std::string actor_type;
  std::string actor_id;
  /// Name of the workflow or activity, which a limit may apply to.
  std::optional<std::string> concurrency_key;
};

/// The words before a job's own name in the name it is stored by:
/// "app||<namespace>||<app id>||" or "actorreminder||<namespace>||<actor type>||<actor id>||".
[[nodiscard]] std::string prefix_of(const Target& target);
/// Who takes the job's triggers: all but the actor's id. One stream may serve several groups.
[[nodiscard]] std::string group_of(const Target& target);

/// From the metadata that is stored with a job, which other programs may have written.
Result<Target> target_of(const StoredJob& job);

}  // namespace outrigger::control::scheduler
