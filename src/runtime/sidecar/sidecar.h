#pragma once

#include <functional>
#include <memory>

#include "base/lifetime.h"
#include "runtime/options/options.h"

namespace outrigger::runtime {

class Ports;

/// One life of the sidecar: from the loading of its configuration to the last closed component. A
/// SIGHUP, or a change of the configuration that nothing less brings about, ends one and begins
/// another in the same process.
class Sidecar {
 public:
  /// `ports` must live longer. `exit_now(code)` ends the process at once: for forced shutdown.
  Sidecar(options::Options options, Ports& ports, std::function<void(int)> exit_now);
  ~Sidecar();

  /// Loads, starts the loops and returns; the rest happens on them. `ended(error)` is called once
  /// from a loop when this life is over, with the fatal error if there was one.
  Result<> start(std::function<void(std::optional<Error>)> ended);
  /// Begins the graceful end. From any thread. A second call is ignored, but if it wishes the end
  /// there is no other life.
  void stop(Lifetime::Wish wish);
  /// Stops the loops; after `ended`.
  void join();
  /// Another life is to follow; after join().
  [[nodiscard]] bool begins_anew() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace outrigger::runtime
