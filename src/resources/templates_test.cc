#include "resources/templates.h"

#include "base/uuid.h"

namespace outrigger::resources {
namespace {

TemplateFacts facts() {
  return {.app_id = "orders",
          .pod_name = "orders-7f",
          .namespace_name = "prod",
          .uuid = [count = 0]() mutable { return "uuid" + std::to_string(++count); }};
}

TEST(Templates, EachIsReplacedAsUpstreamDoes) {
  const auto text = expand_templates("{appID}/{podName}/{namespace}/{other}{appID}", "x", facts());
  ASSERT_TRUE(text);
  EXPECT_EQ(*text, "orders/orders-7f/prod.orders/{other}orders");
}

TEST(Templates, EveryUuidIsAnotherOne) {
  EXPECT_EQ(*expand_templates("{uuid}-{uuid}", "x", facts()), "uuid1-uuid2");
  TemplateFacts real = facts();
  real.uuid = uuid_v4;
  EXPECT_TRUE(is_uuid(*expand_templates("{uuid}", "x", real)));
}

TEST(Templates, APodNameThatIsNotKnownIsAnErrorWithTheItemsName) {
  TemplateFacts none = facts();
  none.pod_name.clear();
  const auto text = expand_templates("{podName}", "consumerID", none);
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().message(),
            "failed to parse metadata: property consumerID refers to {podName} but podName is not "
            "set");
}

TEST(Templates, AComponentsPropertiesAreExpanded) {
  Component component;
  component.metadata = {{.name = "consumerID", .value = "{appID}", .has_value = true},
                        {.name = "unset"},
                        {.name = "twice", .value = "1", .has_value = true},
                        {.name = "twice", .value = "2", .has_value = true}};
  const auto properties = component_properties(component, facts());
  ASSERT_TRUE(properties);
  EXPECT_EQ(*properties, (std::map<std::string, std::string>{
                             {"consumerID", "orders"}, {"twice", "2"}, {"unset", ""}}));
  EXPECT_FALSE(mentions_namespace(component.metadata));
  component.metadata[0].value = "x{namespace}";
  EXPECT_TRUE(mentions_namespace(component.metadata));
}

TEST(Templates, TheStrictSandboxIsForcedOnWebAssemblyOnly) {
  Component component;
  component.type = "bindings.wasm";
  component.metadata = {{.name = "StrictSandbox", .value = "false", .has_value = true}};
  enforce_strict_sandbox(component);
  ASSERT_EQ(component.metadata.size(), 1);
  EXPECT_EQ(component.metadata[0].value, "true");
  component.metadata.clear();
  enforce_strict_sandbox(component);
  ASSERT_EQ(component.metadata.size(), 1);
  component.metadata.clear();
  component.type = "Middleware.HTTP.wasm";
  component.metadata = {{.name = "strictSandbox", .value = "true", .has_value = true},
                        {.name = "STRICTSANDBOX", .value = "false", .has_value = true}};
  enforce_strict_sandbox(component);
  ASSERT_EQ(component.metadata.size(), 2);
  EXPECT_EQ(component.metadata[1].value, "true");
  component.metadata.clear();
  component.type = "bindings.http";
  enforce_strict_sandbox(component);
  EXPECT_TRUE(component.metadata.empty());
}

}  // namespace
}  // namespace outrigger::resources
