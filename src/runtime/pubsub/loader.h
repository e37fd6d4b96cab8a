#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/scope.h"
#include "components/component.h"
#include "components/pubsub/broker.h"
#include "runtime/processor/component_loader.h"
#include "runtime/pubsub/manager.h"
#include "runtime/pubsub/service.h"

namespace outrigger::pubsub {

/// What must know when a pub/sub component comes and goes, beside the subscriptions: the outbox.
class ComponentObserver {
 public:
  virtual ~ComponentObserver() = default;
  /// It is open on all loops.
  virtual Task<void> component_opened(std::string pubsub_name) = 0;
  /// Before it closes: what still uses it must let go.
  virtual Task<void> component_closing(std::string pubsub_name) = 0;
};

/// Opens pub/sub components: a broker on every loop, handed to that loop's service. On loop 0.
class Loader final : public runtime::processor::ComponentLoader {
 public:
  struct Options {
    Loops& loops;
    /// What can be opened: components/pubsub/registry.h.
    std::span<const components::Kind<components::pubsub::Broker>> kinds;
    /// The service of each loop.
    std::vector<Service*> services;
    SubscriptionManager& subscriptions;
    /// May be nullptr.
    ComponentObserver* outbox = nullptr;
    std::string app_id;
    /// NAMESPACE, or "default".
    std::string app_namespace;
  };
  explicit Loader(Options options) : options_(std::move(options)) {}

  [[nodiscard]] std::string_view category() const noexcept override { return "pubsub"; }
  [[nodiscard]] std::string_view noun() const noexcept override { return "message bus"; }
  [[nodiscard]] bool knows(std::string_view type, std::string_view version) const override;
  Task<Result<runtime::processor::Opened>> open(resources::Component spec,
                                                components::Metadata metadata) override;
  /// Also waits until its subscriptions have been drained.
  Task<runtime::processor::Closing> withdraw(std::string name) override;

 private:
  /// Subscriptions and the outbox let go of it.
  Task<void> let_go(std::string name);

  Options options_;
};

}  // namespace outrigger::pubsub
