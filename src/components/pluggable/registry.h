#pragma once

#include <memory>
#include <span>
#include <vector>

#include "components/component.h"
#include "components/pluggable/discovery.h"
#include "components/pubsub/broker.h"
#include "components/secretstores/secret_store.h"
#include "components/state/store.h"

namespace outrigger::components::pluggable {

/// The kinds of components that the programs behind sockets are: "state.", "pubsub." or
/// "secretstores." and the socket's name, version v1. Must outlive the rows it gives, and the
/// components made of them. The rows may be used from any thread.
class Registry {
 public:
  explicit Registry(std::vector<Socket> sockets);
  ~Registry();
  Registry(Registry&&) noexcept;
  Registry& operator=(Registry&&) noexcept;

  /// The built-in kinds and the programs'. Of kinds with the same name the program's is meant, and
  /// of programs the last one.
  [[nodiscard]] std::vector<Kind<state::Store>> state_stores(
      std::span<const Kind<state::Store>> built_in) const;
  [[nodiscard]] std::vector<Kind<pubsub::Broker>> brokers(
      std::span<const Kind<pubsub::Broker>> built_in) const;
  [[nodiscard]] std::vector<Kind<secretstores::SecretStore>> secret_stores(
      std::span<const Kind<secretstores::SecretStore>> built_in) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace outrigger::components::pluggable
