#include "runtime/state/open_store.h"

namespace outrigger::runtime::state {
namespace {

OpenStore::Operations find_operations(const telemetry::ComponentMetrics* metrics,
                                      std::string_view name) {
  OpenStore::Operations found;
  if (metrics == nullptr) return found;
  found.get = metrics->state(name, "get");
  found.set = metrics->state(name, "set");
  found.remove = metrics->state(name, "delete");
  found.bulk_get = metrics->state(name, "bulk_get");
  found.bulk_remove = metrics->state(name, "bulk_delete");
  found.transaction = metrics->state(name, "transaction");
  found.query = metrics->state(name, "query");
  return found;
}

}  // namespace

OpenStore::OpenStore(Settings settings, std::unique_ptr<components::state::Store> store,
                     const telemetry::ComponentMetrics* metrics)
    : settings_(std::move(settings)),
      store_(std::move(store)),
      operations_(find_operations(metrics, settings_.name)) {}

Task<void> OpenStore::close() {
  // Not even a cancelled closer may take the store from under the calls inside.
  Cancellation never;
  auto closing = close_when_unused();
  co_await std::move(closing).under(never);
}

Task<void> OpenStore::close_when_unused() {
  while (uses_ > 0) {
    [[maybe_unused]] const auto woken = co_await unused_.wait();
  }
  co_await store_->close();
}

}  // namespace outrigger::runtime::state
