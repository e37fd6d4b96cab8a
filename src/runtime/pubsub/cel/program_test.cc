#include "runtime/pubsub/cel/program.h"

#include <gtest/gtest.h>

namespace outrigger::cel {
namespace {

std::string outcome(std::string_view expression, std::string_view event) {
  auto program = compile(expression);
  if (!program) return "invalid";
  auto value = Value::from_json(event);
  if (!value) return "no event";
  const auto result = program->matches(*value);
  if (!result) return "error";
  return *result ? "true" : "false";
}

TEST(Program, RoutesByTypeOfEvent) {
  EXPECT_EQ(outcome("event.type == 'widget'", R"({"type":"widget"})"), "true");
  EXPECT_EQ(outcome("event.type == 'widget'", R"({"type":"gadget"})"), "false");
}

}  // namespace
}  // namespace outrigger::cel
