#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/actors/router.h"
#include "runtime/state/service.h"

namespace outrigger::runtime::actors {

/// One change of a transaction, as it was asked for.
struct StateOperation {
  std::string operation;  ///< "upsert" or "delete".
  bool has_request = true;
  std::string key;
  std::string value;
  components::state::ValueKind kind = components::state::ValueKind::bytes;
  std::optional<std::string> etag;
  components::Properties metadata;
};

/// The state of actors: in the one store that is marked for it, under keys of their own. On one
/// loop.
class ActorState {
 public:
  struct Settings {
    std::string app_id;
    /// Feature ActorStateTTL.
    bool ttl = false;
    /// Must outlive the object; nullptr: there are none.
    const resiliency::Policies* policies = nullptr;
  };
  /// All must outlive this object.
  ActorState(Settings settings, state::Service& stores, placement::Service& where, Router& router)
      : settings_(std::move(settings)), stores_(stores), where_(where), router_(router) {}

  /// Which store it is; nullopt: none.
  void set_store(std::optional<std::string> name) { store_ = std::move(name); }

  /// Errors are the API's (errors.h).
  Task<Result<std::optional<components::state::Item>>> get(ActorRef actor, std::string key);
  /// All or nothing. The actor must be active here.
  Task<Result<>> transact(ActorRef actor, std::vector<StateOperation> operations);

 private:
  [[nodiscard]] Result<std::shared_ptr<state::OpenStore>> open_store() const;
  [[nodiscard]] Result<components::state::TransactionRequest> transaction_of(
      const ActorRef& actor, std::vector<StateOperation> operations) const;
  Task<Result<>> apply(std::shared_ptr<state::OpenStore> store,
                       components::state::TransactionRequest request);
  [[nodiscard]] resiliency::Policy policy_of(const state::OpenStore& store) const;
  Task<Result<bool>> is_active(ActorRef actor);

  Settings settings_;
  state::Service& stores_;
  placement::Service& where_;
  Router& router_;
  std::optional<std::string> store_;
};

}  // namespace outrigger::runtime::actors
