#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/scope.h"
#include "runtime/actors/config.h"
#include "runtime/actors/invocation.h"
#include "runtime/actors/metrics.h"
#include "runtime/actors/patience.h"
#include "runtime/actors/table.h"
#include "runtime/actors/turns.h"
#include "runtime/placement/service.h"
#include "runtime/resiliency/policies.h"

namespace outrigger::runtime::actors {

/// The actors that live on one loop: activates them with their first call, lets one turn after the
/// other run, and deactivates them when they have been idle for long enough or have to go.
class Life final : public placement::Listener {
 public:
  struct Settings {
    /// How long the application may take to deactivate an actor that has to go. Whoever takes it
    /// over waits for that.
    Duration deactivation_limit = std::chrono::seconds(5);
    /// Deactivations at a time.
    std::size_t deactivations_max = 64;
    /// How long a turn may take; must outlive the object. nullptr: as long as it takes.
    const resiliency::Policies* policies = nullptr;
  };
  /// `metrics` must outlive this object.
  Life(Settings settings, const ActorMetrics& metrics);
  /// close() must have ended.
  ~Life() override;

  /// Tells whether an actor belongs to this sidecar; asked when a type has moved.
  using Hosts = std::function<bool(std::string_view type, std::string_view id)>;
  void set_hosts(Hosts hosts) { hosts_ = std::move(hosts); }

  /// Actors of this type may be activated from now on. `callbacks` must live until it is removed.
  void add_type(const std::string& type, TypeSettings settings, Callbacks* callbacks);
  /// No more of them: cancels what runs in them, and deactivates them.
  Task<void> remove_types(std::vector<std::string> types);
  [[nodiscard]] bool has_type(std::string_view type) const noexcept;

  /// Runs a turn. is_closed() errors mean that the actor does not live here any more.
  Task<Result<Reply>> call(InvocationPtr call);
  Task<Result<Fired>> fire(ReminderPtr reminder);

  [[nodiscard]] bool is_active(const ActorRef& actor) noexcept;
  struct Count {
    std::string type;
    std::size_t actors = 0;
  };
  /// For each type that is hosted.
  [[nodiscard]] std::vector<Count> counts() const;

  Task<void> halt_moved(std::vector<std::string> types) override;
  Task<void> halt_all() override;

  Task<void> close();

 private:
  class Stay;
  struct Type;
  using TypeIndex = Table::TypeIndex;

  [[nodiscard]] Type* find_type(std::string_view name) noexcept;
  [[nodiscard]] resiliency::Policy turn_policy(const ActorRef& actor) const;
  Task<Result<>> enter(Stay* stay, const ActorRef* actor, std::string_view reentrancy_id,
                       std::string method);
  void leave(Table::Actor& actor, Turns::Turn& turn) noexcept;
  void touch(Type& type, Table::Actor& actor) noexcept;
  void watch_idle(Type& type);
  void sweep(TypeIndex type);
  Task<void> retire(TypeIndex type, std::string id);
  enum class Running : std::uint8_t { may_end, cancelled };
  Task<void> deactivate(TypeIndex type, std::string id, Running running, Patience* patience);
  Task<Result<>> tell_application(TypeIndex type, std::string id);
  /// All actors of the type, or those that have moved away.
  Task<void> halt(TypeIndex type, Running running, bool only_moved);
  struct Halting;
  Task<void> halt_some(Halting* work);

  Settings settings_;
  const ActorMetrics& metrics_;
  Hosts hosts_;
  Table table_;
  std::vector<std::unique_ptr<Type>> types_;
  std::size_t retiring_ = 0;
  bool closing_ = false;
  Scope scope_;
};

}  // namespace outrigger::runtime::actors
