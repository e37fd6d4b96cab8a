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

}  // namespace

bool Loader::knows(std::string_view type, std::string_view version) const {
  return components::find_kind(options_.kinds, type, version) != nullptr;
}

Task<Result<runtime::processor::Opened>> Loader::open(resources::Component spec,
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
  runtime::processor::Opened opened;
  opened.capabilities = brokers::features(*instances.front());
  // Publications find the old one until they find the new one; subscriptions have to move.
  if (options_.services.front()->find(settings.name)) co_await let_go(settings.name);
  std::function<std::shared_ptr<OpenBroker>(unsigned)> add = [&](unsigned i) {
    return options_.services[i]->add(
        std::make_shared<OpenBroker>(settings, std::move(instances[i])));
  };
  opened.replaced =
      co_await runtime::processor::replace_on_loops<OpenBroker>(&options_.loops, std::move(add));
  co_await options_.subscriptions.component_opened(settings.name);
  if (options_.outbox != nullptr) co_await options_.outbox->component_opened(settings.name);
  co_return std::move(opened);
}

Task<void> Loader::let_go(std::string name) {
  Cancellation never;
  auto draining = options_.subscriptions.component_closing(name);
  co_await std::move(draining).under(never);
  if (options_.outbox == nullptr) co_return;
  auto letting_go = options_.outbox->component_closing(name);
  co_await std::move(letting_go).under(never);
}

Task<runtime::processor::Closing> Loader::withdraw(std::string name) {
  co_await let_go(name);
  std::function<std::shared_ptr<OpenBroker>(unsigned)> take_out = [&](unsigned i) {
    return options_.services[i]->take_out(name);
  };
  auto closing = co_await runtime::processor::replace_on_loops<OpenBroker>(&options_.loops,
                                                                           std::move(take_out));
  co_return closing;
}

}  // namespace outrigger::pubsub
