#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/sync.h"
#include "components/pubsub/broker.h"
#include "runtime/pubsub/scopes.h"
#include "runtime/telemetry/runtime_metrics.h"

namespace outrigger::pubsub {

/// A configured pub/sub component as one loop has it: its broker and what its metadata says about
/// topics. Shared by the calls that use it, so that it can be taken out of use under them.
class OpenBroker {
 public:
  struct Settings {
    std::string name;
    TopicScopes scopes;
    /// Put before each topic on the broker; empty unless the component is namespace-scoped.
    std::string topic_prefix;
  };
  OpenBroker(Settings settings, std::unique_ptr<components::pubsub::Broker> broker);

  [[nodiscard]] const std::string& name() const noexcept { return settings_.name; }
  [[nodiscard]] const TopicScopes& scopes() const noexcept { return settings_.scopes; }
  [[nodiscard]] components::pubsub::Broker& broker() noexcept { return *broker_; }
  /// Whether the broker expires messages itself.
  [[nodiscard]] bool expires_messages() const noexcept { return expires_messages_; }

  [[nodiscard]] std::string broker_topic(std::string_view topic) const;
  /// The other way round; a topic without the prefix is left as it is.
  [[nodiscard]] std::string_view app_topic(std::string_view broker_topic) const noexcept;

  /// The metrics of publications to a topic, kept for the topics used first.
  [[nodiscard]] telemetry::OperationMetrics published(const telemetry::ComponentMetrics& metrics,
                                                      std::string_view topic);

  /// Held while a call is inside the broker.
  class Use {
   public:
    explicit Use(OpenBroker& broker) noexcept : broker_(broker) { ++broker_.uses_; }
    ~Use() {
      if (--broker_.uses_ == 0) broker_.unused_.notify_all();
    }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

   private:
    OpenBroker& broker_;
  };
  /// Waits for the calls inside, then closes the broker. Its subscriptions must have ended.
  Task<void> close();

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept {
      return std::hash<std::string_view>()(text);
    }
  };
  Task<void> close_when_unused();

  Settings settings_;
  std::unique_ptr<components::pubsub::Broker> broker_;
  bool expires_messages_;
  std::size_t uses_ = 0;
  Signal unused_;
  std::unordered_map<std::string, telemetry::OperationMetrics, Hash, std::equal_to<>> metrics_;
};

}  // namespace outrigger::pubsub
