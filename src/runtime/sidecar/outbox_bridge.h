#pragma once

#include "runtime/pubsub/outbox.h"
#include "runtime/state/outbox_hook.h"
#include "runtime/state/service.h"

namespace outrigger::runtime {

/// Brings the state block and the outbox of pub/sub together, on one loop: neither knows the other.
class OutboxBridge final : public state::OutboxHook, public pubsub::OutboxMarks {
 public:
  /// Both are told later, for each of them needs this object first; they must live longer than its
  /// calls.
  void connect(state::Service& state, pubsub::Outbox& outbox) noexcept {
    state_ = &state;
    outbox_ = &outbox;
  }

  // state::OutboxHook
  void store_opened(const std::string& store, const components::Properties& metadata) override;
  void store_closing(const std::string& store) override;
  [[nodiscard]] bool enabled(std::string_view store) const override;
  Task<Result<std::vector<components::state::Operation>>> publish_internal(
      std::string store, std::vector<components::state::Operation> operations,
      telemetry::TraceContext trace) override;

  // pubsub::OutboxMarks
  Task<Result<bool>> has(std::string store, std::string key) override;
  Task<Result<>> remove(std::string store, std::string key) override;

 private:
  state::Service* state_ = nullptr;
  pubsub::Outbox* outbox_ = nullptr;
};

}  // namespace outrigger::runtime
