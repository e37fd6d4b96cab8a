#include "base/env.h"

#include "base/pch_test.h"

namespace outrigger {
namespace {

TEST(Env, AnEmptyVariableIsNotAMissingOne) {
  const auto environment = fixed_environment({{"EMPTY", ""}});
  EXPECT_EQ(environment("EMPTY"), "");
  EXPECT_EQ(environment("MISSING"), std::nullopt);
  EXPECT_EQ(env("OUTRIGGER_TEST_NO_SUCH_VARIABLE"), std::nullopt);
  EXPECT_EQ(env_or("OUTRIGGER_TEST_NO_SUCH_VARIABLE", "x"), "x");
  EXPECT_FALSE(env_truthy("OUTRIGGER_TEST_NO_SUCH_VARIABLE"));
}

TEST(Env, ExpansionFollowsGosRules) {
  const auto environment = fixed_environment({{"A", "1"}, {"A_B", "2"}, {"*", "star"}});
  const auto expand = [&](std::string_view text) { return expand_env(text, environment); };
  EXPECT_EQ(expand("plain"), "plain");
  EXPECT_EQ(expand("$A ${A} $A_B ${A}_B $A-x"), "1 1 2 1_B 1-x");
  EXPECT_EQ(expand("$MISSING|${MISSING}|"), "||");
  EXPECT_EQ(expand("$*$$x"), "starx");
  EXPECT_EQ(expand("${}x ${A"), "x A");
  EXPECT_EQ(expand("$"), "$");
  EXPECT_EQ(expand("a$ b"), "a$ b");
}

}  // namespace
}  // namespace outrigger
