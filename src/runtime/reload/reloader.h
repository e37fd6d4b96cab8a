#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/scope.h"
#include "runtime/reload/reader.h"

namespace outrigger::runtime::reload {

/// What is made to agree with the files.
class Target {
 public:
  /// Why files are read again. `again`: also without a sign of change, at the interval; what failed
  /// before is then tried once more, as it is after a change.
  enum class Cause : std::uint8_t { start, change, again };

  virtual ~Target() = default;
  /// What needs nothing that may not answer: who may call whom does not wait for a component that
  /// is being opened. One call at a time, but apply() may be at work on an earlier snapshot.
  virtual Task<void> apply_at_once(std::shared_ptr<const Snapshot> now) = 0;
  /// The rest. One call at a time, of this and the two below; snapshots that came and went
  /// meanwhile are passed over. An error is fatal for the sidecar.
  virtual Task<Result<>> apply(std::shared_ptr<const Snapshot> now, Cause cause) = 0;
  /// One of the watched secret files has changed.
  virtual Task<Result<>> secret_files_changed() = 0;
  /// The time to ask other secret stores again has come.
  virtual Task<Result<>> poll_secrets() = 0;
};

/// Watches the files of a sidecar and applies what becomes of them, one change after the other; all
/// that happened while one was at work is the next. On loop 0.
class Reloader {
 public:
  struct Options {
    Sources sources;
    /// What was read at the start.
    Snapshot first;
    /// --hot-reload-reconcile-interval: how often the files are read without a sign of change. The
    /// default is upstream's.
    Duration interval = std::chrono::seconds(60);
    /// How long nothing must happen before files are read.
    Duration quiet = std::chrono::milliseconds(20);
    /// Two components of one name end the sidecar, as upstream's, but not before this: who renames
    /// a file may have copied it first.
    Duration duplicates_grace = std::chrono::seconds(2);
    /// How often poll_secrets() is called; 0: never.
    Duration secrets_interval{0};
  };
  Reloader(Options options, Target& target);
  ~Reloader();

  /// Watches until it is cancelled. The error is the target's, or that a name is taken twice.
  Task<Result<>> run();
  /// The files whose change is secret_files_changed(), from now on.
  void set_secret_files(std::vector<std::string> paths);
  /// As Options' one.
  void set_secrets_interval(Duration interval);
  /// Ends run() once the target has done what it is at.
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace outrigger::runtime::reload
