#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/scope.h"
#include "runtime/pubsub/loader.h"
#include "runtime/pubsub/outbox.h"

namespace outrigger::pubsub {

/// Sees that each outbox has its internal topic read, on one loop of all. Belongs to loop 0.
class OutboxReaders final : public ComponentObserver {
 public:
  struct Options {
    Loops& loops;
    /// The outbox of each loop; they must live longer.
    std::vector<Outbox*> outboxes;
    /// Before a broker that refused is asked again the first time.
    std::chrono::milliseconds first_wait{500};
  };
  explicit OutboxReaders(Options options);
  /// shut_down() must have ended.
  ~OutboxReaders() override;

  /// Once the application is healthy, or there is none: begins to read. Again after a change of the
  /// stores.
  Task<void> start();
  Task<void> component_opened(std::string pubsub_name) override;
  Task<void> component_closing(std::string pubsub_name) override;
  Task<void> shut_down();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace outrigger::pubsub
