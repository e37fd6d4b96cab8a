#include "resources/component.h"

#include <string>

namespace outrigger::resources {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

Result<Component> parsed(std::string_view text, Report* report = nullptr) {
  OUT_TRY(const auto node, yaml::parse(text, {.file = "c.yaml"}));
  Report own("c.yaml", Rules::manifest);
  return parse_component(node, report == nullptr ? own : *report);
}

constexpr std::string_view kFull = R"(apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: statestore
  namespace: production
auth:
  secretStore: vault
scopes: [app1, app2]
spec:
  type: state.redis
  version: v1
  ignoreErrors: true
  initTimeout: 1m30s
  metadata:
  - name: redisHost
    value: localhost:6379
  - name: redisPassword
    secretKeyRef:
      name: redis
      key: password
  - name: enableTLS
    value: true
  - name: redisDB
    value: 010
  - name: fromEnvironment
    envRef: REDIS_HOST
  - name: nothing
    value: null
  - name: empty
    value: ""
  - name: list
    value: [a, {c: 1, b: <}]
)";

TEST(Component, EveryFieldIsRead) {
  const auto component = parsed(kFull);
  ASSERT_TRUE(component) << component.error().message();
  EXPECT_EQ(component->name, "statestore");
  EXPECT_EQ(component->namespace_name, "production");
  EXPECT_EQ(component->type, "state.redis");
  EXPECT_EQ(component->category(), "state");
  EXPECT_EQ(component->version, "v1");
  EXPECT_TRUE(component->ignore_errors);
  EXPECT_EQ(component->init_timeout, 90s);
  EXPECT_EQ(component->secret_store, "vault");
  EXPECT_THAT(component->scopes, ElementsAre("app1", "app2"));
  EXPECT_EQ(component->log_name(), "statestore (state.redis/v1)");
  EXPECT_EQ(component->origin.to_string(), "c.yaml:1");
}

TEST(Component, MetadataValuesAreTextAsUpstreamMakesIt) {
  const auto component = parsed(kFull);
  ASSERT_TRUE(component);
  ASSERT_EQ(component->metadata.size(), 8);
  EXPECT_EQ(component->find("REDISHOST")->value, "localhost:6379");
  const NameValue& secret = *component->find("redisPassword");
  EXPECT_FALSE(secret.has_value);
  EXPECT_EQ(secret.secret_key_ref, (SecretKeyRef{.name = "redis", .key = "password"}));
  EXPECT_EQ(component->find("enableTLS")->value, "true");
  EXPECT_EQ(component->find("redisDB")->value, "8");
  EXPECT_EQ(component->find("fromEnvironment")->env_ref, "REDIS_HOST");
  EXPECT_FALSE(component->find("nothing")->has_value);
  EXPECT_TRUE(component->find("empty")->has_value);
  EXPECT_EQ(component->find("list")->value, R"(["a",{"b":"\u003c","c":1}])");
  EXPECT_EQ(component->find("absent"), nullptr);
}

TEST(Component, WhatIsLeftOutHasUpstreamsDefaults) {
  const auto component = parsed("kind: Component\nmetadata: {name: a}\nspec: {type: state.x}\n");
  ASSERT_TRUE(component);
  EXPECT_EQ(component->version, "");
  EXPECT_FALSE(component->ignore_errors);
  EXPECT_EQ(component->init_timeout, 5s);
  EXPECT_TRUE(component->scopes.empty());
  EXPECT_EQ(component->log_name(), "a (state.x)");
}

TEST(Component, ATimeoutThatIsNoDurationIsTheDefaultWithAWarning) {
  Report report("c.yaml", Rules::manifest);
  const auto component = parsed("metadata: {name: a}\nspec:\n  initTimeout: soon\n", &report);
  ASSERT_TRUE(component);
  EXPECT_EQ(component->init_timeout, 5s);
  EXPECT_THAT(
      report.warnings(),
      ElementsAre("c.yaml:3: spec.initTimeout: time: invalid duration \"soon\"; 5s is used"));
}

TEST(Component, FieldNamesMatchInAnyCaseAndNumbersBecomeStrings) {
  const auto component = parsed("Metadata: {NAME: 12}\nspec: {TYPE: state.x, version: 1.10}\n");
  ASSERT_TRUE(component);
  EXPECT_EQ(component->name, "12");
  EXPECT_EQ(component->version, "1.1");
}

TEST(Component, WrongTypesAreAllNamedWithTheirPlaces) {
  const auto component = parsed(R"(metadata:
  name: a
spec:
  type: [state]
  ignoreErrors: "true"
  metadata:
  - name: x
    value: 1
  - name: {a: b}
    value: .inf
  - just text
scopes: app
)");
  ASSERT_FALSE(component);
  EXPECT_EQ(component.error().code(), Code::invalid_argument);
  EXPECT_EQ(component.error().message(),
            "c.yaml:12: scopes: expected a list, found a string\n"
            "c.yaml:4: spec.type: expected a string, found a list\n"
            "c.yaml:5: spec.ignoreErrors: expected a boolean (true or false), found a string\n"
            "c.yaml:9: spec.metadata[1].name: expected a string, found a map\n"
            "c.yaml:10: spec.metadata[1].value: line 10: json: unsupported value: +Inf\n"
            "c.yaml:11: spec.metadata[2]: expected a map, found a string");
}

TEST(Component, ANameThatCannotStandInAPathIsRefused) {
  for (const std::string name : {"a/b", "..", ".", "a%20b"}) {
    EXPECT_FALSE(parsed("metadata: {name: '" + name + "'}\n")) << name;
  }
}

TEST(Component, EqualityIgnoresOnlyTheOrigin) {
  auto one = parsed(kFull);
  auto two = parsed("\n\n" + std::string(kFull));
  ASSERT_TRUE(one && two);
  EXPECT_EQ(*one, *two);
  two->metadata[0].value = "other";
  EXPECT_NE(*one, *two);
}

TEST(Component, AnythingThatIsNoComponentIsAnErrorOrEmptyButNeverACrash) {
  for (const std::string text : {"", "[]", "x", "metadata: []", "spec: 1", "spec: {metadata: 5}",
                                 "auth: [1]", "metadata: {name: [1]}"}) {
    (void)parsed(text);
  }
}

}  // namespace
}  // namespace outrigger::resources
