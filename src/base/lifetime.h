#pragma once

#include <functional>
#include <mutex>
#include <optional>

#include "base/result.h"

namespace outrigger {

/// The signals that steer a service, caught for the whole process. Make it before any thread is
/// started: threads inherit what is blocked here. SIGPIPE is ignored from then on.
class Signals {
 public:
  /// Whether SIGHUP asks for a new life; if not it ends the process, as it does by default.
  enum class Reload : std::uint8_t { no, yes };
  explicit Signals(Reload reload);
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  /// Readable when a signal is waiting.
  [[nodiscard]] int descriptor() const noexcept { return descriptor_; }

 private:
  int descriptor_;
};

/// One life of a service, from its start until it says that it has ended; signals are passed on.
/// The first SIGINT or SIGTERM asks for a graceful end, the second ends the process at once with
/// exit code 1.
class Lifetime {
 public:
  enum class Wish : std::uint8_t { end, restart };

  /// The signals must live longer.
  explicit Lifetime(const Signals& signals);
  ~Lifetime();
  Lifetime(const Lifetime&) = delete;
  Lifetime& operator=(const Lifetime&) = delete;

  /// The service is over, because of this error or as it was asked. From any thread, once.
  void ended(std::optional<Error> error);

  /// Returns after ended(); calls `stop` on this thread when a signal asks for the end, or for
  /// another life.
  void wait(const std::function<void(Wish)>& stop);

  /// What ended() was told.
  [[nodiscard]] std::optional<Error> error() const;

 private:
  const Signals& signals_;
  int done_;
  mutable std::mutex mutex_;
  std::optional<Error> error_;
};

}  // namespace outrigger
