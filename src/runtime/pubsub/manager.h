#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/scope.h"
#include "resources/subscription.h"
#include "runtime/pubsub/subscriber.h"
#include "runtime/pubsub/subscription_config.h"

namespace outrigger::pubsub {

/// Knows what the application subscribes to, and sees that just that is at work: on which loop each
/// subscription lives, when they start and stop, and that those that a broker refuses are tried
/// again. Everything here belongs to loop 0.
class SubscriptionManager {
 public:
  struct Options {
    Loops& loops;
    /// The subscriber of each loop; they must live longer.
    std::vector<Subscriber*> subscribers;
    std::string app_id;
    /// False: --disable-init-endpoints names "subscribe".
    bool ask_app = true;
    /// Called when list() may give something else, streams included; may be empty.
    std::function<void()> changed;
    /// Before what failed is tried again the first time: upstream's, for both the application's
    /// answer and the broker's.
    std::chrono::milliseconds first_wait{500};
  };
  /// To be made before the subscribers are in use.
  explicit SubscriptionManager(Options options);
  /// shut_down() must have ended.
  ~SubscriptionManager();

  /// Adds a declared subscription, or replaces the one of that name. One whose scopes leave this
  /// application out is ignored. Before apply() it changes nothing that is at work.
  Result<> declare(const resources::Subscription& resource);
  void undeclare(const std::string& name);
  /// Makes what is at work agree with what is declared: after changes at run time.
  Task<void> apply();

  /// The component is open on all loops: its subscriptions begin, if the application is healthy.
  Task<void> component_opened(std::string pubsub_name);
  /// Before it closes: drains all its subscriptions.
  Task<void> component_closing(std::string pubsub_name);

  /// The application may be called: asks it for its subscriptions (once), and starts them all. An
  /// error if it cannot be asked; then nothing starts until the next call.
  Task<Result<>> app_healthy();
  /// Drains the application's subscriptions. Those of streams go on.
  Task<void> app_unhealthy();
  /// Drains everything for good, streams too.
  Task<void> shut_down();
  /// What is being delivered while subscriptions end, now or later, is given up after this time,
  /// where each of them has 30 s otherwise.
  Task<void> limit_drain(Duration drain_max);

  /// As the metadata API lists them: declared and programmatic ones, merged, then streams.
  Task<std::vector<SubscriptionPtr>> list();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace outrigger::pubsub
