#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/sync.h"
#include "components/secretstores/secret_store.h"
#include "resources/configuration.h"
#include "runtime/processor/processor.h"
#include "runtime/resiliency/policies.h"
#include "runtime/telemetry/runtime_metrics.h"

namespace outrigger::runtime::secrets {

namespace stores = components::secretstores;
using components::Properties;
using stores::Secret;
using Secrets = std::map<std::string, Secret, std::less<>>;

/// A configured secret store as one loop has it. Shared by the calls that use it.
class OpenStore {
 public:
  /// `metrics` may be nullptr: then nothing is counted.
  OpenStore(std::string name, std::unique_ptr<stores::SecretStore> store,
            const telemetry::ComponentMetrics* metrics);
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] stores::SecretStore& store() noexcept { return *store_; }
  telemetry::OperationMetrics get, bulk_get;

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
  std::string name_;
  std::unique_ptr<stores::SecretStore> store_;
  std::size_t uses_ = 0;
  Signal unused_;
};

/// The secrets API on one loop. Calls may overlap; all of them belong to the loop. Errors are as
/// clients see them, the same over HTTP and gRPC.
class Service {
 public:
  struct Settings {
    /// NAMESPACE or "default": where references in resources look (Kubernetes).
    std::string app_namespace;
    /// spec.secrets.scopes of the Configuration.
    std::vector<resources::SecretScope> scopes;
    /// nullptr: nothing is counted.
    const telemetry::ComponentMetrics* metrics = nullptr;
    /// Of this loop; nullptr: calls go straight to the stores.
    const resiliency::Policies* policies = nullptr;
  };
  explicit Service(Settings settings);
  ~Service();
  [[nodiscard]] const Settings& settings() const noexcept { return settings_; }
  /// For calls from now on.
  void set_scopes(std::vector<resources::SecretScope> scopes) {
    settings_.scopes = std::move(scopes);
  }

  Task<Result<Secret>> get(std::string store, std::string name, Properties metadata);
  /// Without the secrets that the scopes deny.
  Task<Result<Secrets>> bulk_get(std::string store, Properties metadata);

  /// For references in resources: no scopes, no metrics, the store's own error.
  Task<Result<Secret>> fetch(std::string store, std::string name);
  /// fetch() as the processor wants it. The service must outlive it; on the service's loop.
  [[nodiscard]] processor::SecretSource source();

  /// Puts it into use. Gives the one whose place it took, for the caller to close; or nullptr.
  std::shared_ptr<OpenStore> add(std::shared_ptr<OpenStore> store);
  /// Takes the store out of use and gives it, for the caller to close; nullptr if there is none.
  std::shared_ptr<OpenStore> take_out(std::string_view name);
  [[nodiscard]] std::shared_ptr<OpenStore> find(std::string_view name) const;

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept {
      return std::hash<std::string_view>()(text);
    }
  };
  [[nodiscard]] Result<std::shared_ptr<OpenStore>> open_store(const std::string& name) const;
  [[nodiscard]] bool allows(std::string_view store, std::string_view secret) const;
  [[nodiscard]] resiliency::Policy policy_of(std::string_view store) const {
    return resiliency::component_policy(settings_.policies, store,
                                        resiliency::ComponentKind::secrets,
                                        resiliency::Direction::outbound);
  }

  Settings settings_;
  std::unordered_map<std::string, std::shared_ptr<OpenStore>, Hash, std::equal_to<>> stores_;
};

}  // namespace outrigger::runtime::secrets
