#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "components/state/store.h"
#include "runtime/telemetry/trace_context.h"

namespace outrigger::runtime::state {

/// The transactional outbox as the state API sees it; the composition root brings it and pub/sub
/// together. One object per loop.
class OutboxHook {
 public:
  virtual ~OutboxHook() = default;
  /// A store is in use from now on, or is about to be closed.
  virtual void store_opened(const std::string& store, const components::Properties& metadata) = 0;
  virtual void store_closing(const std::string& store) = 0;
  /// Whether transactions of that store are published.
  [[nodiscard]] virtual bool enabled(std::string_view store) const = 0;
  /// Publishes what the operations say is to be published, and answers the operations that the
  /// store shall do: with the outbox's own records, without what is published only. Keys have their
  /// prefixes. An error is as clients see it (ERR_PUBLISH_OUTBOX); then nothing is written.
  virtual Task<Result<std::vector<components::state::Operation>>> publish_internal(
      std::string store, std::vector<components::state::Operation> operations,
      telemetry::TraceContext trace) = 0;
};

}  // namespace outrigger::runtime::state
