#pragma once

#include <span>
#include <string>
#include <vector>

#include "components/secretstores/registry.h"
#include "runtime/processor/component_loader.h"
#include "runtime/secrets/service.h"

namespace outrigger::runtime::secrets {

/// Opens the configured secret stores on every loop and gives them to the services there. Loop 0.
class Loader final : public processor::ComponentLoader {
 public:
  struct Settings {
    std::string app_id;
    std::string app_namespace;
    std::span<const components::Kind<stores::SecretStore>> kinds = stores::kinds();
  };
  /// `services`: one for each loop, in their order; they and the loops must outlive this object.
  Loader(Loops& loops, std::vector<Service*> services, Settings settings);

  [[nodiscard]] std::string_view category() const noexcept override { return "secretstores"; }
  [[nodiscard]] std::string_view noun() const noexcept override { return "secret store"; }
  [[nodiscard]] bool knows(std::string_view type, std::string_view version) const override;
  Task<Result<processor::Opened>> open(resources::Component spec,
                                       components::Metadata metadata) override;
  Task<processor::Closing> withdraw(std::string name) override;

  /// Logs the scopes of stores that are not there. Once the components are loaded.
  void warn_of_idle_scopes() const;

 private:
  Loops& loops_;
  std::vector<Service*> services_;
  Settings settings_;
};

}  // namespace outrigger::runtime::secrets
