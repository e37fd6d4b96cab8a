#pragma once

#include <span>
#include <string>
#include <vector>

#include "components/middleware/registry.h"
#include "runtime/middleware/pipeline.h"
#include "runtime/processor/component_loader.h"

namespace outrigger::runtime::middleware {

/// Opens the configured middlewares on every loop and puts them into the stores there. Loop 0.
class Loader final : public processor::ComponentLoader {
 public:
  struct Settings {
    std::string app_id;
    std::string app_namespace;
    std::span<const components::Kind<components::middleware::Middleware>> kinds =
        components::middleware::kinds();
  };
  /// `stores`: one for each loop, in their order; they and the loops must outlive this object.
  Loader(Loops& loops, std::vector<Store*> stores, Settings settings);

  [[nodiscard]] std::string_view category() const noexcept override { return "middleware"; }
  [[nodiscard]] std::string_view noun() const noexcept override { return "middleware"; }
  [[nodiscard]] bool guards() const noexcept override { return true; }
  [[nodiscard]] bool knows(std::string_view type, std::string_view version) const override;
  Task<Result<processor::Opened>> open(resources::Component spec,
                                       components::Metadata metadata) override;
  Task<processor::Closing> withdraw(std::string name) override;

 private:
  Loops& loops_;
  std::vector<Store*> stores_;
  Settings settings_;
};

}  // namespace outrigger::runtime::middleware
