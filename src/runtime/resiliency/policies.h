#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "resources/resiliency.h"
#include "runtime/resiliency/limit.h"
#include "runtime/resiliency/outliers.h"
#include "runtime/resiliency/policy.h"

/// What Resiliency documents say, for whoever calls something (facts/wire_notes.md, section 16).
namespace outrigger::runtime::resiliency {

enum class ComponentKind : std::uint8_t {
  state,
  pubsub,
  binding,
  secrets,
  configuration,
  lock,
  crypto,
  conversation,
};
enum class Direction : std::uint8_t { inbound, outbound };
enum class BuiltIn : std::uint8_t {
  service_retries,         ///< Of calls to other sidecars that could not be reached.
  actor_retries,           ///< The same for actors.
  actor_reminder_retries,  ///< Of writing reminders.
  actor_not_found_retries,
  initialization_retries,  ///< Of asking the application at the start.
};

/// The policies of this sidecar. Immutable but for its breakers; any thread.
class Policies {
 public:
  /// Built-in policies only.
  Policies();
  /// The documents are those for this app, in the order in which they override each other. One
  /// that says what cannot be is left out and told in the log. `metrics` must outlive this.
  explicit Policies(std::vector<resources::Resiliency> documents, Metrics* metrics = nullptr);
  /// The same in the place of others: breakers whose policy says the same as there go on as they
  /// are. Both may be used at once for a while.
  Policies(std::vector<resources::Resiliency> documents, Metrics* metrics,
           const Policies& predecessor);
  ~Policies();
  /// A copy is the same policies with the same breakers.
  Policies(const Policies&);
  Policies& operator=(const Policies&);

  /// Whether a document names the app itself: the built-in retries of calls to it are then off.
  [[nodiscard]] bool names_app(std::string_view app_id) const;
  [[nodiscard]] bool names_actor(std::string_view type) const;

  /// Of a call to an app or to what is called like one. Each method has a breaker of its own,
  /// "orders:checkout".
  [[nodiscard]] Policy app(std::string_view app_id, std::string_view method,
                           std::string_view separator = ":") const;
  /// Of a call to an actor before its turn: retries and breaker.
  [[nodiscard]] Policy actor_call(std::string_view type, std::string_view id) const;
  /// Of a turn: the time-out.
  [[nodiscard]] Policy actor_turn(std::string_view type, std::string_view id) const;
  /// What an app may be asked, for its own sidecar; nullptr: no limit. All copies share it.
  [[nodiscard]] std::shared_ptr<Limit> limit(std::string_view app_id) const;
  /// The replicas of an app, for those who call it; nullptr: none is passed over.
  [[nodiscard]] std::shared_ptr<Outliers> outliers(std::string_view app_id) const;
  [[nodiscard]] Policy component(std::string_view name, ComponentKind kind,
                                 Direction direction) const;
  /// Lives as long as any copy of this object.
  [[nodiscard]] const resources::RetryPolicy& built_in(BuiltIn which) const;

  struct BreakerStatus {
    /// As in the metrics: "app_orders", "actor_Cart", "Statestore_mystore".
    std::string target;
    /// Which of the target's: an endpoint, an actor.
    std::string key;
    Breaker::State state = Breaker::State::closed;
  };
  /// All that were used, by target and key.
  [[nodiscard]] std::vector<BreakerStatus> breakers() const;

 private:
  struct Impl;
  struct Wanted;
  static std::shared_ptr<Impl> make_impl(std::vector<resources::Resiliency> documents,
                                         Metrics* metrics);
  Policy make(Wanted&& wanted) const;
  std::shared_ptr<Impl> impl_;
};

/// Of a component's calls where there may be no policies at all.
[[nodiscard]] inline Policy component_policy(const Policies* policies, std::string_view name,
                                             ComponentKind kind, Direction direction) {
  return policies == nullptr ? Policy() : policies->component(name, kind, direction);
}

}  // namespace outrigger::runtime::resiliency
