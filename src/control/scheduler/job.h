#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "base/result.h"
#include "base/time_format.h"

namespace outrigger::control::scheduler {

/// A google.protobuf.Any as it came.
struct Payload {
  std::string type_url;
  std::string value;
  bool operator==(const Payload&) const = default;
};

/// What becomes of a trigger that failed.
struct FailurePolicy {
  enum class Kind : std::uint8_t {
    none,      ///< Named none: as drop.
    drop,      ///< Never again.
    constant,  ///< Again after `interval`.
  };
  Kind kind = Kind::none;
  /// nullopt: at once.
  std::optional<std::chrono::nanoseconds> interval;
  /// nullopt: for ever.
  std::optional<std::uint32_t> retries_max;
  bool operator==(const FailurePolicy&) const = default;
};

/// A job as it was asked for.
struct Job {
  std::optional<std::string> schedule;
  std::optional<std::string> due_time;
  std::optional<std::string> ttl;
  std::optional<std::uint32_t> repeats;
  /// A serialised dapr.proto.scheduler.v1.JobMetadata.
  std::optional<Payload> metadata;
  std::optional<Payload> payload;
  std::optional<FailurePolicy> failure_policy;
  bool operator==(const Job&) const = default;
};

/// A job as it is kept: upstream's stored.Job.
struct StoredJob {
  /// Random. Modulo the number of replicas it says whose job it is; a counter that has another one
  /// is left over from an earlier job of the same name.
  std::uint64_t partition_id = 0;
  /// The schedule counts from `start`, which is no trigger; `due_time` is the first trigger.
  std::optional<WallTime> start;
  std::optional<WallTime> due_time;
  std::optional<WallTime> expiration;
  Job job;
  bool operator==(const StoredJob&) const = default;
};

/// How far a job has come: upstream's stored.Counter.
struct Counter {
  std::uint64_t partition_id = 0;
  /// How often it was due and has been dealt with.
  std::uint32_t count = 0;
  std::optional<WallTime> last_trigger;
  /// Failures of the present trigger.
  std::uint32_t attempts = 0;
  bool operator==(const Counter&) const = default;
};

/// The job that is kept if this is asked for `now`; a job without a failure policy gets the default
/// one: after a second, three times. Code::unknown with upstream's text if it makes no sense.
Result<StoredJob> accept(Job job, WallTime now, std::uint64_t partition_id);

/// Whether a job can have this name (as it is stored, see target.h). Code::unknown with upstream's
/// text.
Result<> check_name(std::string_view name);

}  // namespace outrigger::control::scheduler
