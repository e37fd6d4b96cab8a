#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "components/middleware/rig_testing.h"

namespace outrigger::components::middleware {
namespace {

TEST(RouterChecker, LetsThroughWhatMatchesItsRule) {
  Rig rig("middleware.http.routerchecker", {{"rule", "^/v1.0/(state|invoke)/[a-z]+"}});
  EXPECT_EQ(rig.send("/v1.0/state/store?x=1").body.whole, "/v1.0/state/store?x=1");
  for (const char* way : {"/v1.0/state/../secrets/s", "/v1.0/state/x/%2e%2e/%2e%2e/secrets/s",
                          "/v1.0/secrets/s?/v1.0/state/x", "/v1.0/state/a%zz"}) {
    EXPECT_EQ(rig.send(way).status, 400) << way;
  }
  EXPECT_EQ(rig.send("/v1.0/invoke/a%20b").status, 200);
  const auto refused = rig.send("/v1.0/secrets/store");
  EXPECT_EQ(refused.status, 400);
  EXPECT_EQ(refused.body.whole, "invalid router");
  EXPECT_TRUE(Rig("middleware.http.routerchecker", {{"rule", "("}})
                  .error()
                  .contains("failed to compile rule regexp"));
}

TEST(RouterAlias, RewritesPathsAndTurnsVariablesIntoParameters) {
  for (const char* routes :
       {R"({"/mall/activity/info":"/v1.0/invoke/srv/method/info",)"
        R"("/mall/activity/{id}/info":"/v1.0/invoke/srv/method/one","/n/{n:[0-9]+}":"/number"})",
        "/mall/activity/info: /v1.0/invoke/srv/method/info\n"
        "\"/mall/activity/{id}/info\": '/v1.0/invoke/srv/method/one'\n"
        "# a comment\n/n/{n:[0-9]+}: /number\n"}) {
    Rig rig("middleware.http.routeralias", {{"routes", routes}});
    ASSERT_EQ(rig.error(), "");
    EXPECT_EQ(rig.send("/mall/activity/info").body.whole, "/v1.0/invoke/srv/method/info");
    EXPECT_EQ(rig.send("/mall/activity/info?a=1").body.whole, "/v1.0/invoke/srv/method/info?a=1");
    EXPECT_EQ(rig.send("/mall/activity/a%20b/info").body.whole,
              "/v1.0/invoke/srv/method/one?id=a+b");
    EXPECT_EQ(rig.send("/n/42").body.whole, "/number?n=42");
    EXPECT_EQ(rig.send("/n/x").body.whole, "/n/x");
    EXPECT_EQ(rig.send("/other%zz").body.whole, "/other%zz");
  }
}

TEST(RouterAlias, RefusesRoutesThatAreNone) {
  for (const char* routes : {"{\"/a\":1}", "{\"/a\":", "nonsense", "{\"/a/{b\":\"/c\"}"}) {
    EXPECT_NE(Rig("middleware.http.routeralias", {{"routes", routes}}).error(), "") << routes;
  }
  Rig old("middleware.http.routeralias", {{"/a", "/b"}, {"/c", "/d"}});
  EXPECT_EQ(old.send("/c").body.whole, "/d") << "the old way, a property for each route";
}

TEST(RateLimit, GivesEachClientAndPathItsOwnAllowance) {
  Rig rig("middleware.http.ratelimit", {{"maxRequestsPerSecond", "2"}});
  EXPECT_EQ(rig.send("/a").status, 200);
  const auto last = rig.send("/a?x=1");
  EXPECT_EQ(last.status, 200);
  EXPECT_EQ(last.headers.value("X-Rate-Limit-Limit"), "2.00");
  EXPECT_EQ(last.headers.value("RateLimit-Remaining"), "0");
  const auto refused = rig.send("/a");
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.body.whole, "You have reached maximum request limit.");
  EXPECT_EQ(refused.headers.value("Retry-After"), "1");
  EXPECT_EQ(rig.send("//a").status, 429) << "the same path";
  EXPECT_EQ(rig.send("/b").status, 200);
  rig.peer.address = "10.0.0.2:4711";
  EXPECT_EQ(rig.send("/a").status, 200);
  EXPECT_EQ(rig.send("/a", {{"X-Forwarded-For", "1.2.3.4, 5.6.7.8"}}).status, 200);
  for (const char* wrong : {"0", "-1", "many"}) {
    EXPECT_NE(Rig("middleware.http.ratelimit", {{"maxRequestsPerSecond", wrong}}).error(), "");
  }
}

TEST(Bearer, WantsIssuerAndAudience) {
  EXPECT_NE(Rig("middleware.http.bearer", {{"issuer", "https://here"}}).error(), "");
  EXPECT_NE(Rig("middleware.http.bearer", {{"audience", "me"}}).error(), "");
  EXPECT_EQ(
      Rig("middleware.http.bearer", {{"issuerURL", "https://here"}, {"clientID", "me"}}).error(),
      "");
}

TEST(Bearer, FindsItsKeysByTheIssuersConfiguration) {
  const auto opened = [](const std::function<std::string(const std::string& url)>& document,
                         int status = 200) {
    std::string url;
    CannedServer issuer([&](const std::string& request) {
      if (request.starts_with("GET /keys ")) {
        return CannedServer::reply(200, "application/json", R"({"keys":[]})");
      }
      return CannedServer::reply(status, "application/json", document(url));
    });
    url = issuer.url();
    Rig rig("middleware.http.bearer", {{"issuer", url}, {"audience", "me"}});
    const auto result = run_on(rig.loop(), rig.get()->init());
    run_on(rig.loop(), rig.get()->close());
    return result ? "opened" : result.error().message();
  };
  const auto good = [](const std::string& url) {
    return R"({"issuer":")" + url + R"(","jwks_uri":")" + url + "/keys\"}";
  };
  EXPECT_EQ(opened(good), "opened");
  EXPECT_THAT(opened(good, 404), testing::HasSubstr("invalid response status code: 404"));
  EXPECT_THAT(opened([](const std::string&) { return "[]"; }),
              testing::HasSubstr("failed to decode JSON response"));
  EXPECT_THAT(opened([](const std::string&) { return "{}"; }),
              testing::HasSubstr("does not contain a 'jwks_uri'"));
  EXPECT_THAT(opened([](const std::string& url) {
                return R"({"issuer":"https://other","jwks_uri":")" + url + "/keys\"}";
              }),
              testing::HasSubstr("doesn't match"));
  EXPECT_THAT(opened([](const std::string&) { return std::string(2U << 20, ' '); }),
              testing::HasSubstr("failed to execute request"));
}

}  // namespace
}  // namespace outrigger::components::middleware
