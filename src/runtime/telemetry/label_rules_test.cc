#include "runtime/telemetry/label_rules.h"

#include "base/pch_test.h"
#include "runtime/telemetry/runtime_metrics.h"

namespace outrigger::telemetry {
namespace {

std::string rewritten(std::map<std::string, std::string> regex, std::string value) {
  auto rewrite = make_label_rewrite({{"dapr_http_server_request_count", "path", std::move(regex)}});
  EXPECT_TRUE(rewrite);
  return (*rewrite)("http_server_request_count", "path", std::move(value));
}

TEST(LabelRules, ReplaceWhatTheExpressionFinds) {
  EXPECT_EQ(rewritten({{"/orders/TEST", "/orders/.+"}}, "/orders/7"), "/orders/TEST");
  EXPECT_EQ(rewritten({{"x", "[0-9]+"}}, "/a/1/b/22"), "/a/x/b/x");
  EXPECT_EQ(rewritten({{"x", "nothing"}}, "/a"), "/a");
  EXPECT_EQ(rewritten({{"", "^.*$"}}, "/a"), "");
}

TEST(LabelRules, ReplacementsNameGroupsAsGoDoes) {
  EXPECT_EQ(rewritten({{"/$1/{id}", "^/([a-z]+)/[0-9]+"}}, "/orders/7"), "/orders/{id}");
  EXPECT_EQ(rewritten({{"${name}!", "^/(?P<name>[a-z]+)"}}, "/orders/7"), "orders!/7");
  EXPECT_EQ(rewritten({{"$1x", "^/([a-z]+)"}}, "/orders"), "");
  EXPECT_EQ(rewritten({{"${1}x", "^/([a-z]+)"}}, "/orders"), "ordersx");
  EXPECT_EQ(rewritten({{"$$1 $ ${ $9 \\1", "o"}}, "o"), "$1 $ ${  \\1");
}

TEST(LabelRules, AreForOneLabelOfOneMetric) {
  const std::vector<LabelRule> rules = {
      {"http/server/request_count", "path", {{"x", ".+"}}},
      {"dapr_runtime_mtls_init_fail_total", "reason", {{"y", ".+"}}},
      {"dapr_runtime_mtls_init_fail_total", "reason", {{"z", ".+"}}}};
  const auto rewrite = make_label_rewrite(rules);
  ASSERT_TRUE(rewrite);
  EXPECT_EQ((*rewrite)("http_server_request_count", "path", "v"), "x");
  EXPECT_EQ((*rewrite)("http_server_request_count", "method", "v"), "v");
  EXPECT_EQ((*rewrite)("http_server_latency", "path", "v"), "v");
  EXPECT_EQ((*rewrite)("runtime_mtls_init_fail_total", "reason", "v"), "z");
}

TEST(LabelRules, AnExpressionThatIsNoneIsRefused) {
  const auto rewrite = make_label_rewrite({{"m", "l", {{"x", "("}}}});
  ASSERT_FALSE(rewrite);
  EXPECT_TRUE(rewrite.error().message().starts_with("failed to compile regex for rule ml/x: "))
      << rewrite.error().message();
  EXPECT_FALSE(*make_label_rewrite({}));
}

TEST(LabelRules, ChangeWhatIsScraped) {
  MetricsOptions options;
  options.app_id = "app";
  auto rewrite = make_label_rewrite(
      {{"dapr_http_server_request_count", "path", {{"/orders/{id}", "/orders/[0-9]+"}}}});
  ASSERT_TRUE(rewrite);
  options.rewrite = *std::move(rewrite);
  const RuntimeMetrics metrics(options);
  for (const char* path : {"/orders/1", "/orders/2"}) {
    HttpMetrics::Request request{};
    request.method = "GET";
    request.path = path;
    request.status = 200;
    metrics.http.server_request(request);
  }
  EXPECT_NE(metrics.render().find("dapr_http_server_request_count{app_id=\"app\",method=\"GET\","
                                  "path=\"/orders/{id}\",status=\"200\"} 2\n"),
            std::string::npos)
      << metrics.render();
}

}  // namespace
}  // namespace outrigger::telemetry
