#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "components/state/registry.h"
#include "resources/references.h"
#include "runtime/processor/component_loader.h"
#include "runtime/state/service.h"

namespace outrigger::runtime::state {

/// Opens the configured state stores on every loop and gives them to the services there. Loop 0.
class Loader final : public processor::ComponentLoader {
 public:
  struct Settings {
    KeyOwner owner;
    /// NAMESPACE or "default", for the stores themselves.
    std::string app_namespace;
    resources::Mode mode = resources::Mode::standalone;
    /// Whether actors are in use: if not, actorStateStore means nothing.
    bool actors = false;
    std::span<const components::Kind<stores::Store>> kinds = stores::kinds();
    /// Told of each store once it is in use, and before it is out of use. May be empty.
    std::function<void(const resources::Component&)> on_opened;
    std::function<void(const std::string& name)> on_closing;
  };
  /// `services`: one for each loop, in their order; they and the loops must outlive this object.
  Loader(Loops& loops, std::vector<Service*> services, Settings settings);

  [[nodiscard]] std::string_view category() const noexcept override { return "state"; }
  [[nodiscard]] std::string_view noun() const noexcept override { return "state store"; }
  [[nodiscard]] bool knows(std::string_view type, std::string_view version) const override;
  [[nodiscard]] std::optional<std::string> refuses(
      const resources::Component& component) const override;
  Task<Result<processor::Opened>> open(resources::Component spec,
                                       components::Metadata metadata) override;
  Task<processor::Closing> withdraw(std::string name) override;

  /// The store that keeps the actors' state: the one with actorStateStore, if actors are in use.
  [[nodiscard]] const std::optional<std::string>& actor_store() const noexcept {
    return actor_store_;
  }

 private:
  /// Whether it is to be the actors' store.
  [[nodiscard]] Result<bool> check_actor_store(const components::Metadata& metadata) const;

  Loops& loops_;
  std::vector<Service*> services_;
  Settings settings_;
  std::optional<std::string> actor_store_;
};

}  // namespace outrigger::runtime::state
