#include "runtime/metadata/service.h"

#include <gtest/gtest.h>

namespace outrigger::runtime::metadata {
namespace {

TEST(Metadata, BreakersAreAListWithTheirStates) {
  EXPECT_EQ(breakers_json({}), "[]");
  EXPECT_EQ(breakers_json({{"app_orders", "orders:checkout", "open"}, {"actor_Cart", "Cart", ""}}),
            R"([{"target":"app_orders","name":"orders:checkout","state":"open"},)"
            R"({"target":"actor_Cart","name":"Cart","state":""}])");
}

TEST(Metadata, ExtendedEntriesAreTheClientsAndTheVersion) {
  Service service;
  auto facts = std::make_shared<Facts>();
  facts->runtime_version = "1.2.3";
  service.publish(facts);
  service.set_extended("", "nothing");
  service.set_extended("a", "1");
  service.set_extended("a", "2");
  const std::map<std::string, std::string> expected{{"a", "2"}, {"daprRuntimeVersion", "1.2.3"}};
  EXPECT_EQ(service.extended(), expected);
}

}  // namespace
}  // namespace outrigger::runtime::metadata
