#include "resources/configuration_loader.h"

#include <algorithm>
#include <utility>

#include "base/duration.h"
#include "base/strings.h"
#include "resources/decode.h"
#include "resources/files.h"
#include "resources/yaml.h"

namespace outrigger::resources {
namespace {

// A configuration while files are laid upon it.
struct Draft {
  Configuration value;
  // spec.metrics: laid over spec.metric at the end.
  std::optional<Metrics> metrics;

  Draft() { value.features.clear(); }
};

// What a pointer upstream does: null forgets it, a map makes it and is read on top of it. False if
// there is nothing to read.
template <class T>
bool open(const Field& field, std::optional<T>& out) {
  if (field.is_null()) out.reset();
  if (!field.is_map()) return false;
  if (!out) out.emplace();
  return true;
}
template <class T>
bool open(const Field& field, T& out) {
  if (field.is_null()) out = T{};
  return field.is_map();
}

// Lists are never merged: a later file's list replaces the whole.
template <class T, class Read>
void read_list(const Field& field, std::vector<T>& out, const Read& read) {
  if (!field.present()) return;
  out.clear();
  field.each([&](const Field& item) {
    T& value = out.emplace_back();
    if (item.is_map()) read(item, value);
  });
}

void read_go_duration(const Field& field, std::optional<std::chrono::nanoseconds>& out) {
  if (field.is_null()) out.reset();
  if (!field.has_value()) return;
  std::string text;
  field.read(text);
  const auto parsed = parse_duration(text);
  if (!parsed) return field.problem(parsed.error().message());
  out = *parsed;
}

void read_pipeline(const Field& field, std::vector<PipelineHandler>& out) {
  if (!open(field, out)) return;
  read_list(field["handlers"], out, [](const Field& item, PipelineHandler& handler) {
    item["name"].read(handler.name);
    item["type"].read(handler.type);
    item["version"].read(handler.version);
    if (const Field selector = item["selector"]; selector.is_map()) {
      read_list(selector["fields"], handler.selector,
                [](const Field& entry, PipelineHandler::Selector& selected) {
                  entry["field"].read(selected.field);
                  entry["value"].read(selected.value);
                });
    }
  });
}

void read_otel_headers(const Field& field, std::vector<std::string>& out) {
  if (!field.present()) return;
  out.clear();
  field.each([&](const Field& item) {
    if (item.is_null()) return;
    std::string& header = out.emplace_back();
    if (item.node()->kind == yaml::Kind::map) {
      const NameValue pair = read_name_value(item);
      header = pair.name + "=" + pair.value;
    } else {
      item.read(header);
    }
  });
}

void read_tracing(const Field& field, Tracing& out) {
  if (!open(field, out)) return;
  field["samplingRate"].read(out.sampling_rate);
  if (!out.sampling_rate.empty() && !parse_double(out.sampling_rate)) {
    field["samplingRate"].warning("\"" + out.sampling_rate + "\" is no number; 0.0001 is used");
  }
  field["stdout"].read(out.print_to_stdout);
  const Field zipkin = field["zipkin"];
  if (zipkin.is_null()) out.zipkin_endpoint_address.clear();
  if (zipkin.is_map()) zipkin["endpointAddress"].read(out.zipkin_endpoint_address);
  const Field otel = field["otel"];
  if (!open(otel, out.otel)) return;
  otel["protocol"].read(out.otel.protocol);
  otel["endpointAddress"].read(out.otel.endpoint_address);
  if (otel["isSecure"].is_null()) out.otel.is_secure = true;
  otel["isSecure"].read(out.otel.is_secure);
  read_otel_headers(otel["headers"], out.otel.headers);
  read_go_duration(otel["timeout"], out.otel.timeout);
}

void read_metrics(const Field& field, Metrics& out) {
  field["enabled"].read(out.enabled);
  field["recordErrorCodes"].read(out.record_error_codes);
  if (const Field http = field["http"]; open(http, out.http)) {
    http["increasedCardinality"].read(out.http->increased_cardinality);
    http["excludeVerbs"].read(out.http->exclude_verbs);
    http["pathMatching"].read(out.http->path_matching);
  }
  const Field buckets = field["latencyDistributionBuckets"];
  if (buckets.is_null()) out.latency_distribution_buckets.reset();
  if (buckets.has_value()) {
    auto& values = out.latency_distribution_buckets.emplace();
    buckets.each([&](const Field& item) { item.read(values.emplace_back()); });
    if (!std::ranges::is_sorted(values)) buckets.warning("the buckets are not in rising order");
  }
  read_list(field["rules"], out.rules, [](const Field& item, Metrics::Rule& rule) {
    item["name"].read(rule.name);
    read_list(item["labels"], rule.labels, [](const Field& entry, Metrics::Label& label) {
      entry["name"].read(label.name);
      entry["regex"].read(label.regex);
    });
  });
}

void read_mtls(const Field& field, std::optional<Mtls>& out) {
  if (!open(field, out)) return;
  field["enabled"].read(out->enabled);
  field["workloadCertTTL"].read(out->workload_cert_ttl);
  field["allowedClockSkew"].read(out->allowed_clock_skew);
  field["sentryAddress"].read(out->sentry_address);
  field["controlPlaneTrustDomain"].read(out->control_plane_trust_domain);
  read_list(field["tokenValidators"], out->token_validators,
            [](const Field& item, Mtls::TokenValidator& validator) {
              item["name"].read(validator.name);
              item["options"].members([&](const std::string& name, const Field& value) {
                value.read_any(validator.options[name]);
              });
            });
}

void read_secrets(const Field& field, std::vector<SecretScope>& out) {
  if (!open(field, out)) return;
  read_list(field["scopes"], out, [](const Field& item, SecretScope& scope) {
    item["storeName"].read(scope.store_name);
    item["defaultAccess"].read(scope.default_access);
    item["allowedSecrets"].read(scope.allowed_secrets);
    item["deniedSecrets"].read(scope.denied_secrets);
    std::ranges::sort(scope.allowed_secrets);
    std::ranges::sort(scope.denied_secrets);
    const std::string& access = scope.default_access;
    if (!access.empty() && !equals_fold(access, "allow") && !equals_fold(access, "deny")) {
      item["defaultAccess"].problem("defaultAccess " + access + " can be either allow or deny");
    }
  });
}

// Stores far away are to be left in peace.
constexpr std::chrono::nanoseconds kPollIntervalMin = std::chrono::seconds(1);

void read_poll_interval(const Field& field, std::optional<std::chrono::nanoseconds>& out) {
  read_go_duration(field, out);
  if (out && *out < kPollIntervalMin) field.problem("it can be a second or more");
}

void read_access_control(const Field& field, std::optional<AccessControl>& out) {
  if (field.is_null()) out.reset();
  if (!field.is_map()) return;
  // What null took away comes back without upstream's defaults.
  if (!out) out = AccessControl{.default_action = "", .trust_domain = ""};
  field["defaultAction"].read(out->default_action);
  field["trustDomain"].read(out->trust_domain);
  read_list(field["policies"], out->policies, [](const Field& item, AccessControl::Policy& policy) {
    item["appId"].read(policy.app_id);
    item["defaultAction"].read(policy.default_action);
    item["trustDomain"].read(policy.trust_domain);
    item["namespace"].read(policy.namespace_name);
    read_list(item["operations"], policy.operations,
              [](const Field& entry, AccessControl::Operation& operation) {
                entry["name"].read(operation.name);
                entry["httpVerb"].read(operation.http_verbs);
                entry["action"].read(operation.action);
              });
  });
}

void read_name_resolution(const Field& field, std::optional<NameResolution>& out) {
  if (!open(field, out)) return;
  field["component"].read(out->component);
  field["version"].read(out->version);
  const Field configuration = field["configuration"];
  if (!configuration.present()) return;
  out->settings.clear();
  out->configuration_json.clear();
  if (!configuration.has_value()) return;
  auto json = yaml::to_json(*configuration.node(), configuration.report().dialect());
  if (!json) return configuration.problem(json.error().message());
  out->configuration_json = std::move(*json);
  if (configuration.node()->kind != yaml::Kind::map) return;
  configuration.members(
      [&](const std::string& name, const Field& value) { value.read_any(out->settings[name]); });
}

void read_api_rules(const Field& field, std::vector<ApiRule>& out) {
  read_list(field, out, [](const Field& item, ApiRule& rule) {
    item["name"].read(rule.name);
    item["version"].read(rule.version);
    item["protocol"].read(rule.protocol);
  });
}

void read_limits(const Field& field, std::vector<Workflow::Limit>& out) {
  read_list(field, out, [](const Field& item, Workflow::Limit& limit) {
    item["name"].read(limit.name);
    item["maxConcurrent"].read(limit.max_concurrent);
  });
}

void read_workflow(const Field& field, Workflow& out) {
  if (!open(field, out)) return;
  field["maxConcurrentWorkflowInvocations"].read(out.max_concurrent_workflow_invocations);
  field["maxConcurrentActivityInvocations"].read(out.max_concurrent_activity_invocations);
  const Field workflows = field["globalMaxConcurrentWorkflowInvocations"];
  const Field activities = field["globalMaxConcurrentActivityInvocations"];
  if (workflows.is_null()) out.global_max_concurrent_workflow_invocations = 0;
  if (activities.is_null()) out.global_max_concurrent_activity_invocations = 0;
  workflows.read(out.global_max_concurrent_workflow_invocations);
  activities.read(out.global_max_concurrent_activity_invocations);
  read_limits(field["workflowConcurrencyLimits"], out.workflow_limits);
  read_limits(field["activityConcurrencyLimits"], out.activity_limits);
  if (const Field retention = field["stateRetentionPolicy"]; open(retention, out.retention)) {
    read_go_duration(retention["anyTerminal"], out.retention->any_terminal);
    read_go_duration(retention["completed"], out.retention->completed);
    read_go_duration(retention["failed"], out.retention->failed);
    read_go_duration(retention["terminated"], out.retention->terminated);
  }
}

void read_small_parts(const Field& spec, Configuration& out) {
  read_list(spec["features"], out.features, [](const Field& item, Feature& feature) {
    item["name"].read(feature.name);
    item["enabled"].read(feature.enabled);
  });
  const Field api = spec["api"];
  if (api.is_null()) {
    out.allowed_apis.clear();
    out.denied_apis.clear();
  }
  if (api.is_map()) {
    read_api_rules(api["allowed"], out.allowed_apis);
    read_api_rules(api["denied"], out.denied_apis);
  }
  if (const Field components = spec["components"]; open(components, out.denied_components)) {
    components["deny"].read(out.denied_components);
  }
  const Field logging = spec["logging"];
  if (logging.is_null()) out.api_logging = {};
  if (logging.is_map()) {
    if (const Field api_logging = logging["apiLogging"]; open(api_logging, out.api_logging)) {
      api_logging["enabled"].read(out.api_logging.enabled);
      api_logging["obfuscateURLs"].read(out.api_logging.obfuscate_urls);
      api_logging["omitHealthChecks"].read(out.api_logging.omit_health_checks);
    }
  }
  if (const Field wasm = spec["wasm"]; open(wasm, out.wasm_strict_sandbox)) {
    wasm["strictSandbox"].read(out.wasm_strict_sandbox);
  }
}

void read_document(const Field& root, Draft& draft) {
  if (!root.is_map()) return;
  Configuration& out = draft.value;
  std::string kind;
  root["kind"].read(kind);
  if (kind != "Configuration")
    root["kind"].warning("expected Configuration, found \"" + kind + "\"");
  if (const Field metadata = root["metadata"]; metadata.is_map()) {
    metadata["name"].read(out.name);
    metadata["namespace"].read(out.namespace_name);
  }
  const Field spec = root["spec"];
  if (!spec.is_map()) return;
  read_pipeline(spec["httpPipeline"], out.http_pipeline);
  read_pipeline(spec["appHttpPipeline"], out.app_http_pipeline);
  read_tracing(spec["tracing"], out.tracing);
  if (const Field metric = spec["metric"]; open(metric, out.metrics)) {
    read_metrics(metric, out.metrics);
  }
  if (const Field metrics = spec["metrics"]; open(metrics, draft.metrics)) {
    read_metrics(metrics, *draft.metrics);
  }
  read_mtls(spec["mtls"], out.mtls);
  read_secrets(spec["secrets"], out.secret_scopes);
  read_poll_interval(spec["secrets"]["pollInterval"], out.secrets_poll_interval);
  read_access_control(spec["accessControl"], out.access_control);
  read_name_resolution(spec["nameResolution"], out.name_resolution);
  read_workflow(spec["workflow"], out.workflow);
  read_small_parts(spec, out);
}

bool is_blank(const yaml::Node& document, const std::string& path) {
  Report ignored(path, Rules::configuration);
  const Field root(document, ignored);
  std::string kind;
  if (root.is_map()) root["kind"].read(kind);
  return kind != "Configuration" || !root["spec"].is_map();
}

void lay_over(Metrics& base, Metrics top) {
  if (top.enabled) base.enabled = top.enabled;
  if (top.record_error_codes) base.record_error_codes = top.record_error_codes;
  if (top.http) base.http = std::move(top.http);
  if (top.latency_distribution_buckets) {
    base.latency_distribution_buckets = std::move(top.latency_distribution_buckets);
  }
  if (!top.rules.empty()) base.rules = std::move(top.rules);
}

Result<Configuration> finish(Draft draft) {
  Configuration& out = draft.value;
  std::set<std::string_view> stores;
  for (const SecretScope& scope : out.secret_scopes) {
    if (!stores.insert(scope.store_name).second) {
      return fail(Code::invalid_argument,
                  scope.store_name + " storeName is repeated in secrets configuration");
    }
  }
  if (draft.metrics) lay_over(out.metrics, std::move(*draft.metrics));
  const Configuration defaults;
  for (const Feature& feature : defaults.features) {
    if (std::ranges::find(out.features, feature.name, &Feature::name) == out.features.end()) {
      out.features.push_back(feature);
    }
  }
  return std::move(draft.value);
}

}  // namespace

Result<Configuration> load_configuration(const std::vector<std::string>& paths,
                                         const Environment& environment,
                                         std::vector<std::string>& warnings, Blank blank) {
  Draft draft;
  for (const std::string& path : paths) {
    OUT_TRY(const auto text, read_text_file(path));
    const std::string expanded = expand_env(text, environment);
    const yaml::ParseOptions options{.file = path, .duplicates = yaml::Duplicates::reject};
    OUT_TRY(const auto document, yaml::parse(expanded, options));
    if (blank == Blank::refused && is_blank(document, path)) {
      return fail(Code::invalid_argument, path + ": it is no Configuration with a spec");
    }
    Report report(path, Rules::configuration);
    read_document(Field(document, report), draft);
    OUT_CHECK(report.result());
    draft.value.origin = {.file = path, .line = document.line};
    warnings.insert(warnings.end(), report.warnings().begin(), report.warnings().end());
  }
  return finish(std::move(draft));
}

Result<Configuration> parse_configuration_json(std::string_view json) {
  OUT_TRY(const auto document, yaml::parse(json, {.file = "configuration"}));
  Report report("configuration", Rules::manifest);
  Draft draft;
  read_document(Field(document, report), draft);
  OUT_CHECK(report.result());
  return finish(std::move(draft));
}

}  // namespace outrigger::resources
