#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/scope.h"
#include "components/component.h"
#include "resources/component.h"

namespace outrigger::runtime::processor {

/// What a block does with the configured components of its category. Runs on loop 0.
class ComponentLoader {
 public:
  virtual ~ComponentLoader() = default;
  /// What stands before the first dot of the types it opens: "state".
  [[nodiscard]] virtual std::string_view category() const noexcept = 0;
  /// What upstream calls one of these in "couldn't find ...": "state store".
  [[nodiscard]] virtual std::string_view noun() const noexcept = 0;
  /// Whether this program can open the type and version.
  [[nodiscard]] virtual bool knows(std::string_view type, std::string_view version) const = 0;
  /// Opens it on every loop and makes it available. The capabilities that the metadata API lists.
  virtual Task<Result<std::vector<std::string>>> open(resources::Component spec,
                                                      components::Metadata metadata) = 0;
  /// Takes it out of use and closes it on every loop.
  virtual Task<void> close(std::string name) = 0;
};

namespace detail {

template <class Component>
Task<Result<>> open_here(const components::Kind<Component>& kind, components::Metadata metadata,
                         components::ComponentContext context, std::unique_ptr<Component>& opened) {
  OUT_CO_TRY(auto made, kind.make(metadata, context));
  auto ready = co_await made->init();
  if (!ready) co_return ready;
  opened = std::move(made);
  co_return Result<>();
}

template <class Component>
Task<Result<>> close_here(std::unique_ptr<Component>& opened) {
  if (opened) co_await opened->close();
  opened.reset();
  co_return Result<>();
}

}  // namespace detail

/// One instance of a component per loop, all of them initialised, or none and the first error.
/// Each is made, initialised and must be closed on its own loop.
template <class Component>
Task<Result<std::vector<std::unique_ptr<Component>>>> open_on_loops(
    Loops& loops, const components::Kind<Component>& kind, components::Metadata metadata,
    std::string app_id, std::string app_namespace) {
  std::vector<std::unique_ptr<Component>> instances(loops.size());
  auto slot = std::make_shared<components::Shared>();
  for (unsigned i = 0; i < loops.size(); ++i) {
    components::ComponentContext context{loops[i], app_id, app_namespace, slot};
    std::move_only_function<Task<Result<>>()> make = [&kind, &metadata, context, &instances, i] {
      return detail::open_here<Component>(kind, metadata, context, instances[i]);
    };
    auto opened = co_await call_on<void>(loops[i], std::move(make));
    if (opened) continue;
    for (unsigned j = 0; j < i; ++j) {
      std::move_only_function<Task<Result<>>()> undo = [&instances, j] {
        return detail::close_here<Component>(instances[j]);
      };
      [[maybe_unused]] auto closed = co_await call_on<void>(loops[j], std::move(undo));
    }
    co_return std::unexpected(std::move(opened).error());
  }
  co_return std::move(instances);
}

}  // namespace outrigger::runtime::processor
