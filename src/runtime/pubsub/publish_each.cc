#include "base/scope.h"
#include "runtime/pubsub/service.h"

namespace outrigger::pubsub {
namespace {

namespace brokers = components::pubsub;

constexpr std::size_t kAtOnceMax = 100;

Task<void> publish_one(brokers::Broker* broker, brokers::PublishRequest message,
                       std::string entry_id, std::vector<brokers::BulkFailure>* failures) {
  auto published = co_await broker->publish(std::move(message));
  if (!published) failures->push_back({std::move(entry_id), std::move(published).error()});
}

}  // namespace

Task<std::vector<brokers::BulkFailure>> publish_each(brokers::Broker& broker,
                                                     brokers::BulkPublishRequest request) {
  std::vector<brokers::BulkFailure> failures;
  std::vector<Task<void>> tasks;
  tasks.reserve(request.entries.size());
  for (brokers::BulkEntry& entry : request.entries) {
    brokers::PublishRequest message;
    message.topic = request.topic;
    message.data = std::move(entry.event);
    message.metadata = std::move(entry.metadata);
    message.content_type = std::move(entry.content_type);
    tasks.push_back(publish_one(&broker, std::move(message), std::move(entry.entry_id), &failures));
  }
  co_await run_all(std::move(tasks), kAtOnceMax);
  co_return failures;
}

}  // namespace outrigger::pubsub
