#include "runtime/pubsub/loader.h"

#include "base/strings.h"
#include "resources/templates.h"

namespace outrigger::pubsub {
namespace {

namespace brokers = components::pubsub;

// The consumer group: by default the application, so that its replicas share the messages.
void set_consumer_id(Properties& properties, const std::string& app_id) {
  std::string& consumer = properties["consumerID"];
  consumer = trim(consumer);
  if (consumer.empty()) consumer = app_id;
}

Task<Result<>> hand_over(Service* service, std::shared_ptr<OpenBroker> broker) {
  service->add(std::move(broker));
  co_return Result<>();
}

Task<Result<>> take_back(Service* service, std::string name) {
  co_await service->remove(std::move(name));
  co_return Result<>();
}

}  // namespace

bool Loader::knows(std::string_view type, std::string_view version) const {
  return components::find_kind(options_.kinds, type, version) != nullptr;
}

Task<Result<std::vector<std::string>>> Loader::open(resources::Component spec,
                                                    components::Metadata metadata) {
  const auto* const kind = components::find_kind(options_.kinds, metadata.type, metadata.version);
  if (kind == nullptr) co_return fail(Code::not_found, "no such component: " + metadata.type);
  set_consumer_id(metadata.properties, options_.app_id);
  OpenBroker::Settings settings;
  settings.name = metadata.name;
  settings.scopes = TopicScopes(metadata.properties, options_.app_id);
  if (resources::mentions_namespace(spec.metadata)) settings.topic_prefix = options_.app_namespace;
  OUT_CO_TRY(auto instances,
             co_await runtime::processor::open_on_loops(options_.loops, *kind, std::move(metadata),
                                                        options_.app_id, options_.app_namespace));
  std::vector<std::string> capabilities = brokers::features(*instances.front());
  for (unsigned i = 0; i < instances.size(); ++i) {
    Service* const service = options_.services[i];
    auto broker = std::make_shared<OpenBroker>(settings, std::move(instances[i]));
    std::move_only_function<Task<Result<>>()> work = [service, broker] {
      return hand_over(service, broker);
    };
    // Not even a time limit may leave it on some loops only.
    Cancellation never;
    auto handing = call_on<void>(options_.loops[i], std::move(work));
    [[maybe_unused]] const auto handed = co_await std::move(handing).under(never);
  }
  co_await options_.subscriptions.component_opened(settings.name);
  if (options_.outbox != nullptr) co_await options_.outbox->component_opened(settings.name);
  co_return capabilities;
}

Task<void> Loader::close(std::string name) {
  Cancellation never;
  auto draining = options_.subscriptions.component_closing(name);
  co_await std::move(draining).under(never);
  if (options_.outbox != nullptr) {
    auto letting_go = options_.outbox->component_closing(name);
    co_await std::move(letting_go).under(never);
  }
  for (unsigned i = 0; i < options_.services.size(); ++i) {
    Service* const service = options_.services[i];
    std::move_only_function<Task<Result<>>()> work = [service, name] {
      return take_back(service, name);
    };
    auto taking = call_on<void>(options_.loops[i], std::move(work));
    [[maybe_unused]] const auto taken = co_await std::move(taking).under(never);
  }
}

}  // namespace outrigger::pubsub
