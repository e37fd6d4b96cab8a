#include "components/pluggable/registry.h"

#include "components/pluggable/fakes_testing.h"

namespace outrigger::components::pluggable {
namespace {

Result<std::unique_ptr<state::Store>> refuse(const Metadata&, ComponentContext&) {
  return fail(Code::unavailable, "the built-in one");
}

constexpr const char* kStore = "dapr.proto.components.v1.StateStore";
constexpr const char* kBroker = "dapr.proto.components.v1.PubSub";
constexpr const char* kSecrets = "dapr.proto.components.v1.SecretStore";

TEST(PluggableRegistry, GivesARowForEveryServiceOfEverySocket) {
  std::vector<Socket> sockets;
  sockets.push_back({"/s/one.sock", "one", {kStore, kBroker}});
  sockets.push_back({"/s/Two.sock", "Two", {kSecrets, "unknown.Service"}});
  const Registry registry(std::move(sockets));
  const auto stores = registry.state_stores({});
  ASSERT_EQ(stores.size(), 1U);
  EXPECT_EQ(stores[0].type, "state.one");
  EXPECT_TRUE(stores[0].fields().empty());
  const auto brokers = registry.brokers({});
  ASSERT_EQ(brokers.size(), 1U);
  EXPECT_EQ(brokers[0].type, "pubsub.one");
  const auto secrets = registry.secret_stores({});
  ASSERT_EQ(secrets.size(), 1U);
  const std::span<const Kind<secretstores::SecretStore>> rows(secrets);
  EXPECT_NE(find_kind(rows, "secretstores.two", ""), nullptr);
  EXPECT_NE(find_kind(rows, "secretstores.two", "v0"), nullptr);
  EXPECT_NE(find_kind(rows, "secretstores.TWO", "v1"), nullptr);
  EXPECT_EQ(find_kind(rows, "secretstores.two", "v2"), nullptr);
}

TEST(PluggableRegistry, AProgramReplacesTheBuiltInComponentOfItsName) {
  constexpr Kind<state::Store> kBuiltIn[] = {
      {"state.other", "v1", &refuse, nullptr},
      {"state.redis", "v1", &refuse, nullptr},
  };
  std::vector<Socket> sockets;
  sockets.push_back({"/s/redis.sock", "redis", {kStore}});
  sockets.push_back({"/s/redis.uds", "redis", {kStore}});
  const Registry registry(std::move(sockets));
  const auto rows = registry.state_stores(kBuiltIn);
  ASSERT_EQ(rows.size(), 2U);
  Loop loop;
  ComponentContext context{loop};
  const std::span<const Kind<state::Store>> span(rows);
  EXPECT_TRUE(find_kind(span, "state.redis", "")->make(Metadata{}, context));
  EXPECT_FALSE(find_kind(span, "state.other", "")->make(Metadata{}, context));
}

}  // namespace
}  // namespace outrigger::components::pluggable
