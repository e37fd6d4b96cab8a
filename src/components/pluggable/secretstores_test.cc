#include "components/pluggable/fakes_testing.h"
#include "dapr/proto/components/v1/secretstore.pb.h"

namespace outrigger::components::pluggable {
namespace {

using testing::FakeProgram;
using testing::TemporaryFolder;
namespace proto = dapr::proto::components::v1;

constexpr const char* kSecrets = "dapr.proto.components.v1.SecretStore";

std::string path_of(const char* method) { return std::string("/") + kSecrets + "/" + method; }

Task<void> use(secretstores::SecretStore* store) {
  EXPECT_TRUE(co_await store->init());
  EXPECT_TRUE(store->traits().several_keys_per_secret);
  secretstores::SecretRequest request{.name = "db"};
  request.metadata["version"] = "2";
  const auto secret = co_await store->get(request);
  EXPECT_EQ(secret->size(), 2U);
  EXPECT_EQ(secret->at("user"), "admin");
  request.name = "missing";
  const auto missing = co_await store->get(request);
  EXPECT_EQ(missing.error().message(), "rpc error: code = NotFound desc = no such secret");
  Properties metadata;
  metadata["m"] = "1";
  const auto all = co_await store->bulk_get(metadata);
  EXPECT_EQ(all->at("db").at("user"), "admin");
  EXPECT_TRUE(all->at("empty").empty());
  co_await store->close();
}

TEST(PluggableSecrets, AreReadOneByOneAndAllAtOnce) {
  const TemporaryFolder folder;
  FakeProgram program(folder.file("vault.sock"));
  testing::be_component(program, kSecrets, {"MULTIPLE_KEY_VALUES_PER_SECRET"});
  program.on(path_of("Get"), [](std::string bytes) -> Result<std::string> {
    proto::GetSecretRequest request;
    EXPECT_TRUE(request.ParseFromString(bytes));
    EXPECT_EQ(request.metadata().at("version"), "2");
    if (request.key() != "db") return fail(Code::not_found, "no such secret");
    proto::GetSecretResponse response;
    (*response.mutable_data())["user"] = "admin";
    (*response.mutable_data())["password"] = "x";
    return response.SerializeAsString();
  });
  program.on(path_of("BulkGet"), [](std::string bytes) -> Result<std::string> {
    proto::BulkGetSecretRequest request;
    EXPECT_TRUE(request.ParseFromString(bytes));
    EXPECT_EQ(request.metadata().at("m"), "1");
    proto::BulkGetSecretResponse response;
    (*(*response.mutable_data())["db"].mutable_secrets())["user"] = "admin";
    (*response.mutable_data())["empty"];
    return response.SerializeAsString();
  });
  program.start();
  const Registry registry({Socket{folder.file("vault.sock"), "vault", {kSecrets}}});
  Loop loop;
  ComponentContext context{loop};
  Metadata metadata{.name = "mysecrets", .type = "secretstores.vault"};
  auto store = registry.secret_stores({})[0].make(metadata, context).value();
  run_on(loop, use(store.get()));
}

}  // namespace
}  // namespace outrigger::components::pluggable
