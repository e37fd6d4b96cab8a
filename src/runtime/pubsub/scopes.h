#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "components/metadata.h"

namespace outrigger::pubsub {

/// Which topics of a pub/sub component an app may publish and subscribe to: the component's
/// metadata fields publishingScopes, subscriptionScopes ("app1=a,b;app2="), allowedTopics and
/// protectedTopics ("a,b"), names in any case, spaces ignored.
class TopicScopes {
 public:
  TopicScopes() = default;
  TopicScopes(const components::Properties& metadata, std::string_view app_id);

  /// A topic must be among the allowed ones if there are any; then among the app's own if it has
  /// some, or if the topic is protected.
  [[nodiscard]] bool may_publish(std::string_view topic) const noexcept;
  [[nodiscard]] bool may_subscribe(std::string_view topic) const noexcept;

 private:
  using Topics = std::vector<std::string>;
  [[nodiscard]] bool may_use(std::string_view topic, const Topics& own) const noexcept;

  Topics publishing_;
  Topics subscribing_;
  Topics allowed_;
  Topics protected_;
};

}  // namespace outrigger::pubsub
