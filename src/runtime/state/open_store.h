#pragma once

#include <memory>
#include <string>

#include "base/sync.h"
#include "components/state/store.h"
#include "runtime/state/encryption.h"
#include "runtime/state/key_prefix.h"
#include "runtime/telemetry/runtime_metrics.h"

namespace outrigger::runtime::state {

/// A configured state store as one loop has it. Shared by the calls that use it, so that it can be
/// taken out of use under them.
class OpenStore {
 public:
  struct Settings {
    std::string name;
    KeyPrefix prefix;
    /// nullptr: values are stored as they are.
    std::shared_ptr<const Encryption> encryption;
    /// Of the component.
    components::Properties properties;
  };
  /// `metrics` may be nullptr: then nothing is counted.
  OpenStore(Settings settings, std::unique_ptr<components::state::Store> store,
            const telemetry::ComponentMetrics* metrics);

  [[nodiscard]] const std::string& name() const noexcept { return settings_.name; }
  [[nodiscard]] const KeyPrefix& prefix() const noexcept { return settings_.prefix; }
  [[nodiscard]] const Encryption* encryption() const noexcept { return settings_.encryption.get(); }
  [[nodiscard]] const components::Properties& properties() const noexcept {
    return settings_.properties;
  }
  [[nodiscard]] components::state::Store& store() noexcept { return *store_; }

  struct Operations {
    telemetry::OperationMetrics get, set, remove, bulk_get, bulk_remove, transaction, query;
  };
  [[nodiscard]] const Operations& operations() const noexcept { return operations_; }

  /// Held while a call is inside the store.
  class Use {
   public:
    explicit Use(OpenStore& store) noexcept : store_(store) { ++store_.uses_; }
    ~Use() {
      if (--store_.uses_ == 0) store_.unused_.notify_all();
    }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

   private:
    OpenStore& store_;
  };
  /// Waits for the calls inside, then closes the store.
  Task<void> close();

 private:
  Task<void> close_when_unused();

  Settings settings_;
  std::unique_ptr<components::state::Store> store_;
  Operations operations_;
  std::size_t uses_ = 0;
  Signal unused_;
};

}  // namespace outrigger::runtime::state
