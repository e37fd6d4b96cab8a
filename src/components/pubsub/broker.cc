#include "components/pubsub/broker.h"

namespace outrigger::components::pubsub {

std::vector<std::string> features(Broker& broker) {
  std::vector<std::string> names;
  const auto traits = broker.traits();
  if (traits.message_ttl) names.emplace_back("MESSAGE_TTL");
  if (traits.subscribe_wildcards) names.emplace_back("SUBSCRIBE_WILDCARDS");
  if (broker.bulk_publisher() != nullptr) names.emplace_back("BULK_PUBSUB");
  if (traits.bulk_subscribe_immediate) names.emplace_back("BULK_SUBSCRIBE_IMMEDIATE");
  return names;
}

}  // namespace outrigger::components::pubsub
