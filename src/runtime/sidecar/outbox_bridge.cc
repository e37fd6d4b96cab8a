#include "runtime/sidecar/outbox_bridge.h"

namespace outrigger::runtime {
void OutboxBridge::store_opened(const std::string& store, const components::Properties& metadata) {
  outbox_->add_store(store, metadata);
}

void OutboxBridge::store_closing(const std::string& store) { outbox_->remove_store(store); }

bool OutboxBridge::enabled(std::string_view store) const { return outbox_->enabled(store); }

Task<Result<std::vector<components::state::Operation>>> OutboxBridge::publish_internal(
    std::string store, std::vector<components::state::Operation> operations,
    telemetry::TraceContext trace) {
  auto instead =
      co_await outbox_->publish_internal(std::move(store), std::move(operations), std::move(trace));
  co_return instead;
}

Task<Result<bool>> OutboxBridge::has(std::string store, std::string key) {
  return state_->contains(std::move(store), std::move(key));
}

Task<Result<>> OutboxBridge::remove(std::string store, std::string key) {
  return state_->erase(std::move(store), std::move(key));
}

}  // namespace outrigger::runtime
