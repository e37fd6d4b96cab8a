#pragma once

#include <functional>
#include <string>

#include "base/scope.h"
#include "runtime/app/channel.h"

namespace outrigger::runtime::app {

struct HealthOptions {
  std::string path = "/healthz";
  Duration interval = std::chrono::seconds(5);
  Duration timeout = std::chrono::milliseconds(500);
  /// Consecutive failures that make the application unhealthy.
  int threshold = 3;
};

/// One probe of the application: an HTTP request to `path` that is answered with 2xx, or the gRPC
/// health callback answered with OK. Not through the channel, whose gate the probe decides.
class Prober {
 public:
  virtual ~Prober() = default;
  virtual Task<bool> probe() = 0;
  virtual Task<void> close() = 0;
};
Result<std::unique_ptr<Prober>> make_prober(const ChannelOptions& channel, std::string path);

/// Probes until cancelled and calls `changed` with each new state. The application counts as
/// unhealthy until its first good answer.
Task<void> watch_health(Prober& prober, HealthOptions options,
                        std::function<void(bool healthy)> changed);

/// Returns when the application accepts connections on its port, or cancelled. Says in the log what
/// it waits for.
Task<Result<>> wait_for_port(ChannelOptions channel);

}  // namespace outrigger::runtime::app
