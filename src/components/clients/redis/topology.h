#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "components/clients/redis/link.h"

namespace outrigger::components::redis {

/// Commands that must not wait for each other go over different connections: each is a lane.
struct Lane {
  std::size_t index = 0;  ///< Small: connections are kept in a vector of them.
  Duration answer_timeout{0};
};

/// Which server has a key, and what to do when that changes.
class Topology {
 public:
  virtual ~Topology() = default;
  /// Connects for the first time.
  virtual Task<Result<>> start() = 0;
  /// The connection for a key's slot, or for any server; nullptr if that is not known (refresh()).
  virtual std::shared_ptr<Link> find(std::optional<std::uint16_t> slot, const Lane& lane) = 0;
  /// Finds out again which server has what.
  virtual Task<Result<>> refresh() = 0;
  /// The server of an address that another named.
  virtual std::shared_ptr<Link> at(const net::Address& address, const Lane& lane) = 0;
  /// A server said that another has the slot now.
  virtual void moved(std::uint16_t slot, const net::Address& address) = 0;
  /// A command did not get through: what is known may be old.
  virtual void suspect(const Link& link) = 0;
  /// For each server that owns keys, one slot that it has (nullopt: the only server).
  virtual std::vector<std::optional<std::uint16_t>> owners() = 0;
  /// Closes the lane's connections.
  virtual void drop(const Lane& lane, const Error& why) = 0;
  /// Where commands go, for error messages.
  [[nodiscard]] virtual std::string describe() const = 0;
};

/// One server, or the first that answers of several.
std::unique_ptr<Topology> make_standalone(std::shared_ptr<const Settings> settings, Scope& scope);
/// The master that sentinels name.
std::unique_ptr<Topology> make_sentinel(std::shared_ptr<const Settings> settings, Scope& scope);
/// The masters of a cluster.
std::unique_ptr<Topology> make_cluster(std::shared_ptr<const Settings> settings, Scope& scope);

/// The connections to one server, a lane each, made when first asked for.
class Lanes {
 public:
  Lanes(std::shared_ptr<const Settings> settings, Locator& locator, Scope& scope)
      : settings_(std::move(settings)), locator_(locator), scope_(scope) {}
  std::shared_ptr<Link> get(const Lane& lane);
  void drop(const Lane& lane, const Error& why);
  void drop_all(const Error& why);
  /// Nobody is using a connection or making one.
  [[nodiscard]] bool idle() const noexcept;

 private:
  std::shared_ptr<const Settings> settings_;
  Locator& locator_;
  Scope& scope_;
  std::vector<std::shared_ptr<Link>> links_;
};

}  // namespace outrigger::components::redis
