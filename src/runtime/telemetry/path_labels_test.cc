#include "runtime/telemetry/path_labels.h"

#include "base/pch_test.h"

namespace outrigger::telemetry {
namespace {

std::string plain(std::string_view path) {
  std::string scratch;
  return std::string(path_without_ids(path, scratch));
}

TEST(PathLabels, IdsOfKnownApisAreLeftOut) {
  const std::pair<const char*, const char*> cases[] = {
      {"", ""},
      {"/", "/"},
      {"/v1/state/statestore/key", "/v1/state/statestore"},
      {"/v1/state/statestore", "/v1/state/statestore"},
      {"/v1.0/secrets/vault/name", "/v1.0/secrets/vault"},
      {"/v1/secrets/keyvault/name/deeper/a/b", "/v1/secrets/keyvault"},
      {"/v1/actors/DemoActor/1/timer/name", "/v1/actors/DemoActor/{id}/timer"},
      {"/v1/actors/DemoActor/1", "/v1/actors/DemoActor/1"},
      {"/actors/DemoActor/1/method/method1", "actors/DemoActor/{id}/method/method1"},
      {"/v1.0/invoke/app/method/x/y", "/v1.0/invoke/app/method/x/y"},
      {"//v1.0///state//s//k", "/v1.0/state/s"},
      {"x/y", "/x/y"},
      {"/healthz", "/healthz"},
      {"/v1.0-alpha1/workflows/dapr/id1", "/v1.0-alpha1/workflows/dapr/{instanceId}"},
      {"/v1.0/workflows/dapr/order/start", "/v1.0/workflows/dapr/order/start"},
      {"/v1.0/workflows/dapr/order/start?instanceID=1", "/v1.0/workflows/dapr/order/start"},
      {"/v1.0/workflows/dapr/id1/terminate", "/v1.0/workflows/dapr/{instanceId}/terminate"},
      {"/v1.0/workflows/dapr/id1/raiseEvent/ev",
       "/v1.0/workflows/dapr/{instanceId}/raiseEvent/{eventName}"},
      {"/v1.0/workflows/dapr", "/v1.0/workflows/dapr"},
  };
  for (const auto& [path, label] : cases) EXPECT_EQ(plain(path), label) << path;
}

std::string server(const PathLabels& labels, std::string_view path) {
  std::string scratch;
  return std::string(labels.server(path, scratch));
}

std::string client(const PathLabels& labels, std::string_view path) {
  std::string scratch;
  return std::string(labels.client(path, scratch));
}

TEST(PathLabels, WithLowCardinalityOnlyStaticPathsToTheAppAreTold) {
  const PathLabels labels({.increased_cardinality = false});
  EXPECT_EQ(server(labels, "/v1.0/state/s/k"), "");
  EXPECT_EQ(server(labels, "/healthz"), "");
  EXPECT_EQ(client(labels, "/healthz"), "/healthz");
  EXPECT_EQ(client(labels, "/dapr/config"), "/dapr/config");
  EXPECT_EQ(client(labels, "/orders/1"), "");
}

TEST(PathLabels, PatternsNameWhatTheyMatch) {
  const PathLabels labels({.increased_cardinality = false,
                           .patterns = {"/orders/{id}", "/orders/new", "static/", "/f/{rest...}",
                                        "/v1.0/state/{store}", "/exact/{$}"}});
  EXPECT_EQ(server(labels, "/orders/1"), "/orders/{id}");
  EXPECT_EQ(server(labels, "/orders/new"), "/orders/new");
  EXPECT_EQ(server(labels, "/orders/1/lines"), "");
  EXPECT_EQ(server(labels, "/orders/"), "");
  EXPECT_EQ(server(labels, "/static/a/b/c"), "/static/");
  EXPECT_EQ(server(labels, "/static"), "/static/");
  EXPECT_EQ(server(labels, "/f/a/b"), "/f/{rest...}");
  EXPECT_EQ(server(labels, "/exact/"), "/exact/{$}");
  EXPECT_EQ(server(labels, "/exact/more"), "");
  EXPECT_EQ(server(labels, "/v1.0/invoke/app/method/orders/7"),
            "/v1.0/invoke/{app_id}/method/orders/{id}");
  EXPECT_EQ(server(labels, "/v1.0/state/store/key"), "/v1.0/state/{store}");
  EXPECT_EQ(server(labels, "//orders//1"), "/orders/{id}");
  EXPECT_EQ(server(labels, "/other"), "");
}

TEST(PathLabels, WithHighCardinalityWhatMatchesNothingKeepsItsPath) {
  const PathLabels labels({.patterns = {"/orders/{id}"}});
  EXPECT_EQ(server(labels, "/orders/1"), "/orders/{id}");
  EXPECT_EQ(server(labels, "/items/1"), "/items/1");
  EXPECT_EQ(server(labels, "/v1.0/state/s/k"), "/v1.0/state/s");
}

TEST(PathLabels, ARootPatternTakesTheRest) {
  const PathLabels labels({.patterns = {"/", "/orders/{id}"}});
  EXPECT_EQ(server(labels, "/orders/1"), "/orders/{id}");
  EXPECT_EQ(server(labels, "/items/1"), "/");
}

TEST(PathLabels, LongPathsDoNoHarm) {
  const PathLabels labels({.patterns = {"/{a}/{b}/{c}", "/{a}/x/{rest...}"}});
  std::string path;
  for (int i = 0; i < 100'000; ++i) path += "/x";
  EXPECT_EQ(server(labels, path), "/{a}/x/{rest...}");
  EXPECT_FALSE(plain(std::string(100'000, '/')).empty());
}

}  // namespace
}  // namespace outrigger::telemetry
