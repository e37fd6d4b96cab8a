#include "resources/configuration.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "resources/configuration_loader.h"

namespace outrigger::resources {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

class ConfigurationFiles : public testing::Test {
 protected:
  ConfigurationFiles() {
    std::string name = (std::filesystem::temp_directory_path() / "configuration-XXXXXX").string();
    OUT_ASSERT(mkdtemp(name.data()) != nullptr);
    folder_ = name;
  }
  ~ConfigurationFiles() override { std::filesystem::remove_all(folder_); }

  Result<Configuration> load(const std::vector<std::string>& texts,
                             const Environment& environment = fixed_environment({})) {
    std::vector<std::string> paths;
    for (const std::string& text : texts) {
      paths.push_back(path(std::to_string(paths.size())));
      std::ofstream(paths.back(), std::ios::binary) << text;
    }
    return load_configuration(paths, environment, warnings_);
  }
  [[nodiscard]] std::string path(const std::string& name) const {
    return (folder_ / (name + ".yaml")).string();
  }

  std::filesystem::path folder_;
  std::vector<std::string> warnings_;
};

TEST_F(ConfigurationFiles, WithoutFilesUpstreamsDefaultsHold) {
  const auto configuration = load({});
  ASSERT_TRUE(configuration);
  EXPECT_EQ(*configuration, Configuration());
  EXPECT_DOUBLE_EQ(configuration->tracing.rate(), 0.0001);
  EXPECT_TRUE(configuration->tracing.otel.is_secure);
  EXPECT_TRUE(configuration->metrics.is_enabled());
  EXPECT_TRUE(configuration->metrics.has_increased_cardinality());
  EXPECT_FALSE(configuration->metrics.excludes_verbs());
  EXPECT_EQ(configuration->metrics.latency_buckets().size(), 34);
  EXPECT_EQ(configuration->metrics.latency_buckets().back(), 100000);
  ASSERT_TRUE(configuration->access_control);
  EXPECT_EQ(configuration->access_control->default_action, "allow");
  EXPECT_EQ(configuration->access_control->trust_domain, "public");
  EXPECT_THAT(configuration->enabled_features(),
              ElementsAre("HotReload", "WorkflowsRemoteActivityReminder"));
}

constexpr std::string_view kFull = R"(apiVersion: dapr.io/v1alpha1
kind: Configuration
metadata:
  name: appconfig
  namespace: prod
spec:
  httpPipeline:
    handlers:
    - name: oauth2
      type: middleware.http.oauth2
      version: v1
      selector:
        fields:
        - field: app-id
          value: a
    - {name: second, type: middleware.http.bearer}
  appHttpPipeline:
    handlers: [{name: up, type: middleware.http.uppercase}]
  tracing:
    samplingRate: 0.50
    stdout: yes
    zipkin: {endpointAddress: "http://zipkin:9411/api/v2/spans"}
    otel:
      endpointAddress: otel:4317
      isSecure: false
      protocol: grpc
      headers: [a=b, c=d]
      timeout: 10s
  metric:
    enabled: true
    http:
      increasedCardinality: true
    rules:
    - name: dapr_runtime_service_invocation_req_sent_total
      labels:
      - name: method
        regex: {orders: "orders/.+"}
  metrics:
    enabled: false
    http:
      excludeVerbs: true
      pathMatching: ["/items/{id}"]
    latencyDistributionBuckets: [10, 20, 30]
    recordErrorCodes: true
  mtls:
    enabled: true
    workloadCertTTL: 24h
    allowedClockSkew: 15m
    sentryAddress: sentry:443
    controlPlaneTrustDomain: cluster.local
    tokenValidators:
    - name: jwks
      options: {source: "https://x", minRefreshInterval: 2m, n: 3}
  secrets:
    scopes:
    - storeName: vault
      defaultAccess: Deny
      allowedSecrets: [b, a]
    - storeName: local
      deniedSecrets: [z]
  accessControl:
    defaultAction: deny
    trustDomain: td
    policies:
    - appId: app1
      defaultAction: allow
      trustDomain: public
      namespace: default
      operations:
      - name: /op1
        httpVerb: [POST, GET]
        action: deny
  nameResolution:
    component: consul
    version: v1
    configuration:
      selfRegister: true
      client: {address: "127.0.0.1:8500"}
  features:
  - name: HotReload
    enabled: false
  - name: ActorStateTTL
    enabled: true
  api:
    allowed:
    - {name: state, version: v1, protocol: HTTP}
    - {name: publish, version: v1, protocol: grpc}
    denied:
    - {name: invoke, version: v1.0-alpha1, protocol: http}
  components:
    deny: [bindings.smtp, state.redis/v1]
  logging:
    apiLogging: {enabled: true, obfuscateURLs: true, omitHealthChecks: true}
  wasm: {strictSandbox: true}
  workflow:
    maxConcurrentWorkflowInvocations: 10
    maxConcurrentActivityInvocations: 20
    globalMaxConcurrentWorkflowInvocations: 30
    globalMaxConcurrentActivityInvocations: 40
    workflowConcurrencyLimits: [{name: w, maxConcurrent: 1}]
    activityConcurrencyLimits: [{name: a, maxConcurrent: 2}]
    stateRetentionPolicy: {anyTerminal: 168h, completed: 0s}
)";

TEST_F(ConfigurationFiles, EveryFieldIsRead) {
  const auto configuration = load({std::string(kFull)});
  ASSERT_TRUE(configuration) << configuration.error().message();
  const Configuration& c = *configuration;
  EXPECT_THAT(warnings_, IsEmpty());
  EXPECT_EQ(c.name, "appconfig");
  EXPECT_EQ(c.namespace_name, "prod");
  ASSERT_EQ(c.http_pipeline.size(), 2);
  EXPECT_EQ(c.http_pipeline[0].type, "middleware.http.oauth2");
  EXPECT_THAT(c.http_pipeline[0].selector,
              ElementsAre(PipelineHandler::Selector{.field = "app-id", .value = "a"}));
  EXPECT_EQ(c.http_pipeline[1].name, "second");
  ASSERT_EQ(c.app_http_pipeline.size(), 1);
  EXPECT_EQ(c.tracing.sampling_rate, "0.50");
  EXPECT_DOUBLE_EQ(c.tracing.rate(), 0.5);
  EXPECT_TRUE(c.tracing.print_to_stdout);
  EXPECT_EQ(c.tracing.zipkin_endpoint_address, "http://zipkin:9411/api/v2/spans");
  EXPECT_EQ(c.tracing.otel.endpoint_address, "otel:4317");
  EXPECT_FALSE(c.tracing.otel.is_secure);
  EXPECT_THAT(c.tracing.otel.headers, ElementsAre("a=b", "c=d"));
  EXPECT_EQ(c.tracing.otel.timeout, 10s);
  EXPECT_EQ(c.mtls->workload_cert_ttl, "24h");
  EXPECT_THAT(
      c.mtls->token_validators[0].options,
      ElementsAre(Pair("minRefreshInterval", "2m"), Pair("n", "3"), Pair("source", "https://x")));
  EXPECT_THAT(c.denied_components, ElementsAre("bindings.smtp", "state.redis/v1"));
  EXPECT_EQ(c.api_logging, (ApiLogging{true, true, true}));
  EXPECT_TRUE(c.wasm_strict_sandbox);
  EXPECT_EQ(c.workflow.max_concurrent_workflow_invocations, 10);
  EXPECT_EQ(c.workflow.global_max_concurrent_activity_invocations, 40);
  EXPECT_EQ(c.workflow.activity_limits[0].max_concurrent, 2);
  EXPECT_EQ(c.workflow.retention->any_terminal, 168h);
  EXPECT_EQ(c.workflow.retention->completed, 0s);
  EXPECT_EQ(c.workflow.retention->failed, std::nullopt);
}

TEST_F(ConfigurationFiles, MetricsAreLaidOverMetric) {
  const auto configuration = load({std::string(kFull)});
  ASSERT_TRUE(configuration);
  const Metrics& metrics = configuration->metrics;
  EXPECT_FALSE(metrics.is_enabled());
  EXPECT_TRUE(metrics.excludes_verbs());
  EXPECT_TRUE(metrics.has_increased_cardinality());
  EXPECT_THAT(metrics.http->path_matching, ElementsAre("/items/{id}"));
  EXPECT_THAT(metrics.latency_buckets(), ElementsAre(10, 20, 30));
  EXPECT_TRUE(metrics.records_error_codes());
  ASSERT_EQ(metrics.rules.size(), 1);
  EXPECT_THAT(metrics.rules[0].labels[0].regex, ElementsAre(Pair("orders", "orders/.+")));
}

TEST_F(ConfigurationFiles, SecretScopesDecideByListsThenByDefault) {
  const auto configuration = load({std::string(kFull)});
  ASSERT_TRUE(configuration);
  const SecretScope* vault = configuration->secret_scope("vault");
  ASSERT_NE(vault, nullptr);
  EXPECT_TRUE(vault->allows("a"));
  EXPECT_FALSE(vault->allows("c"));
  EXPECT_FALSE(configuration->secret_scope("local")->allows("z"));
  EXPECT_TRUE(configuration->secret_scope("local")->allows("y"));
  EXPECT_EQ(configuration->secret_scope("other"), nullptr);
  EXPECT_FALSE((SecretScope{.default_access = "DENY"}).allows("x"));
}

TEST_F(ConfigurationFiles, AccessFeaturesAndNameResolutionAreReadWithTheirMeaning) {
  const auto configuration = load({std::string(kFull)});
  ASSERT_TRUE(configuration);
  const Configuration& c = *configuration;
  EXPECT_EQ(c.access_control->default_action, "deny");
  const auto& operation = c.access_control->policies.at(0).operations.at(0);
  EXPECT_EQ(operation.name, "/op1");
  EXPECT_THAT(operation.http_verbs, ElementsAre("POST", "GET"));
  EXPECT_TRUE(c.access_control->check());
  EXPECT_FALSE(c.feature_enabled("HotReload"));
  EXPECT_TRUE(c.feature_enabled("ActorStateTTL"));
  EXPECT_TRUE(c.feature_enabled("WorkflowsRemoteActivityReminder"));
  EXPECT_FALSE(c.feature_enabled("WorkflowHistorySigning"));
  EXPECT_EQ(c.name_resolution->configuration_json,
            R"({"client":{"address":"127.0.0.1:8500"},"selfRegister":true})");
  EXPECT_EQ(c.name_resolution->settings.at("selfRegister"), "true");
  EXPECT_EQ(c.name_resolution->settings.at("client"), R"({"address":"127.0.0.1:8500"})");
  EXPECT_THAT(api_keys(c.allowed_apis, "http"), ElementsAre("v1/state"));
  EXPECT_THAT(api_keys(c.allowed_apis, "grpc"), ElementsAre("v1/publish"));
  EXPECT_THAT(api_keys(c.denied_apis, "http"), ElementsAre("v1.0-alpha1/invoke"));
}

TEST_F(ConfigurationFiles, ALaterFileIsLaidOnTopOfAnEarlierOne) {
  const auto configuration = load({std::string(kFull), R"(kind: Configuration
metadata: {name: second}
spec:
  tracing: {samplingRate: "1"}
  mtls: {enabled: false}
  accessControl: {trustDomain: other}
  features: [{name: X, enabled: true}]
  httpPipeline:
  logging:
)"});
  ASSERT_TRUE(configuration) << configuration.error().message();
  const Configuration& c = *configuration;
  EXPECT_EQ(c.name, "second");
  EXPECT_EQ(c.namespace_name, "prod");
  EXPECT_EQ(c.tracing.sampling_rate, "1");
  EXPECT_EQ(c.tracing.otel.endpoint_address, "otel:4317");
  EXPECT_FALSE(c.mtls->enabled);
  EXPECT_EQ(c.mtls->sentry_address, "sentry:443");
  EXPECT_EQ(c.access_control->trust_domain, "other");
  EXPECT_EQ(c.access_control->default_action, "deny");
  EXPECT_EQ(c.access_control->policies.size(), 1);
  // Lists are replaced whole, null resets.
  EXPECT_THAT(c.enabled_features(),
              ElementsAre("X", "HotReload", "WorkflowsRemoteActivityReminder"));
  EXPECT_THAT(c.http_pipeline, IsEmpty());
  EXPECT_EQ(c.api_logging, ApiLogging());
  EXPECT_EQ(c.app_http_pipeline.size(), 1);
}

TEST_F(ConfigurationFiles, AccessControlIsTakenAwayByNull) {
  const auto configuration = load({"kind: Configuration\nspec:\n  accessControl:\n"});
  ASSERT_TRUE(configuration);
  EXPECT_FALSE(configuration->access_control);
}

TEST_F(ConfigurationFiles, VariablesAreReplacedBeforeReading) {
  const auto configuration =
      load({"kind: Configuration\nspec:\n  tracing: {samplingRate: \"${RATE}\", stdout: $ON}\n"
            "  mtls: {sentryAddress: \"$NOT_SET\"}\n"},
           fixed_environment({{"RATE", "0.25"}, {"ON", "true"}}));
  ASSERT_TRUE(configuration) << configuration.error().message();
  EXPECT_DOUBLE_EQ(configuration->tracing.rate(), 0.25);
  EXPECT_TRUE(configuration->tracing.print_to_stdout);
  EXPECT_EQ(configuration->mtls->sentry_address, "");
}

TEST_F(ConfigurationFiles, AMissingFileIsAnError) {
  const auto configuration = load_configuration({"/not/there"}, fixed_environment({}), warnings_);
  ASSERT_FALSE(configuration);
  EXPECT_THAT(configuration.error().message(), HasSubstr("/not/there: no such file or directory"));
}

TEST_F(ConfigurationFiles, SecretsAreAskedForAgainOnlyIfThatIsSaid) {
  EXPECT_EQ(load({"kind: Configuration\nspec: {secrets: {scopes: []}}\n"})->secrets_poll_interval,
            std::nullopt);
  EXPECT_EQ(load({"kind: Configuration\nspec: {secrets: {pollInterval: 1m30s}}\n"})
                ->secrets_poll_interval,
            std::chrono::seconds(90));
  for (const std::string_view wrong : {"1ms", "-5s", "soon"}) {
    const std::string text =
        "kind: Configuration\nspec: {secrets: {pollInterval: " + std::string(wrong) + "}}\n";
    auto configuration = load({text});
    ASSERT_FALSE(configuration) << wrong;
    EXPECT_THAT(configuration.error().message(), HasSubstr(":2: spec.secrets.pollInterval: "));
  }
}

TEST_F(ConfigurationFiles, WrongTypesAndRepeatedKeysAreErrorsWithTheirPlaces) {
  auto configuration = load({R"(kind: Configuration
spec:
  tracing: fast
  features:
  - name: [x]
    enabled: maybe
  workflow:
    maxConcurrentWorkflowInvocations: 3000000000
    stateRetentionPolicy: {completed: 5 weeks}
  secrets: {scopes: [{storeName: a, defaultAccess: perhaps}]}
)"});
  ASSERT_FALSE(configuration);
  const std::string file = path("0");
  EXPECT_EQ(
      configuration.error().message(),
      file + ":3: spec.tracing: expected a map, found a string\n" + file +
          ":10: spec.secrets.scopes[0].defaultAccess: defaultAccess perhaps can be either allow or "
          "deny\n" +
          file +
          ":8: spec.workflow.maxConcurrentWorkflowInvocations: expected a whole number from "
          "-2147483648 to 2147483647, found 3000000000\n" +
          file +
          ":9: spec.workflow.stateRetentionPolicy.completed: time: unknown unit \" weeks\" in "
          "duration \"5 weeks\"\n" +
          file + ":5: spec.features[0].name: expected a string, found a list\n" + file +
          ":6: spec.features[0].enabled: expected a boolean (true or false), found a string");
  configuration = load({"kind: Configuration\nspec:\n  mtls: {}\n  mtls: {}\n"});
  ASSERT_FALSE(configuration);
  EXPECT_EQ(configuration.error().message(),
            file + ":4:3: mapping key \"mtls\" already defined at line 3");
}

TEST_F(ConfigurationFiles, ASecretStoreMayBeNamedOnce) {
  const auto configuration =
      load({"kind: Configuration\nspec: {secrets: {scopes: [{storeName: a}, {storeName: a}]}}\n"});
  ASSERT_FALSE(configuration);
  EXPECT_EQ(configuration.error().message(), "a storeName is repeated in secrets configuration");
}

TEST_F(ConfigurationFiles, WhatDeservesALookIsAWarning) {
  ASSERT_TRUE(load({"kind: Component\nspec: {tracing: {samplingRate: often}}\n"}));
  EXPECT_THAT(warnings_,
              ElementsAre(HasSubstr("kind: expected Configuration, found \"Component\""),
                          HasSubstr("spec.tracing.samplingRate: \"often\" is no number")));
}

TEST(AccessControlCheck, NamesThePoliciesThatLackSomethingAsUpstreamDoes) {
  // The message of the real program for this list.
  AccessControl control;
  control.policies = {{.app_id = "a"}, {.namespace_name = "b"}};
  const auto checked = control.check();
  ASSERT_FALSE(checked);
  EXPECT_EQ(
      checked.error().message(),
      "invalid access control spec. missing trustdomain for apps: [a ], missing namespace for "
      "apps: [a], missing app name on at least one of the app policies: true");
}

TEST(ConfigurationJson, TheOperatorsFormIsRead) {
  const auto configuration = parse_configuration_json(
      R"({"kind":"Configuration","metadata":{"name":"c"},"spec":{"tracing":{"samplingRate":"1",)"
      R"("otel":{"headers":[{"name":"k","value":"v"}],"timeout":"3s"}},)"
      R"("features":[{"name":"HotReload","enabled":false}]}})");
  ASSERT_TRUE(configuration) << configuration.error().message();
  EXPECT_THAT(configuration->tracing.otel.headers, ElementsAre("k=v"));
  EXPECT_EQ(configuration->tracing.otel.timeout, 3s);
  EXPECT_FALSE(configuration->feature_enabled("HotReload"));
}

TEST(TracingEnvironment, AnEndpointOfTheEnvironmentTurnsTracingOn) {
  Configuration configuration;
  ASSERT_TRUE(apply_tracing_environment(
      configuration, fixed_environment({{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://other:1"},
                                        {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://otel:4318"},
                                        {"OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"},
                                        {"OTEL_EXPORTER_OTLP_INSECURE", "true"},
                                        {"OTEL_EXPORTER_OTLP_HEADERS", "b=x%20y, a = 1 "},
                                        {"OTEL_EXPORTER_OTLP_TIMEOUT", "1500"}})));
  const Tracing& tracing = configuration.tracing;
  EXPECT_EQ(tracing.otel.endpoint_address, "otel:4318");
  EXPECT_EQ(tracing.sampling_rate, "1");
  EXPECT_EQ(tracing.otel.protocol, "http");
  EXPECT_FALSE(tracing.otel.is_secure);
  EXPECT_THAT(tracing.otel.headers, ElementsAre("a=1", "b=x y"));
  EXPECT_EQ(tracing.otel.timeout, 1500ms);
}

TEST(TracingEnvironment, AConfiguredEndpointStays) {
  Configuration configuration;
  configuration.tracing.otel.endpoint_address = "mine";
  ASSERT_TRUE(apply_tracing_environment(
      configuration, fixed_environment({{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://other:1"},
                                        {"OTEL_EXPORTER_OTLP_HEADERS", "nonsense"}})));
  EXPECT_EQ(configuration.tracing.otel.endpoint_address, "mine");
  EXPECT_THAT(configuration.tracing.otel.headers, IsEmpty());
}

TEST(TracingEnvironment, MalformedHeadersAndTimeoutsAreErrors) {
  for (const std::string headers : {"a", "a=%2", "a=%zz", "=b", "a b=c"}) {
    Configuration configuration;
    EXPECT_FALSE(apply_tracing_environment(
        configuration, fixed_environment({{"OTEL_EXPORTER_OTLP_HEADERS", headers}})))
        << headers;
  }
  Configuration configuration;
  EXPECT_FALSE(apply_tracing_environment(
      configuration, fixed_environment({{"OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "1s"}})));
}

}  // namespace
}  // namespace outrigger::resources
