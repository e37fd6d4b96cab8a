#include "resources/configuration.h"

#include <algorithm>
#include <iterator>

#include "base/strings.h"

namespace outrigger::resources {
namespace {

constexpr double kDefaultSamplingRate = 1e-4;

constexpr std::int64_t kLatencyBuckets[] = {1,    2,    3,    4,     5,     6,     8,     10,  13,
                                            16,   20,   25,   30,    40,    50,    65,    80,  100,
                                            130,  160,  200,  250,   300,   400,   500,   650, 800,
                                            1000, 2000, 5000, 10000, 20000, 50000, 100000};

// As Go prints a list of strings.
std::string bracketed(const std::vector<std::string>& items) {
  return "[" + join(items, " ") + "]";
}

}  // namespace

Configuration::Configuration()
    : access_control(AccessControl{}),
      features{{.name = "HotReload", .enabled = true},
               {.name = "WorkflowsRemoteActivityReminder", .enabled = true}} {}

double Tracing::rate() const { return parse_double(sampling_rate).value_or(kDefaultSamplingRate); }

std::vector<std::int64_t> Metrics::latency_buckets() const {
  if (latency_distribution_buckets && !latency_distribution_buckets->empty()) {
    return *latency_distribution_buckets;
  }
  return {std::begin(kLatencyBuckets), std::end(kLatencyBuckets)};
}

bool SecretScope::allows(std::string_view secret) const {
  if (!allowed_secrets.empty()) return std::ranges::binary_search(allowed_secrets, secret);
  if (std::ranges::binary_search(denied_secrets, secret)) return false;
  return !equals_fold(default_access, "deny");
}

Result<> AccessControl::check() const {
  std::vector<std::string> no_trust_domain, no_namespace;
  bool no_app = false;
  for (const Policy& policy : policies) {
    if (policy.app_id.empty()) no_app = true;
    if (policy.trust_domain.empty()) no_trust_domain.push_back(policy.app_id);
    if (policy.namespace_name.empty()) no_namespace.push_back(policy.app_id);
  }
  if (!no_app && no_trust_domain.empty() && no_namespace.empty()) return {};
  return fail(
      Code::invalid_argument,
      "invalid access control spec. missing trustdomain for apps: " + bracketed(no_trust_domain) +
          ", missing namespace for apps: " + bracketed(no_namespace) +
          ", missing app name on at least one of the app policies: " + (no_app ? "true" : "false"));
}

std::set<std::string> api_keys(const std::vector<ApiRule>& rules, std::string_view protocol) {
  std::set<std::string> keys;
  for (const ApiRule& rule : rules) {
    if (equals_fold(rule.protocol, protocol)) keys.insert(rule.version + "/" + rule.name);
  }
  return keys;
}

std::vector<std::string> Configuration::enabled_features() const {
  std::vector<std::string> enabled;
  for (const Feature& feature : features) {
    if (feature.name.empty()) continue;
    std::erase(enabled, feature.name);
    if (feature.enabled) enabled.push_back(feature.name);
  }
  return enabled;
}

bool Configuration::feature_enabled(std::string_view feature) const {
  // A name may be repeated: the last one counts.
  bool enabled = false;
  for (const Feature& one : features) {
    if (one.name == feature) enabled = one.enabled;
  }
  return enabled;
}

const SecretScope* Configuration::secret_scope(std::string_view store) const {
  const auto found = std::ranges::find(secret_scopes, store, &SecretScope::store_name);
  return found == secret_scopes.end() ? nullptr : &*found;
}

}  // namespace outrigger::resources
