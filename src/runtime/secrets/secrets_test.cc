#include <gtest/gtest.h>

#include "base/log.h"
#include "base/scope.h"
#include "dapr/proto/runtime/v1/dapr.pb.h"
#include "net/grpc/frame.h"
#include "runtime/api/http_api.h"
#include "runtime/secrets/grpc.h"
#include "runtime/secrets/http.h"
#include "runtime/secrets/loader.h"
#include "runtime/secrets/service.h"

namespace outrigger::runtime::secrets {
namespace {

namespace pb = dapr::proto::runtime::v1;

class FakeStore final : public stores::SecretStore {
 public:
  Secrets secrets{{"one", {{"one", "1"}}}, {"two", {{"b", "<2>"}, {"a", "3"}}}};
  std::optional<Error> error;
  std::vector<stores::SecretRequest> requests;
  Properties bulk_metadata;
  bool closed = false;

  Task<Result<>> init() override { co_return Result<>(); }
  Task<Result<Secret>> get(stores::SecretRequest request) override {
    requests.push_back(request);
    if (error) co_return fail(*error);
    const auto found = secrets.find(request.name);
    if (found == secrets.end()) {
      co_return fail(Code::not_found, "secret " + request.name + " not found");
    }
    co_return found->second;
  }
  Task<Result<Secrets>> bulk_get(Properties metadata) override {
    bulk_metadata = std::move(metadata);
    if (error) co_return fail(*error);
    co_return secrets;
  }
  Task<void> close() override {
    closed = true;
    co_return;
  }
};

/// The secrets API on one loop, through both faces, without sockets.
class SecretsApi : public testing::Test {
 protected:
  explicit SecretsApi(std::vector<resources::SecretScope> scopes = {})
      : service_(settings(std::move(scopes))) {
    add_http_routes(router_, service_);
    add_grpc_methods(grpc_, service_);
  }

  FakeStore& add_store(const std::string& name = "vault") {
    auto store = std::make_unique<FakeStore>();
    FakeStore& kept = *store;
    service_.add(std::make_shared<OpenStore>(name, std::move(store), &metrics_.component));
    return kept;
  }
  net::Response http(std::string target) {
    net::Request request;
    request.method = "GET";
    request.target = std::move(target);
    return run_on(loop_, api_.handle(std::move(request)));
  }
  struct Answer {
    net::grpc::Status status;
    std::string message;
  };
  Answer grpc(std::string_view method, std::string_view message) {
    net::Request request;
    request.method = "POST";
    request.target = "/dapr.proto.runtime.v1.Dapr/" + std::string(method);
    request.headers.add("content-type", "application/grpc");
    std::string framed;
    net::grpc::append_frame(framed, message);
    request.body = std::move(framed);
    const net::Response response = run_on(loop_, grpc_.handle(std::move(request)));
    if (response.headers.contains("grpc-status")) {
      return {net::grpc::status_of(response.headers), ""};
    }
    return {net::grpc::status_of(response.body.trailers), response.body.whole.substr(5)};
  }
  Answer grpc_get(std::string_view store, std::string_view key) {
    pb::GetSecretRequest request;
    request.set_store_name(std::string(store));
    request.set_key(std::string(key));
    return grpc("GetSecret", request.SerializeAsString());
  }

  /// An error over both faces: simple, without details.
  void expect_error(std::string_view store, std::string_view key, int http_status, Code code,
                    std::string_view tag, std::string_view message) {
    const auto response = http("/v1.0/secrets/" + std::string(store) + "/" + std::string(key));
    EXPECT_EQ(response.status, http_status);
    EXPECT_EQ(response.headers.value("content-type"), "application/json");
    std::string escaped;
    for (const char c : message) escaped += c == '"' ? "\\\"" : std::string(1, c);
    EXPECT_EQ(response.body.whole,
              R"({"errorCode":")" + std::string(tag) + R"(","message":")" + escaped + R"("})");
    const auto answer = grpc_get(store, key);
    EXPECT_EQ(answer.status.code, code);
    EXPECT_EQ(answer.status.message, message);
    EXPECT_EQ(answer.status.details_bin, "");
  }

  Service::Settings settings(std::vector<resources::SecretScope> scopes) const {
    Service::Settings made;
    made.app_namespace = "ours";
    made.scopes = std::move(scopes);
    made.metrics = &metrics_.component;
    return made;
  }

  telemetry::RuntimeMetrics metrics_{telemetry::MetricsOptions{.app_id = "app"}};
  Loop loop_;
  Service service_;
  api::Router router_;
  api::HttpApi api_{std::make_shared<api::HttpApiSettings>(), router_, metrics_};
  net::grpc::Service grpc_;
};

TEST_F(SecretsApi, ASecretIsAnObjectOfItsKeys) {
  FakeStore& store = add_store();
  const auto response = http("/v1.0/secrets/vault/two?metadata.version_id=3&other=x");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.headers.value("content-type"), "application/json");
  // Sorted, escaped and ended by a new line, as Go's encoder writes it.
  EXPECT_EQ(response.body.whole, "{\"a\":\"3\",\"b\":\"\\u003c2\\u003e\"}\n");
  EXPECT_EQ(store.requests.back().name, "two");
  EXPECT_EQ(store.requests.back().metadata, (Properties{{"version_id", "3"}}));
}

TEST_F(SecretsApi, ASecretOverGrpcHasTheSameKeys) {
  FakeStore& store = add_store();
  pb::GetSecretRequest request;
  request.set_store_name("vault");
  request.set_key("two");
  (*request.mutable_metadata())["k"] = "v";
  const auto answer = grpc("GetSecret", request.SerializeAsString());
  ASSERT_TRUE(answer.status.ok());
  pb::GetSecretResponse reply;
  ASSERT_TRUE(reply.ParseFromString(answer.message));
  EXPECT_EQ(reply.data_size(), 2);
  EXPECT_EQ(reply.data().at("b"), "<2>");
  EXPECT_EQ(store.requests.back().metadata, (Properties{{"k", "v"}}));
}

TEST_F(SecretsApi, AllSecretsComeByName) {
  FakeStore& store = add_store();
  EXPECT_EQ(http("/v1.0/secrets/vault/bulk?metadata.a=b").body.whole,
            "{\"one\":{\"one\":\"1\"},\"two\":{\"a\":\"3\",\"b\":\"\\u003c2\\u003e\"}}\n");
  EXPECT_EQ(store.bulk_metadata, (Properties{{"a", "b"}}));
  pb::GetBulkSecretRequest request;
  request.set_store_name("vault");
  pb::GetBulkSecretResponse reply;
  ASSERT_TRUE(reply.ParseFromString(grpc("GetBulkSecret", request.SerializeAsString()).message));
  EXPECT_EQ(reply.data_size(), 2);
  EXPECT_EQ(reply.data().at("two").secrets().at("a"), "3");
}

TEST_F(SecretsApi, WithoutAnyStoreTheErrorSaysSo) {
  expect_error("vault", "one", 500, Code::failed_precondition, "ERR_SECRET_STORES_NOT_CONFIGURED",
               "secret store is not configured");
  EXPECT_EQ(http("/v1.0/secrets/vault/bulk").status, 500);
}

TEST_F(SecretsApi, AnUnknownStoreIs401) {
  add_store();
  expect_error("safe", "one", 401, Code::invalid_argument, "ERR_SECRET_STORE_NOT_FOUND",
               "failed finding secret store with key safe");
  EXPECT_EQ(http("/v1.0/secrets/safe/bulk").status, 401);
}

TEST_F(SecretsApi, AStoresErrorNamesSecretAndStore) {
  add_store();
  expect_error(
      "vault", "gone", 500, Code::internal, "ERR_SECRET_GET",
      "failed getting secret with key gone from secret store vault: secret gone not found");
}

TEST_F(SecretsApi, AStoresErrorForAllSecretsNamesTheStore) {
  add_store().error = Error(Code::permission_denied, "sealed");
  const auto response = http("/v1.0/secrets/vault/bulk");
  EXPECT_EQ(response.status, 500);
  EXPECT_EQ(response.body.whole,
            R"({"errorCode":"ERR_SECRET_GET","message":"failed getting secrets from secret store )"
            R"(vault: sealed"})");
  pb::GetBulkSecretRequest request;
  request.set_store_name("vault");
  const auto answer = grpc("GetBulkSecret", request.SerializeAsString());
  EXPECT_EQ(answer.status.code, Code::internal);
  EXPECT_EQ(answer.status.message, "failed getting secrets from secret store vault: sealed");
}

TEST_F(SecretsApi, ABrokenGrpcMessageIsRefused) {
  add_store();
  EXPECT_EQ(grpc("GetSecret", "\xff\xff").status.code, Code::internal);
  EXPECT_EQ(grpc("GetBulkSecret", "\xff\xff").status.code, Code::internal);
}

TEST_F(SecretsApi, CallsAreCountedBySuccess) {
  add_store();
  http("/v1.0/secrets/vault/one");
  http("/v1.0/secrets/vault/gone");
  http("/v1.0/secrets/vault/bulk");
  const std::string text = metrics_.render();
  for (const auto labels :
       {R"(operation="get",success="true")", R"(operation="get",success="false")",
        R"(operation="bulk_get",success="true")"}) {
    EXPECT_NE(text.find(labels), std::string::npos) << labels;
  }
}

TEST_F(SecretsApi, AReferenceOfAResourceAsksInOurNamespaceAndIgnoresScopes) {
  FakeStore& store = add_store();
  const auto source = service_.source();
  EXPECT_EQ(run_on(loop_, source("vault", "one")).value(), (Secret{{"one", "1"}}));
  EXPECT_EQ(store.requests.back().metadata, (Properties{{"namespace", "ours"}}));
  EXPECT_FALSE(run_on(loop_, source("safe", "one")));
}

TEST_F(SecretsApi, AStoreThatIsTakenOutIsClosedAndNotFound) {
  auto made = std::make_unique<FakeStore>();
  FakeStore& store = *made;
  const auto open = std::make_shared<OpenStore>("vault", std::move(made), nullptr);
  service_.add(open);
  run_on(loop_, service_.take_out("vault")->close());
  EXPECT_TRUE(store.closed);
  EXPECT_EQ(http("/v1.0/secrets/vault/one").status, 500);
  EXPECT_EQ(service_.take_out("vault"), nullptr);
}

class ScopedSecrets : public SecretsApi {
 protected:
  ScopedSecrets() : SecretsApi({{"vault", "deny", {"one"}, {}}, {"open", "", {}, {"two"}}}) {}
};

TEST_F(ScopedSecrets, ADeniedSecretIs403AndItsStoreNotAsked) {
  FakeStore& store = add_store();
  expect_error("vault", "two", 403, Code::permission_denied, "ERR_PERMISSION_DENIED",
               R"(access denied by policy to get "two" from "vault")");
  EXPECT_TRUE(store.requests.empty());
  EXPECT_EQ(http("/v1.0/secrets/vault/one").status, 200);
}

TEST_F(ScopedSecrets, DeniedSecretsAreLeftOutOfAll) {
  add_store();
  add_store("open");
  add_store("free");
  EXPECT_EQ(http("/v1.0/secrets/vault/bulk").body.whole, "{\"one\":{\"one\":\"1\"}}\n");
  EXPECT_EQ(http("/v1.0/secrets/open/bulk").body.whole, "{\"one\":{\"one\":\"1\"}}\n");
  EXPECT_EQ(http("/v1.0/secrets/free/two").status, 200);
}

TEST(SecretsPolicy, AFailingCallIsRepeatedAsThePolicySays) {
  Loop loop;
  Service::Settings settings;
  resources::Resiliency document;
  document.retries["DefaultSecretstoreComponentOutboundRetryPolicy"] = {
      .duration = std::chrono::nanoseconds(1), .max_retries = 1};
  const resiliency::Policies policies({document});
  settings.policies = &policies;
  Service service(std::move(settings));
  auto made = std::make_unique<FakeStore>();
  FakeStore& store = *made;
  service.add(std::make_shared<OpenStore>("vault", std::move(made), nullptr));
  EXPECT_TRUE(run_on(loop, service.get("vault", "one", {})));
  EXPECT_EQ(store.requests.size(), 1u);
  EXPECT_FALSE(run_on(loop, service.get("vault", "gone", {})));
  EXPECT_EQ(store.requests.size(), 3u);
}

Result<std::unique_ptr<stores::SecretStore>> make_fake(const components::Metadata& metadata,
                                                       components::ComponentContext&) {
  if (metadata.properties.contains("broken")) return fail(Code::invalid_argument, "broken");
  return std::make_unique<FakeStore>();
}
std::vector<components::FieldInfo> no_fields() { return {}; }
constexpr components::Kind<stores::SecretStore> kFakes[] = {
    {"secretstores.fake", "v1", &make_fake, &no_fields}};

TEST(SecretsLoader, AStoreIsOpenedOnEveryLoopAndClosedAgain) {
  Loops loops(2);
  Service first{{}};
  Service second{{}};
  Loader::Settings settings;
  settings.kinds = kFakes;
  Loader loader(loops, {&first, &second}, std::move(settings));
  EXPECT_EQ(loader.category(), "secretstores");
  EXPECT_EQ(loader.noun(), "secret store");
  EXPECT_TRUE(loader.knows("secretstores.fake", ""));
  EXPECT_FALSE(loader.knows("secretstores.other", "v1"));
  loops.start();
  components::Metadata metadata{.name = "vault", .type = "secretstores.fake"};
  EXPECT_EQ(run(loader.open({}, metadata)).value().capabilities, std::vector<std::string>());
  EXPECT_TRUE(first.find("vault"));
  EXPECT_TRUE(second.find("vault"));
  run(loader.close("vault"));
  EXPECT_FALSE(first.find("vault"));
  metadata.properties.emplace("broken", "");
  EXPECT_EQ(run(loader.open({}, metadata)).error().message(), "broken");
  EXPECT_FALSE(first.find("vault"));
  loops.stop_and_join();
}

TEST(SecretsLoader, AScopeWithoutItsStoreIsWorthAWarning) {
  Loops loops(1);
  Service::Settings scoped;
  scoped.scopes.push_back({"customsecretstore1", "deny", {}, {}});
  Service service(std::move(scoped));
  const LogCapture log;
  Loader(loops, {&service}, {}).warn_of_idle_scopes();
  EXPECT_TRUE(
      log.contains("Secrets configuration added for 'customsecretstore1', but no matching "
                   "secret store was found"));
}

}  // namespace
}  // namespace outrigger::runtime::secrets
