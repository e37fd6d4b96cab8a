#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/loop.h"

/// Virtual actors in the sidecar: calls, state, timers, reminders and the life of the actors that
/// the application hosts.
namespace outrigger::runtime::actors {

struct Reentrancy {
  bool enabled = false;
  std::optional<int> stack_depth_max;

  bool operator==(const Reentrancy&) const = default;
};

/// What an application says about its actors, durations as it wrote them; of all types, or of some.
struct ActorOptions {
  std::vector<std::string> entities;
  std::string idle_timeout;
  std::string drain_timeout;
  std::optional<bool> drain_rebalanced;
  Reentrancy reentrancy;
  bool has_reminder_partitions = false;  ///< Deprecated, and without effect.

  bool operator==(const ActorOptions&) const = default;
};
struct AppConfig : ActorOptions {
  std::vector<ActorOptions> types;

  bool operator==(const AppConfig&) const = default;
};

/// The answer to GET /dapr/config, read as upstream's Go struct is: one value, names in any case,
/// null as absent. Code::invalid_argument for what is no JSON or of another type.
[[nodiscard]] Result<AppConfig> parse_app_config(std::string_view body);

/// How the actors of one type live here.
struct TypeSettings {
  Duration idle_timeout = std::chrono::hours(1);
  bool reentrant = false;
  int stack_depth_max = 32;

  bool operator==(const TypeSettings&) const = default;
};
/// Everything that follows from an AppConfig.
struct Hosting {
  std::map<std::string, TypeSettings, std::less<>> types;
  /// How long running calls may take when their actor has to go.
  Duration drain_timeout = std::chrono::seconds(2);
  std::map<std::string, Duration, std::less<>> drain_timeouts;  ///< Of types with one of their own.
  /// False: they are cancelled at once.
  bool drain_rebalanced = true;
};

/// Applies defaults and limits: a drain that is not shorter than `dissemination_timeout` is cut to
/// 0.8 of it, but not below 2 s. Bad durations of all types are an error, of some types a warning
/// and the default.
[[nodiscard]] Result<Hosting> make_hosting(const AppConfig& config, Duration dissemination_timeout);

}  // namespace outrigger::runtime::actors
