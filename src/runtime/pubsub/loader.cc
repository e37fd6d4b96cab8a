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

using OpenBrokers = std::vector<std::shared_ptr<OpenBroker>>;

Task<void> add_here(Service* service, const OpenBroker::Settings* settings,
                    std::unique_ptr<brokers::Broker>* broker,
                    std::shared_ptr<OpenBroker>* replaced) {
  *replaced = service->add(std::make_shared<OpenBroker>(*settings, std::move(*broker)));
  co_return;
}

Task<void> take_out_here(Service* service, const std::string* name,
                         std::shared_ptr<OpenBroker>* taken) {
  *taken = service->take_out(*name);
  co_return;
}

runtime::processor::Closing closing_of(Loops& loops, OpenBrokers brokers) {
  if (!brokers.front()) return std::nullopt;
  return runtime::processor::close_on_loops(&loops, std::move(brokers));
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
  auto replaced = co_await hand_out(settings, std::move(instances));
  opened.replaced = closing_of(options_.loops, std::move(replaced));
  co_await options_.subscriptions.component_opened(settings.name);
  if (options_.outbox != nullptr) co_await options_.outbox->component_opened(settings.name);
  co_return std::move(opened);
}

// Not even a time limit may leave it on some loops only.
Task<OpenBrokers> Loader::hand_out(OpenBroker::Settings settings,
                                   std::vector<std::unique_ptr<brokers::Broker>> instances) {
  OpenBrokers replaced(instances.size());
  std::function<Task<void>(unsigned)> add = [&](unsigned i) {
    return add_here(options_.services[i], &settings, &instances[i], &replaced[i]);
  };
  Cancellation never;
  co_await run_on_all(options_.loops, std::move(add)).under(never);
  co_return std::move(replaced);
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
  OpenBrokers taken(options_.services.size());
  std::function<Task<void>(unsigned)> take_out = [&](unsigned i) {
    return take_out_here(options_.services[i], &name, &taken[i]);
  };
  Cancellation never;
  co_await run_on_all(options_.loops, std::move(take_out)).under(never);
  co_return closing_of(options_.loops, std::move(taken));
}

}  // namespace outrigger::pubsub
