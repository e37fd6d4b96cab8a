#include "runtime/security/access_list.h"

#include <gtest/gtest.h>

namespace outrigger::runtime::access_control {
namespace {

using resources::AccessControl;
using By = telemetry::ServiceMetrics::Policy;

constexpr std::string_view kApp1 = "spiffe://public/ns/ns1/app1";
constexpr std::string_view kApp2 = "spiffe://domain1/ns/ns2/app2";
constexpr std::string_view kApp3 = "spiffe://domain1/ns/ns1/app3";

AccessControl rules() {
  AccessControl control{.default_action = "deny", .trust_domain = "abcd"};
  AccessControl::Policy app1{"app1", "allow", "public", "ns1", {}};
  app1.operations = {{"/op1", "allow", {"POST", "GET"}}, {"/op2", "deny", {"*"}}};
  AccessControl::Policy app2{"app2", "deny", "domain1", "ns2", {}};
  app2.operations = {{"/op3/a/*", "allow", {"PUT", "GET"}}, {"op4", "Allow", {"POST"}}};
  AccessControl::Policy app3{"app3", "", "domain1", "ns1", {}};
  app3.operations = {{"/op5", "allow", {"POST"}}};
  control.policies = {app1, app2, app3};
  return control;
}

Decision decide(const AccessList& list, std::string_view identity, std::string_view operation,
                std::string_view verb = "NONE") {
  return list.decide({.identity = identity, .operation = operation, .verb = verb}).value();
}

class HttpList : public testing::Test {
 protected:
  bool allows(std::string_view identity, std::string_view operation,
              std::string_view verb = "POST") {
    return decide(list_, identity, operation, verb).allowed;
  }
  By by(std::string_view identity, std::string_view operation) {
    return decide(list_, identity, operation, "POST").by;
  }
  AccessList list_{rules(), AppProtocol::http};
};

TEST_F(HttpList, WhoHasNoPolicyIsUnderTheGlobalAction) {
  EXPECT_FALSE(allows("", "op1"));
  EXPECT_FALSE(allows("spiffe://public/ns/ns1/appX", "op1"));
  EXPECT_FALSE(allows("spiffe://private/ns/ns1/app1", "op1"));
  EXPECT_FALSE(allows("spiffe://public/ns/other/app1", "op1"));
  EXPECT_EQ(by("spiffe://private/ns/ns1/app1", "op1"), By::global);
}

TEST_F(HttpList, AnOperationThatIsNotListedIsUnderTheAppsAction) {
  EXPECT_TRUE(allows(kApp1, "opX"));
  EXPECT_EQ(by(kApp1, "opX"), By::app);
  EXPECT_FALSE(allows(kApp2, "opX"));
  EXPECT_FALSE(allows(kApp3, "opX"));
  EXPECT_EQ(by(kApp3, "opX"), By::global);
}

TEST_F(HttpList, VerbsDecideWhereTheyAreListed) {
  EXPECT_TRUE(allows(kApp2, "op4", "POST"));
  EXPECT_FALSE(allows(kApp2, "op4", "PUT"));
  EXPECT_TRUE(allows(kApp2, "/op4", "POST"));
  EXPECT_FALSE(allows(kApp3, "op5", "PUT"));
  EXPECT_TRUE(allows(kApp3, "op5", "POST"));
  EXPECT_FALSE(allows(kApp1, "op2", "PUT"));
  EXPECT_TRUE(allows(kApp1, "op1", "DELETE"));
}

TEST_F(HttpList, ACallWithoutAVerbIsUnderTheAppsActionAloneIfTheOperationIsListed) {
  EXPECT_FALSE(allows(kApp2, "op4", "NONE"));
  EXPECT_TRUE(allows(kApp1, "op2", "NONE"));
  EXPECT_FALSE(allows(kApp3, "op5", "NONE"));
}

TEST_F(HttpList, CaseDoesNotMatter) {
  EXPECT_FALSE(allows(kApp1, "Op2"));
  EXPECT_TRUE(allows(kApp2, "OP3/A/b", "PUT"));
  EXPECT_EQ(fold_case("/\xC3\x89T\xC3\x89/A\xFFz"), "/\xC3\xA9t\xC3\xA9/a\xFFz");
}

TEST_F(HttpList, WildcardsStandForTheirParentToo) {
  EXPECT_TRUE(allows(kApp2, "/op3/a", "PUT"));
  EXPECT_TRUE(allows(kApp2, "/op3/a/b", "PUT"));
  EXPECT_FALSE(allows(kApp2, "/op3/b/b", "PUT"));
}

TEST_F(HttpList, AnIdentityOfAnotherFormIsAnError) {
  EXPECT_FALSE(list_.decide({.identity = "spiffe://public/other", .operation = "op1"}));
  EXPECT_FALSE(list_.decide({.identity = "https://public/ns/ns1/app1", .operation = "op1"}));
}

TEST(GrpcList, LooksAtNoVerbAndAtCase) {
  const AccessList list(rules(), AppProtocol::grpc);
  EXPECT_TRUE(decide(list, kApp2, "op4").allowed);
  EXPECT_FALSE(decide(list, kApp2, "OP4").allowed);
  EXPECT_TRUE(decide(list, kApp2, "op3/a/b").allowed);
  EXPECT_FALSE(decide(list, kApp1, "op2").allowed);
  EXPECT_TRUE(decide(list, kApp1, "%6fp2").allowed);
}

AccessList denying(std::string operation, AppProtocol protocol = AppProtocol::http) {
  AccessControl control;
  AccessControl::Policy policy{"app1", "allow", "public", "ns1", {}};
  policy.operations = {{std::move(operation), "deny", {"*"}}};
  control.policies = {policy};
  return {control, protocol};
}

TEST(HttpListWithEscapes, AMethodIsJudgedAsTheApplicationReadsIt) {
  const AccessList list = denying("/admin");
  EXPECT_FALSE(decide(list, kApp1, "admin", "GET").allowed);
  EXPECT_FALSE(decide(list, kApp1, "%61dmin", "GET").allowed);
  EXPECT_FALSE(decide(list, kApp1, "public%2f..%2Fadmin", "GET").allowed);
  EXPECT_FALSE(decide(list, kApp1, "%2fAdmin", "GET").allowed);
  EXPECT_TRUE(decide(list, kApp1, "public%2fadmin", "GET").allowed);
  EXPECT_TRUE(decide(list, kApp1, "100%", "GET").allowed);
}

TEST(HttpListWithEscapes, ARuleWithEscapesMeansWhatItSaysAndWhatItReads) {
  for (const char* rule : {"/foo%20bar", "/FOO%20BAR"}) {
    const AccessList list = denying(rule);
    EXPECT_FALSE(decide(list, kApp1, "foo%20bar", "GET").allowed);
    EXPECT_FALSE(decide(list, kApp1, "foo%2520bar", "GET").allowed);
    EXPECT_TRUE(decide(list, kApp1, "foo bar", "GET").allowed);
  }
}

TEST(HttpListWithEscapes, AnEscapeNeverAllowsWhatIsNotAllowedAsItCame) {
  AccessControl control{.default_action = "deny"};
  AccessControl::Policy policy{"app1", "deny", "public", "ns1", {}};
  policy.operations = {{"/foo%20bar", "allow", {"*"}}, {"/open*", "allow", {"*"}}};
  control.policies = {policy};
  const AccessList list(control, AppProtocol::http);
  EXPECT_TRUE(decide(list, kApp1, "foo%20bar", "GET").allowed);
  EXPECT_FALSE(decide(list, kApp1, "foo bar", "GET").allowed);
  EXPECT_TRUE(decide(list, kApp1, "open%41", "GET").allowed);
  EXPECT_FALSE(decide(list, kApp1, "open%2f..%2fadmin", "GET").allowed);
  EXPECT_FALSE(decide(list, kApp1, "%6fpen", "GET").allowed);
}

TEST(ProxiedCalls, ToAnApplicationThatSpeaksHttpArePosts) {
  AccessControl control{.default_action = "deny"};
  AccessControl::Policy policy{"app1", "deny", "public", "ns1", {}};
  policy.operations = {{"/pkg.Svc/Get", "allow", {"GET"}},
                       {"/pkg.Svc/Post", "allow", {"POST"}},
                       {"/pkg.Svc/Any", "allow", {}}};
  control.policies = {policy};
  const AccessList list(control, AppProtocol::http);
  const auto allowed = [&](std::string_view operation) {
    return list.decide({.identity = kApp1, .operation = operation, .proxied = true})->allowed;
  };
  EXPECT_FALSE(allowed("/pkg.Svc/Get"));
  EXPECT_TRUE(allowed("/pkg.Svc/Post"));
  EXPECT_TRUE(allowed("/pkg.Svc/Any"));
  EXPECT_FALSE(allowed("/pkg.Svc/Other"));
}

TEST(GlobalAction, IsAllowIfNothingIsSaid) {
  EXPECT_TRUE(decide({AccessControl{}, AppProtocol::http}, "", "x").allowed);
  EXPECT_TRUE(decide({AccessControl{.default_action = ""}, AppProtocol::http}, "", "x").allowed);
  EXPECT_TRUE(
      decide({AccessControl{.default_action = "Allow"}, AppProtocol::grpc}, "", "").allowed);
}

TEST(GlobalAction, IsDenyForAWordThatIsNotAllowAndForPoliciesWithoutIt) {
  EXPECT_FALSE(
      decide({AccessControl{.default_action = "yes"}, AppProtocol::http}, "", "x").allowed);
  AccessControl control = rules();
  control.default_action = "";
  EXPECT_FALSE(decide({control, AppProtocol::http}, "", "x").allowed);
}

class Counted : public testing::Test {
 protected:
  std::string text() { return metrics_.render(); }
  telemetry::RuntimeMetrics metrics_{telemetry::MetricsOptions{.app_id = "callee"}};
  AccessList list_{rules(), AppProtocol::http};
};

TEST_F(Counted, ARefusalSaysWhoWantedWhat) {
  const Call call{.identity = kApp2, .operation = "Secret/x", .verb = "GET"};
  const auto refused = list_.check(call, metrics_.service);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::permission_denied);
  EXPECT_EQ(refused.error().message(),
            "access control policy has denied access to id: spiffe://domain1/ns/ns2/app2 "
            "operation: Secret/x verb: GET");
  const auto nobody = list_.check({.operation = "x"}, metrics_.service);
  EXPECT_EQ(nobody.error().message(),
            "access control policy has denied access to id:  operation: x verb: NONE");
}

TEST_F(Counted, EachDecisionIsCountedByTheRuleThatMadeIt) {
  ASSERT_TRUE(
      list_.check({.identity = kApp1, .operation = "op1", .verb = "GET"}, metrics_.service));
  ASSERT_FALSE(list_.check({.identity = kApp2, .operation = "x", .verb = "GET"}, metrics_.service));
  ASSERT_FALSE(list_.check({.operation = "x", .verb = "GET"}, metrics_.service));
  const std::string shown = text();
  for (const char* line :
       {"dapr_runtime_acl_app_policy_action_allowed_total{app_id=\"app1\",namespace=\"ns1\","
        "trustDomain=\"public\"} 1",
        "dapr_runtime_acl_app_policy_action_blocked_total{app_id=\"app2\",namespace=\"ns2\","
        "trustDomain=\"domain1\"} 1"}) {
    EXPECT_NE(shown.find(line), std::string::npos) << line << "\nis not in\n" << shown;
  }
  EXPECT_NE(shown.find("dapr_runtime_acl_global_policy_action_blocked_total"), std::string::npos);
}

}  // namespace
}  // namespace outrigger::runtime::access_control
