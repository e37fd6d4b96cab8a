#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/scope.h"
#include "components/component.h"
#include "resources/component.h"

namespace outrigger::runtime::processor {

/// What closes a component that is out of use, once the calls inside have ended; nullopt: there is
/// nothing to close. Not to be cancelled.
using Closing = std::optional<Task<void>>;

/// What became of open().
struct Opened {
  /// Those that the metadata API lists.
  std::vector<std::string> capabilities;
  /// Of the component whose place it took.
  Closing replaced;
};

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
  /// At run time: why it cannot be opened beside what is open, which must go first; nullopt if it
  /// can. At the start that is open()'s error.
  [[nodiscard]] virtual std::optional<std::string> refuses(const resources::Component&) const {
    return std::nullopt;
  }
  /// Whether calls pass without one that is not there: then the old one stays in use if a new one
  /// cannot take its place.
  [[nodiscard]] virtual bool guards() const noexcept { return false; }
  /// Opens it on every loop and makes it available, in place of the one of that name if there is
  /// one: calls find the old one until they find the new one. After an error all is as before.
  virtual Task<Result<Opened>> open(resources::Component spec, components::Metadata metadata) = 0;
  /// Takes it out of use on every loop: calls do not find it any more.
  virtual Task<Closing> withdraw(std::string name) = 0;
  /// withdraw(), and waits until it is closed.
  Task<void> close(std::string name) {
    auto closing = co_await withdraw(std::move(name));
    if (closing) co_await *std::move(closing);
  }
};

namespace detail {

template <class Component>
Task<Result<>> open_here(const components::Kind<Component>& kind, components::Metadata metadata,
                         components::ComponentContext context, std::unique_ptr<Component>& opened) {
  // In its place before it is initialised: it is closed by that, too, if it cannot be.
  OUT_CO_TRY(opened, kind.make(metadata, context));
  auto ready = co_await opened->init();
  co_return ready;
}

template <class Component>
Task<Result<>> close_here(std::unique_ptr<Component>& opened) {
  if (opened) co_await opened->close();
  opened.reset();
  co_return Result<>();
}

template <class Open>
Task<void> close_one(std::shared_ptr<Open>* slot) {
  // It is to die on this loop, too.
  const auto mine = std::move(*slot);
  if (mine) co_await mine->close();
}

template <class Open>
using Replace = std::function<std::shared_ptr<Open>(unsigned loop)>;

template <class Open>
Task<void> replace_one(const Replace<Open>* replace, unsigned loop, std::shared_ptr<Open>* old) {
  *old = (*replace)(loop);
  co_return;
}

template <class Open>
Task<void> close_all(Loops* loops, std::vector<std::shared_ptr<Open>> instances) {
  std::function<Task<void>(unsigned)> close = [&instances](unsigned i) {
    return close_one(&instances[i]);
  };
  Cancellation never;
  auto closing = run_on_all(*loops, std::move(close));
  co_await std::move(closing).under(never);
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
    for (unsigned j = 0; j <= i; ++j) {
      std::move_only_function<Task<Result<>>()> undo = [&instances, j] {
        return detail::close_here<Component>(instances[j]);
      };
      // The time is up, perhaps; but what was begun has to be closed in good order.
      Cancellation never;
      auto undoing = call_on<void>(loops[j], std::move(undo));
      [[maybe_unused]] auto closed = co_await std::move(undoing).under(never);
    }
    co_return std::unexpected(std::move(opened).error());
  }
  co_return std::move(instances);
}

/// Puts something into use on every loop, or takes it out: `replace(i)` does so on loop i, cannot
/// fail, and gives what was in use there; on each loop there is something, or on none. It is done
/// on all of them even if this task is cancelled. What comes back closes what was in use, on all
/// loops at once.
template <class Open>
Task<Closing> replace_on_loops(Loops* loops, detail::Replace<Open> replace) {
  std::vector<std::shared_ptr<Open>> old(loops->size());
  std::function<Task<void>(unsigned)> one = [&](unsigned i) {
    return detail::replace_one<Open>(&replace, i, &old[i]);
  };
  Cancellation never;
  auto all = run_on_all(*loops, std::move(one));
  co_await std::move(all).under(never);
  Closing closing;
  if (old.front()) closing = detail::close_all<Open>(loops, std::move(old));
  co_return closing;
}

}  // namespace outrigger::runtime::processor
