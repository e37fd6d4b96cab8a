#pragma once

#include <functional>
#include <memory>

#include "runtime/options/options.h"

namespace outrigger::runtime {

/// One life of the sidecar: from the loading of its configuration to the last closed component. A
/// SIGHUP ends one and begins another in the same process.
class Sidecar {
 public:
  /// `exit_now(code)` ends the process at once: for forced shutdown.
  Sidecar(options::Options options, std::function<void(int)> exit_now);
  ~Sidecar();

  /// Loads, starts the loops and returns; the rest happens on them. `ended(error)` is called once
  /// from a loop when this life is over, with the fatal error if there was one.
  Result<> start(std::function<void(std::optional<Error>)> ended);
  /// Begins the graceful end. From any thread; the second call is ignored.
  void stop();
  /// Stops the loops; after `ended`.
  void join();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace outrigger::runtime
