#include "runtime/resiliency/policies.h"

#include <array>
#include <map>
#include <shared_mutex>

#include "base/duration.h"
#include "base/log.h"
#include "base/strings.h"
#include "runtime/resiliency/breakers.h"

namespace outrigger::runtime::resiliency {
namespace {

using namespace std::chrono_literals;
using resources::PolicyNames;
using resources::RetryPolicy;

const Logger log("dapr.runtime");

constexpr std::array<std::string_view, 8> kKindNames = {"Statestore",  "Pubsub",        "Binding",
                                                        "Secretstore", "Configuration", "Lock",
                                                        "Crypto",      "Conversation"};

struct BuiltInPolicy {
  std::string_view name;
  RetryPolicy policy;
  /// A document cannot replace it.
  bool fixed = false;
};

RetryPolicy constant(Duration pause, std::int64_t retries) {
  return {.kind = RetryPolicy::Kind::constant, .duration = pause, .max_retries = retries};
}

// In the order of BuiltIn.
const std::array<BuiltInPolicy, 5>& built_ins() {
  static const std::array<BuiltInPolicy, 5> all = {{
      {"DaprBuiltInServiceRetries", constant(1s, 3)},
      {"DaprBuiltInActorRetries", constant(1s, 3)},
      {"DaprBuiltInActorReminderRetries", {.kind = RetryPolicy::Kind::exponential}},
      {.name = "DaprBuiltInActorNotFoundRetries", .policy = constant(1s, 5), .fixed = true},
      {"DaprBuiltInInitializationRetries",
       {.kind = RetryPolicy::Kind::exponential,
        .max_interval = 1s,
        .max_elapsed = 10s,
        .max_retries = 3}},
  }};
  return all;
}

// Targets whose breakers are kept, and the name of all others together.
constexpr std::size_t kTargetsMax = 10'000;
const std::string kOtherTargets = "other";

// What overrides a built-in policy does not retry less.
constexpr std::int64_t kBuiltInRetriesMin = 3;

template <class... Parts>
std::string concat(const Parts&... parts) {
  std::string text;
  (text.append(std::string_view(parts)), ...);
  return text;
}

std::string_view to_title(Direction direction) {
  return direction == Direction::inbound ? "Inbound" : "Outbound";
}

template <class T>
using Named = std::map<std::string, T, std::less<>>;

template <class T>
const T* find(const Named<T>& map, std::string_view name) {
  const auto found = map.find(name);
  return found == map.end() ? nullptr : &found->second;
}

}  // namespace

/// What there is to be done for one target, and how it is shown.
struct Policies::Wanted {
  PolicyNames names;
  /// In the log: "endpoint[orders, orders:checkout]".
  std::string shown;
  /// In metrics: "app_orders".
  std::string target;
  Direction direction = Direction::outbound;
  std::string breaker_key, breaker_name;
  std::int32_t breakers_max = resources::AppTarget::kCacheSize;
};

struct Policies::Impl {
  Named<std::chrono::nanoseconds> timeouts;
  Named<RetryPolicy> retries;
  Named<Breaker::Settings> breaker_templates;
  Named<resources::CircuitBreakerPolicy> breaker_policies;
  Named<resources::LimitPolicy> limit_policies;
  Named<resources::EjectionPolicy> ejection_policies;
  /// By app.
  Named<std::shared_ptr<Limit>> limits;
  Named<std::shared_ptr<Outliers>> outliers;
  Named<resources::AppTarget> apps;
  Named<resources::ActorTarget> actors;
  Named<resources::ComponentTarget> components;
  /// For targets that no document names.
  PolicyNames for_apps, for_actors;
  std::array<std::array<PolicyNames, 2>, kKindNames.size()> for_components;
  const Metrics* metrics = nullptr;
  std::shared_ptr<const Target::Source> source;

  mutable std::shared_mutex mutex;
  /// By target, as metrics name it.
  mutable std::map<std::string, std::unique_ptr<Breakers>> breakers;

  void add(resources::Resiliency document);
  void add_retry(const std::string& name, const RetryPolicy& policy);

  void find_defaults();
  void make_limits();
  void make_outliers();
  PolicyNames defaults(std::initializer_list<std::string> levels) const;
  Breakers& breakers_of(const std::string& target, std::int32_t kept_max) const;
  std::shared_ptr<Breaker> breaker(const Wanted& wanted) const;
  void inherit(const Impl& predecessor);
};

void Policies::Impl::add_retry(const std::string& name, const RetryPolicy& policy) {
  RetryPolicy taken = policy;
  for (const BuiltInPolicy& known : built_ins()) {
    if (known.name != name) continue;
    if (known.fixed) {
      log.warn("Attempted to override protected policy ", name,
               " which is not allowed. Ignoring provided policy and using default.");
      return;
    }
    if (taken.max_retries < kBuiltInRetriesMin) {
      log.warn("Attempted override of ", name,
               " did not meet minimum retry count, resetting to 3.");
      taken.max_retries = kBuiltInRetriesMin;
    }
  }
  retries.insert_or_assign(name, std::move(taken));
}

void Policies::Impl::add(resources::Resiliency document) {
  for (auto& [name, timeout] : document.timeouts) timeouts.insert_or_assign(name, timeout);
  for (auto& [name, retry] : document.retries) add_retry(name, retry);
  for (auto& [name, policy] : document.circuit_breakers) {
    auto settings = breaker_settings(policy);
    if (!settings) {
      log.error("Could not read resiliency policy ", document.name, ": circuit breaker ", name,
                ": ", settings.error());
      return;
    }
    breaker_templates.insert_or_assign(name, *std::move(settings));
    breaker_policies.insert_or_assign(name, policy);
  }
  for (auto& [name, limit] : document.limits) limit_policies.insert_or_assign(name, limit);
  for (auto& [name, ejection] : document.ejections) {
    ejection_policies.insert_or_assign(name, ejection);
  }
  for (auto& [name, target] : document.apps) apps.insert_or_assign(name, target);
  for (auto& [name, target] : document.actors) actors.insert_or_assign(name, target);
  for (auto& [name, target] : document.components) components.insert_or_assign(name, target);
}

// The policies that are meant for all targets of a level, by their names; each kind of policy is
// looked for by itself, from the narrowest level to the widest.
PolicyNames Policies::Impl::defaults(std::initializer_list<std::string> levels) const {
  const auto look = [&](const auto& map, std::string_view suffix) -> std::string {
    for (const std::string& level : levels) {
      std::string name = "Default" + level + std::string(suffix);
      if (map.contains(name)) return name;
    }
    return "";
  };
  return {.timeout = look(timeouts, "TimeoutPolicy"),
          .retry = look(retries, "RetryPolicy"),
          .circuit_breaker = look(breaker_templates, "CircuitBreakerPolicy")};
}

Breakers& Policies::Impl::breakers_of(const std::string& target, std::int32_t kept_max) const {
  {
    const std::shared_lock lock(mutex);
    const auto found = breakers.find(target);
    if (found != breakers.end()) return *found->second;
  }
  const std::lock_guard lock(mutex);
  const auto found = breakers.find(target);
  if (found != breakers.end()) return *found->second;
  // Where defaults apply clients choose the names: all above share their breakers by key.
  const std::string& kept = breakers.size() < kTargetsMax ? target : kOtherTargets;
  auto& slot = breakers[kept];
  if (!slot) slot = std::make_unique<Breakers>(static_cast<std::size_t>(kept_max));
  return *slot;
}

void Policies::Impl::inherit(const Impl& predecessor) {
  const auto goes_on = [&](const std::string& name) {
    const auto* before = find(predecessor.breaker_policies, name);
    const auto* now = find(breaker_policies, name);
    return before != nullptr && now != nullptr && *before == *now;
  };
  const auto inherit_equal = [](auto& mine, const auto& theirs) {
    for (auto& [app, each] : mine) {
      const auto* before = find(theirs, app);
      if (before != nullptr && (*before)->policy() == each->policy()) each = *before;
    }
  };
  inherit_equal(limits, predecessor.limits);
  inherit_equal(outliers, predecessor.outliers);
  const std::shared_lock lock(predecessor.mutex);
  for (const auto& [target, known] : predecessor.breakers) {
    auto inherited = std::make_unique<Breakers>(known->kept_max());
    for (Breakers::Known& each : known->all()) {
      if (goes_on(each.policy)) inherited->put(std::move(each));
    }
    if (inherited->size() > 0) breakers.emplace(target, std::move(inherited));
  }
}

void Policies::Impl::find_defaults() {
  for_apps = defaults({"App", ""});
  for_actors = defaults({"Actor", ""});
  for (std::size_t kind = 0; kind < kKindNames.size(); ++kind) {
    for (const Direction direction : {Direction::inbound, Direction::outbound}) {
      const std::string level = "Component" + std::string(to_title(direction));
      for_components[kind][static_cast<std::size_t>(direction)] =
          defaults({std::string(kKindNames[kind]) + level, level, "Component", ""});
    }
  }
}

void Policies::Impl::make_limits() {
  for (const auto& [app, target] : apps) {
    if (target.limit.empty()) continue;
    if (const auto* policy = find(limit_policies, target.limit)) {
      Target counted(metrics, source, concat("app_", app), "inbound");
      limits.emplace(app, std::make_shared<Limit>(*policy, std::move(counted)));
    } else {
      log.error("Resiliency: there is no limit ", target.limit, ", which app ", app,
                " names: it has none");
    }
  }
}

void Policies::Impl::make_outliers() {
  for (const auto& [app, target] : apps) {
    if (target.ejection.empty()) continue;
    const auto* policy = find(ejection_policies, target.ejection);
    if (policy == nullptr) {
      log.error("Resiliency: there is no ejection ", target.ejection, ", which app ", app,
                " names: its replicas are not ejected");
      continue;
    }
    Target counted(metrics, source, concat("app_", app), "outbound");
    auto tell = [app, counted](std::string_view address, Duration time) {
      log.warn("Replica ", address, " of app ", app, " fails again and again: not called for ",
               format_duration(time));
      counted.activated(Target::Policy::ejection);
    };
    outliers.emplace(app, std::make_shared<Outliers>(*policy, std::move(tell)));
  }
}

std::shared_ptr<Breaker> Policies::Impl::breaker(const Wanted& wanted) const {
  const Breaker::Settings* model = find(breaker_templates, wanted.names.circuit_breaker);
  if (model == nullptr) return nullptr;
  const auto make = [&] {
    return std::make_shared<Breaker>(
        *model, [shown = wanted.breaker_name](Breaker::State from, Breaker::State to) {
          log.info("Circuit breaker \"", shown, "\" changed state from ", to_string(from), " to ",
                   to_string(to));
        });
  };
  Breakers& known = breakers_of(wanted.target, wanted.breakers_max);
  known.limit(static_cast<std::size_t>(wanted.breakers_max));
  return known.get(wanted.breaker_key, wanted.names.circuit_breaker, make);
}

Policies::Policies() : Policies(std::vector<resources::Resiliency>{}) {}

std::shared_ptr<Policies::Impl> Policies::make_impl(std::vector<resources::Resiliency> documents,
                                                    Metrics* metrics) {
  auto impl = std::make_shared<Impl>();
  impl->metrics = metrics;
  for (const BuiltInPolicy& known : built_ins()) {
    impl->retries.emplace(known.name, known.policy);
  }
  for (auto& document : documents) {
    log.info("Loading Resiliency configuration: ", document.name);
    impl->source = std::make_shared<const Target::Source>(document.name, document.namespace_name);
    impl->add(std::move(document));
    if (metrics != nullptr) metrics->loaded(*impl->source);
  }
  impl->find_defaults();
  impl->make_limits();
  impl->make_outliers();
  return impl;
}

Policies::Policies(std::vector<resources::Resiliency> documents, Metrics* metrics)
    : impl_(make_impl(std::move(documents), metrics)) {}

Policies::Policies(std::vector<resources::Resiliency> documents, Metrics* metrics,
                   const Policies& predecessor)
    : impl_(make_impl(std::move(documents), metrics)) {
  impl_->inherit(*predecessor.impl_);
}

Policies::~Policies() = default;
Policies::Policies(const Policies&) = default;
Policies& Policies::operator=(const Policies&) = default;

bool Policies::names_app(std::string_view app_id) const {
  return find(impl_->apps, app_id) != nullptr;
}
bool Policies::names_actor(std::string_view type) const {
  return find(impl_->actors, type) != nullptr;
}

std::shared_ptr<Limit> Policies::limit(std::string_view app_id) const {
  if (impl_->limits.empty()) return nullptr;
  const auto* found = find(impl_->limits, app_id);
  return found == nullptr ? nullptr : *found;
}

std::shared_ptr<Outliers> Policies::outliers(std::string_view app_id) const {
  if (impl_->outliers.empty()) return nullptr;
  const auto* found = find(impl_->outliers, app_id);
  return found == nullptr ? nullptr : *found;
}

Policy Policies::make(Wanted&& wanted) const {
  Policy policy;
  if (wanted.names == PolicyNames()) return policy;
  policy.kept_ = impl_;
  policy.name_ = std::move(wanted.shown);
  if (const auto* timeout = find(impl_->timeouts, wanted.names.timeout)) policy.timeout_ = *timeout;
  policy.retry_ = find(impl_->retries, wanted.names.retry);
  policy.breaker_ = impl_->breaker(wanted);
  policy.metrics_ = Target(impl_->metrics, impl_->source, std::move(wanted.target),
                           wanted.direction == Direction::inbound ? "inbound" : "outbound");
  if (policy.has_timeout()) policy.metrics_.executed(Target::Policy::timeout);
  if (policy.retry_ != nullptr) policy.metrics_.executed(Target::Policy::retry);
  if (policy.breaker_) {
    const auto state = policy.breaker_->state(std::chrono::steady_clock::now());
    policy.metrics_.executed(Target::Policy::circuit_breaker, to_string(state));
  }
  return policy;
}

Policy Policies::app(std::string_view app_id, std::string_view method,
                     std::string_view separator) const {
  const resources::AppTarget* const named = find(impl_->apps, app_id);
  Wanted wanted;
  wanted.names = named != nullptr ? named->policies : impl_->for_apps;
  if (wanted.names == PolicyNames()) return {};
  if (named != nullptr) wanted.breakers_max = named->circuit_breaker_cache_size;
  wanted.breaker_key = concat(app_id, separator, method);
  wanted.breaker_name = wanted.breaker_key;
  wanted.shown = concat("endpoint[", app_id, ", ", wanted.breaker_key, "]");
  wanted.target = concat("app_", app_id);
  return make(std::move(wanted));
}

Policy Policies::actor_call(std::string_view type, std::string_view id) const {
  const resources::ActorTarget* const named = find(impl_->actors, type);
  Wanted wanted;
  wanted.names = named != nullptr ? named->policies : impl_->for_actors;
  wanted.names.timeout.clear();
  if (wanted.names == PolicyNames()) return {};
  // Defaults have no scope: a breaker for each type.
  const bool by_id =
      named != nullptr && named->circuit_breaker_scope != resources::ActorTarget::Scope::type;
  if (named != nullptr) wanted.breakers_max = named->circuit_breaker_cache_size;
  wanted.shown = concat("actor[", type, ", ", id, "]");
  wanted.target = concat("actor_", type);
  wanted.breaker_key = by_id ? concat(type, "-", id) : std::string(type);
  wanted.breaker_name = wanted.breaker_key;
  return make(std::move(wanted));
}

Policy Policies::actor_turn(std::string_view type, std::string_view id) const {
  const resources::ActorTarget* const named = find(impl_->actors, type);
  Wanted wanted;
  wanted.names.timeout = (named != nullptr ? named->policies : impl_->for_actors).timeout;
  if (wanted.names.timeout.empty()) return {};
  wanted.shown = concat("actor[", type, ", ", id, "]");
  wanted.target = concat("actor_", type);
  return make(std::move(wanted));
}

Policy Policies::component(std::string_view name, ComponentKind kind, Direction direction) const {
  const resources::ComponentTarget* const named = find(impl_->components, name);
  const auto index = static_cast<std::size_t>(kind);
  const bool inbound = direction == Direction::inbound;
  Wanted wanted;
  if (named != nullptr) {
    wanted.names = inbound ? named->inbound : named->outbound;
  } else {
    wanted.names = impl_->for_components[index][static_cast<std::size_t>(direction)];
  }
  if (wanted.names == PolicyNames()) return {};
  wanted.direction = direction;
  wanted.shown = concat("component[", name, inbound ? "] input" : "] output");
  wanted.target = concat(kKindNames[index], "_", name);
  // Both directions share one, as upstream's do.
  wanted.breaker_key = name;
  wanted.breaker_name = concat(wanted.names.circuit_breaker, "-", name);
  return make(std::move(wanted));
}

const RetryPolicy& Policies::built_in(BuiltIn which) const {
  return *find(impl_->retries, built_ins()[static_cast<std::size_t>(which)].name);
}

std::vector<Policies::BreakerStatus> Policies::breakers() const {
  const TimePoint now = std::chrono::steady_clock::now();
  std::vector<BreakerStatus> all;
  const std::shared_lock lock(impl_->mutex);
  for (const auto& [target, breakers] : impl_->breakers) {
    auto by_key = breakers->all();
    std::ranges::sort(by_key, {}, &Breakers::Known::key);
    for (const auto& known : by_key) {
      all.push_back({.target = target, .key = known.key, .state = known.breaker->state(now)});
    }
  }
  return all;
}

}  // namespace outrigger::runtime::resiliency
