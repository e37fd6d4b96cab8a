#include "runtime/pubsub/open_broker.h"

namespace outrigger::pubsub {
namespace {

// Beyond this the metrics are looked up each time: topics are named by clients.
constexpr std::size_t kTopicsMax = 1000;

}  // namespace

OpenBroker::OpenBroker(Settings settings, std::unique_ptr<components::pubsub::Broker> broker)
    : settings_(std::move(settings)),
      broker_(std::move(broker)),
      expires_messages_(broker_->traits().message_ttl) {}

std::string OpenBroker::broker_topic(std::string_view topic) const {
  std::string out;
  out.reserve(settings_.topic_prefix.size() + topic.size());
  out += settings_.topic_prefix;
  out += topic;
  return out;
}

std::string_view OpenBroker::app_topic(std::string_view broker_topic) const noexcept {
  if (broker_topic.starts_with(settings_.topic_prefix)) {
    broker_topic.remove_prefix(settings_.topic_prefix.size());
  }
  return broker_topic;
}

telemetry::OperationMetrics OpenBroker::published(const telemetry::ComponentMetrics& metrics,
                                                  std::string_view topic) {
  const auto found = metrics_.find(topic);
  if (found != metrics_.end()) return found->second;
  const auto made = metrics.publish(settings_.name, topic);
  if (metrics_.size() < kTopicsMax) metrics_.emplace(topic, made);
  return made;
}

Task<void> OpenBroker::close() {
  // Not even a cancelled closer may take the broker from under the calls inside.
  Cancellation never;
  auto closing = close_when_unused();
  co_await std::move(closing).under(never);
}

Task<void> OpenBroker::close_when_unused() {
  while (uses_ > 0) {
    [[maybe_unused]] const auto woken = co_await unused_.wait();
  }
  co_await broker_->close();
}

}  // namespace outrigger::pubsub
