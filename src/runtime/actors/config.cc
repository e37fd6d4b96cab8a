#include "runtime/actors/config.h"

#include <algorithm>

#include "base/duration.h"
#include "base/json.h"
#include "base/log.h"
#include "base/strings.h"

namespace outrigger::runtime::actors {
namespace {

using namespace std::chrono_literals;

const Logger log("dapr.runtime.actor.config");

constexpr Duration kDrainDefault = 2s;
constexpr Duration kIdleDefault = std::chrono::hours(1);

std::unexpected<Error> wrong_type(std::string_view field) {
  return fail(Code::invalid_argument,
              "the application's configuration has a wrong type in " + std::string(field));
}

Result<> read(std::string& into, std::string_view field, std::string_view raw) {
  auto text = json::string_value(raw);
  if (!text) return wrong_type(field);
  into = *std::move(text);
  return {};
}

Result<> read(std::vector<std::string>& into, std::string_view field, std::string_view raw) {
  if (json::type_of(raw) != json::Type::array) return wrong_type(field);
  into.clear();
  json::ArrayReader elements(raw);
  while (elements.next()) {
    std::string element;
    if (json::type_of(elements.value()) != json::Type::null) {
      OUT_CHECK(read(element, field, elements.value()));
    }
    into.push_back(std::move(element));
  }
  return {};
}

Result<> read(Reentrancy& into, std::string_view field, std::string_view raw) {
  if (json::type_of(raw) != json::Type::object) return wrong_type(field);
  json::ObjectReader members(raw);
  while (members.next()) {
    if (json::type_of(members.value()) == json::Type::null) continue;
    if (members.key_is("enabled")) {
      const auto enabled = json::bool_value(members.value());
      if (!enabled) return wrong_type("reentrancy.enabled");
      into.enabled = *enabled;
    } else if (members.key_is("maxStackDepth")) {
      const auto depth = json::int_value(members.value());
      if (!depth || *depth < INT32_MIN || *depth > INT32_MAX) {
        return wrong_type("reentrancy.maxStackDepth");
      }
      into.stack_depth_max = static_cast<int>(*depth);
    }
  }
  return {};
}

/// True if the member is one of those that both kinds of options have.
Result<bool> read_member(ActorOptions& into, const json::ObjectReader& member) {
  const std::string_view raw = member.value();
  if (member.key_is("entities")) {
    OUT_CHECK(read(into.entities, "entities", raw));
  } else if (member.key_is("actorIdleTimeout")) {
    OUT_CHECK(read(into.idle_timeout, "actorIdleTimeout", raw));
  } else if (member.key_is("drainOngoingCallTimeout")) {
    OUT_CHECK(read(into.drain_timeout, "drainOngoingCallTimeout", raw));
  } else if (member.key_is("drainRebalancedActors")) {
    into.drain_rebalanced = json::bool_value(raw);
    if (!into.drain_rebalanced) return wrong_type("drainRebalancedActors");
  } else if (member.key_is("reentrancy")) {
    OUT_CHECK(read(into.reentrancy, "reentrancy", raw));
  } else if (member.key_is("remindersStoragePartitions")) {
    const auto number = json::int_value(raw);
    if (!number) return wrong_type("remindersStoragePartitions");
    into.has_reminder_partitions = *number > 0;
  } else {
    return false;
  }
  return true;
}

Result<> read_types(AppConfig& into, std::string_view raw) {
  if (json::type_of(raw) != json::Type::array) return wrong_type("entitiesConfig");
  into.types.clear();
  json::ArrayReader elements(raw);
  while (elements.next()) {
    ActorOptions options;
    if (json::type_of(elements.value()) == json::Type::null) {
      into.types.push_back(options);
      continue;
    }
    if (json::type_of(elements.value()) != json::Type::object) return wrong_type("entitiesConfig");
    json::ObjectReader members(elements.value());
    while (members.next()) {
      if (json::type_of(members.value()) == json::Type::null) continue;
      OUT_CHECK(read_member(options, members));
    }
    into.types.push_back(std::move(options));
  }
  return {};
}

std::optional<Duration> parse(std::string_view text) {
  const auto parsed = parse_duration(text);
  if (!parsed) return std::nullopt;
  return std::chrono::duration_cast<Duration>(*parsed);
}

Duration clamp_drain(Duration drain, Duration dissemination_timeout, std::string_view source) {
  if (dissemination_timeout <= Duration::zero() || drain < dissemination_timeout) return drain;
  const Duration clamped = std::max(dissemination_timeout * 8 / 10, kDrainDefault);
  log.warn("drainOngoingCallTimeout (", format_duration(drain), ") for ", source,
           " meets or exceeds the dissemination timeout (", format_duration(dissemination_timeout),
           "); clamping to ", format_duration(clamped),
           " to avoid blocking placement dissemination");
  return clamped;
}

TypeSettings settings_of(Duration idle_timeout, const Reentrancy& reentrancy) {
  TypeSettings settings;
  settings.idle_timeout = idle_timeout;
  settings.reentrant = reentrancy.enabled;
  settings.stack_depth_max = reentrancy.stack_depth_max.value_or(settings.stack_depth_max);
  return settings;
}

void apply(const ActorOptions& options, Duration dissemination_timeout, Hosting& hosting) {
  Duration idle = kIdleDefault;
  if (!options.idle_timeout.empty()) {
    const auto parsed = parse(options.idle_timeout);
    if (parsed) {
      idle = *parsed;
    } else {
      log.warn("Invalid actor idle timeout value ", options.idle_timeout, ", using default value ",
               format_duration(kIdleDefault));
    }
  }
  std::optional<Duration> drain;
  if (!options.drain_timeout.empty()) {
    drain = parse(options.drain_timeout);
    if (drain) {
      drain = clamp_drain(*drain, dissemination_timeout, "entities=" + join(options.entities, ","));
    } else {
      log.warn("Invalid drain ongoing call timeout value ", options.drain_timeout,
               ", using default value ", format_duration(kDrainDefault));
    }
  }
  for (const std::string& type : options.entities) {
    const auto found = hosting.types.find(type);
    if (found == hosting.types.end()) {
      log.warn("Configuration specified for non-hosted actor type: ", type);
      continue;
    }
    found->second = settings_of(idle, options.reentrancy);
    if (drain) hosting.drain_timeouts[type] = *drain;
  }
}

}  // namespace

Result<AppConfig> parse_app_config(std::string_view body) {
  const auto value = json::first_value(body);
  if (!value) return fail(Code::invalid_argument, "the application's configuration is not JSON");
  AppConfig config;
  if (json::type_of(*value) == json::Type::null) return config;
  if (json::type_of(*value) != json::Type::object) return wrong_type("the whole");
  json::ObjectReader members(*value);
  while (members.next()) {
    if (json::type_of(members.value()) == json::Type::null) continue;
    OUT_TRY(const bool known, read_member(config, members));
    if (known || !members.key_is("entitiesConfig")) continue;
    OUT_CHECK(read_types(config, members.value()));
  }
  return config;
}

Result<Hosting> make_hosting(const AppConfig& config, Duration dissemination_timeout) {
  Hosting hosting;
  if (!config.drain_timeout.empty()) {
    const auto drain = parse_duration(config.drain_timeout);
    if (!drain) {
      return fail(Code::invalid_argument,
                  "failed to parse drain ongoing call timeout: " + drain.error().message());
    }
    hosting.drain_timeout = clamp_drain(std::chrono::duration_cast<Duration>(*drain),
                                        dissemination_timeout, "global config");
  }
  Duration idle = kIdleDefault;
  if (!config.idle_timeout.empty()) {
    const auto parsed = parse_duration(config.idle_timeout);
    if (!parsed) {
      return fail(Code::invalid_argument,
                  "failed to parse default actor idle timeout: " + parsed.error().message());
    }
    idle = std::chrono::duration_cast<Duration>(*parsed);
  }
  hosting.drain_rebalanced = config.drain_rebalanced.value_or(true);
  for (const std::string& type : config.entities) {
    hosting.types.insert_or_assign(type, settings_of(idle, config.reentrancy));
  }
  for (const ActorOptions& options : config.types) apply(options, dissemination_timeout, hosting);
  return hosting;
}

}  // namespace outrigger::runtime::actors
