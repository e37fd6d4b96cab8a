#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/log.h"
#include "components/middleware/oauth2_sessions.h"
#include "components/middleware/oauth2_token.h"
#include "components/middleware/rig_testing.h"
#include "net/uri.h"

namespace outrigger::components::middleware {
namespace {

using namespace std::chrono_literals;
using oauth2::read_token;
using oauth2::Sessions;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr const char* kJson = "application/json";

TEST(OAuth2Token, ReadsJsonAndForms) {
  const auto json =
      read_token(200, "application/json; charset=utf-8",
                 R"({"access_token":"abc","token_type":"bearer","expires_in":"3600","other":[1]})");
  EXPECT_EQ(json->header(), "Bearer abc");
  EXPECT_EQ(json->lifetime, 3600s);
  const auto form = read_token(201, "application/x-www-form-urlencoded",
                               "access_token=a%2Bb&token_type=mac&expires_in=60");
  EXPECT_EQ(form->header(), "MAC a+b");
  EXPECT_EQ(form->lifetime, 60s);
  const auto endless = read_token(200, "", R"({"access_token":"abc","expires_in":null})");
  EXPECT_EQ(endless->header(), "Bearer abc");
  EXPECT_EQ(endless->lifetime, std::nullopt);
  EXPECT_EQ(read_token(200, kJson, R"({"access_token":"a","expires_in":9e3})").error().code(),
            Code::invalid_argument);
  EXPECT_EQ(
      read_token(200, kJson, R"({"access_token":"a","expires_in":9223372036854775807})")->lifetime,
      std::chrono::seconds(INT32_MAX));
}

TEST(OAuth2Token, RefusesHostileAnswers) {
  const auto told = [](int status, const char* type, const std::string& body) {
    const auto token = read_token(status, type, body);
    return token ? "a token" : token.error().message();
  };
  EXPECT_EQ(told(400, kJson, R"({"error":"invalid_client","error_description":"no \"such\""})"),
            R"(oauth2: "invalid_client" "no \"such\"")");
  EXPECT_EQ(told(200, kJson, R"({"error":"invalid_grant","access_token":"x"})"),
            R"(oauth2: "invalid_grant")");
  EXPECT_THAT(told(502, "text/html", "<html>" + std::string(100'000, 'x')),
              StartsWith("oauth2: cannot fetch token: status 502"));
  EXPECT_LT(told(502, "text/html", std::string(100'000, 'x')).size(), 1000U);
  EXPECT_EQ(told(200, kJson, "{}"), "oauth2: server response missing access_token");
  for (const char* body : {"", "[]", "{", R"({"access_token":1})", R"({"access_token":{}})",
                           R"({"access_token":"a","expires_in":true})"}) {
    EXPECT_EQ(told(200, kJson, body), "oauth2: cannot parse json of the response") << body;
  }
  // What would be a header of its own, or several.
  EXPECT_THAT(told(200, kJson, R"({"access_token":"a\r\nX-Admin: 1"})"), HasSubstr("header"));
  EXPECT_THAT(told(200, kJson, R"({"access_token":"a","token_type":"B\nX: 1"})"),
              HasSubstr("header"));
  EXPECT_THAT(told(200, kJson, R"({"access_token":")" + std::string(70'000, 'a') + "\"}"),
              HasSubstr("longer"));
}

TEST(OAuth2Sessions, AStateIsGoodOnceAndForItsBrowserAndComponent) {
  Sessions sessions;
  const TimePoint now{};
  const auto id = sessions.begin("", "one", "s1", "/a", now);
  EXPECT_EQ(sessions.begin(id, "one", "s2", "/b", now), id);
  const auto other = sessions.begin("made-up-by-the-browser", "one", "s3", "/c", now);
  EXPECT_NE(other, "made-up-by-the-browser");
  EXPECT_EQ(sessions.take(other, "one", "s1", now), std::nullopt);
  EXPECT_EQ(sessions.take(id, "two", "s1", now), std::nullopt);
  EXPECT_EQ(sessions.take(id, "one", "", now), std::nullopt);
  EXPECT_EQ(sessions.take(id, "one", "s1", now), "/a");
  EXPECT_EQ(sessions.take(id, "one", "s1", now), std::nullopt);
  EXPECT_EQ(sessions.take(id, "one", "s2", now + 3h), std::nullopt) << "the session has ended";
}

TEST(OAuth2Sessions, ALoginGetsANewIdAndEnds) {
  Sessions sessions;
  const TimePoint now{};
  const auto planted = sessions.begin("", "one", "s1", "/a", now);
  const auto id = sessions.finish(planted, "one", "Bearer x", 10min, now);
  EXPECT_NE(id, planted);
  EXPECT_EQ(sessions.header(planted, "one", now), std::nullopt);
  EXPECT_EQ(sessions.header(id, "one", now), "Bearer x");
  EXPECT_EQ(sessions.header(id, "two", now), std::nullopt);
  EXPECT_EQ(sessions.header(id, "one", now + 10min), std::nullopt) << "the token has ended";
  EXPECT_EQ(sessions.finish("gone", "one", "Bearer y", 10min, now), "");
  EXPECT_EQ(sessions.header(id, "one", now + 2h), std::nullopt);
  EXPECT_EQ(sessions.size(), 0U);
}

TEST(OAuth2Sessions, VisitorsFillNoMemoryAndPushOutNobodyWhoHasLoggedIn) {
  Sessions sessions;
  const TimePoint now{};
  const auto first = sessions.begin("", "one", "s", "/", now);
  const auto id = sessions.finish(first, "one", "Bearer x", 1h, now);
  const std::string target(8000, 'x');
  for (int i = 0; i < 10'000; ++i) sessions.begin("", "one", "s", target, now);
  EXPECT_LT(sessions.size(), 5'000U);
  EXPECT_EQ(sessions.header(id, "one", now), "Bearer x");
  for (int i = 0; i < 100; ++i) sessions.begin(id, "one", "s", target, now);
  EXPECT_LT(sessions.size(), 5'000U);
}

Properties login(const std::string& provider) {
  return {{"clientID", "me"},
          {"clientSecret", "se cret"},
          {"scopes", "a,b"},
          {"authURL", "https://login.test/authorize"},
          {"tokenURL", provider + "/token"},
          {"redirectURL", "http://shop.test/back"},
          {"authHeaderName", "Authorization"},
          {"pathFilter", "^/v1.0/invoke"}};
}

/// The parts of the answer to a request without a login.
struct Sent {
  explicit Sent(const net::Response& response)
      : status(response.status), location(response.headers.value("location")) {
    const std::string given(response.headers.value("set-cookie"));
    cookie = given.substr(0, given.find(';'));
    state = net::query_value(location.substr(location.find('?') + 1), "state").value_or("");
  }
  int status;
  std::string location, cookie, state;
};

TEST(OAuth2, LeadsThroughALogin) {
  CannedServer provider([](const std::string&) {
    return CannedServer::reply(200, kJson, R"({"access_token":"tok","expires_in":60})");
  });
  Rig rig("middleware.http.oauth2", login(provider.url()), "through");
  const auto asked = rig.send("/v1.0/invoke/x/method/a?b=1");
  const Sent sent(asked);
  EXPECT_EQ(sent.status, 302);
  EXPECT_THAT(sent.location,
              StartsWith("https://login.test/authorize?access_type=offline&client_id=me&"
                         "redirect_uri=http%3A%2F%2Fshop.test%2Fback&response_type=code&"
                         "scope=a+b&state="));
  EXPECT_THAT(std::string(asked.headers.value("set-cookie")),
              HasSubstr("; Path=/; Max-Age=7200; HttpOnly; SameSite=Lax"));
  const auto back =
      rig.send("/v1.0/invoke/back?code=c&state=" + sent.state, {{"Cookie", "x=1; " + sent.cookie}});
  EXPECT_EQ(back.status, 302);
  EXPECT_EQ(back.headers.value("location"), "/v1.0/invoke/x/method/a?b=1");
  const Sent in(back);
  EXPECT_NE(in.cookie, sent.cookie);
  const net::Headers forged{{"Cookie", in.cookie}, {"authorization", "Bearer forged"}};
  EXPECT_EQ(rig.send("/v1.0/invoke/x/method/a?b=1", forged).status, 200);
  EXPECT_EQ(rig.seen->headers.joined("authorization"), "Bearer tok");
  ASSERT_EQ(provider.requests().size(), 1U);
  const std::string exchanged = provider.requests().front();
  EXPECT_THAT(exchanged, HasSubstr("Authorization: Basic bWU6c2UrY3JldA=="));
  EXPECT_THAT(exchanged, HasSubstr("\r\n\r\ncode=c&grant_type=authorization_code&"
                                   "redirect_uri=http%3A%2F%2Fshop.test%2Fback"));
  // The old cookie, which somebody else may know, leads to a login.
  EXPECT_EQ(rig.send("/v1.0/invoke/x", {{"Cookie", sent.cookie}}).status, 302);
}

TEST(OAuth2, RefusesStatesThatItDidNotGiveAndReplays) {
  CannedServer provider([](const std::string&) {
    return CannedServer::reply(200, kJson, R"({"access_token":"tok"})");
  });
  Rig rig("middleware.http.oauth2", login(provider.url()), "replays");
  const Sent sent(rig.send("/v1.0/invoke/x"));
  const net::Headers cookie{{"Cookie", sent.cookie}};
  const std::string back = "/v1.0/invoke/back?code=c&state=";
  for (const auto& [target, headers] :
       {std::pair(back + "made-up", cookie), std::pair(back + sent.state, net::Headers()),
        std::pair(back + sent.state, net::Headers{{"Cookie", "gosessionsid=other"}})}) {
    const auto refused = rig.send(target, headers);
    EXPECT_EQ(refused.status, 400);
    EXPECT_EQ(refused.body.whole, "invalid state");
  }
  EXPECT_EQ(rig.send("/v1.0/invoke/back?state=" + sent.state, cookie).body.whole, "code not found");
  EXPECT_EQ(rig.send(back + sent.state, cookie).body.whole, "invalid state") << "used up";
  EXPECT_TRUE(provider.requests().empty());
}

TEST(OAuth2, DoesNotLeadElsewhere) {
  CannedServer provider([](const std::string&) {
    return CannedServer::reply(200, kJson, R"({"access_token":"tok"})");
  });
  auto metadata = login(provider.url());
  metadata.erase("pathFilter");
  for (const char* force : {"false", "true"}) {
    metadata["forceHTTPS"] = force;
    Rig rig("middleware.http.oauth2", metadata, std::string("elsewhere-") + force);
    for (const char* target : {"//evil.test/x", "/\\evil.test/x", "\\/evil.test/x", "///evil.test",
                               "https://evil.test/x", "/a\\b", "/\xc3\xa9/evil.test/x",
                               "/\x80/evil.test", "/\t/evil.test", "/\x7f\\evil.test"}) {
      const Sent sent(rig.send(target));
      const auto back = rig.send("/back?code=c&state=" + sent.state, {{"Cookie", sent.cookie}});
      const std::string location(back.headers.value("location"));
      const std::string host = force == std::string("true") ? "https://shop.test:3500" : "";
      EXPECT_THAT(location, StartsWith(host + "/")) << target;
      EXPECT_THAT(location.substr(host.size() + 1), Not(StartsWith("/"))) << target;
      EXPECT_THAT(location, Not(HasSubstr("\\"))) << target;
    }
  }
}

TEST(OAuth2, IsForThePathsOfItsFilterHoweverTheyAreWritten) {
  Rig rig("middleware.http.oauth2", login("http://127.0.0.1:1"), "filtered");
  EXPECT_EQ(rig.send("/v1.0/metadata").status, 200);
  for (const char* way : {"//v1.0/invoke/x", "/v1.0//invoke/x", "/a/../v1.0/invoke/x",
                          "/v1.0/%69nvoke/x", "/v1.0/state/%2e%2e/invoke/x", "/v1.0/%zz"}) {
    EXPECT_EQ(rig.send(way).status, 302) << way;
  }
  EXPECT_EQ(rig.send("/v1.0/invoke/" + std::string(9000, 'x')).status, 414);
  auto metadata = login("http://127.0.0.1:1");
  metadata["pathFilter"] = "^/v1.0/invoke/.*/secret$";
  Rig whole("middleware.http.oauth2", metadata, "whole");
  EXPECT_EQ(whole.send("/v1.0/invoke/x/open").status, 200);
  for (const char* way : {"/v1.0/invoke/x/%FF/../secret", "/v1.0/invoke/%FF/secret",
                          "/v1.0/invoke/%0A/secret", "/v1.0/invoke/x/\xff//secret"}) {
    EXPECT_EQ(whole.send(way).status, 302) << way;
  }
}

TEST(OAuth2, AProviderThatFailsIsAnErrorOfTheServer) {
  const LogCapture quiet;
  for (const auto& answer :
       {CannedServer::reply(200, kJson, "{}"), CannedServer::reply(200, kJson, "nonsense"),
        CannedServer::reply(500, kJson, R"({"access_token":"tok"})"), std::string("gibberish\r\n"),
        std::string(), "HTTP/1.1 200 x\r\nX: " + std::string(3U << 20, 'x'),
        CannedServer::reply(200, kJson, std::string(2U << 20, ' '))}) {
    CannedServer provider([&](const std::string&) { return answer; });
    Rig rig("middleware.http.oauth2", login(provider.url()), "fails");
    const Sent sent(rig.send("/v1.0/invoke/x"));
    const auto back =
        rig.send("/v1.0/invoke/b?code=c&state=" + sent.state, {{"Cookie", sent.cookie}});
    EXPECT_EQ(back.status, 500) << answer.substr(0, 100);
    EXPECT_EQ(back.body.whole, "Internal Server Error");
    EXPECT_EQ(provider.requests().size(), 2U) << "asked both ways";
  }
}

Properties machine(const std::string& provider) {
  return {{"clientID", "me"},       {"clientSecret", "secret"},
          {"scopes", "a,b"},        {"tokenURL", provider + "/token"},
          {"headerName", "X-Auth"}, {"endpointParamsQuery", "audience=shop&grant_type=special"},
          {"authStyle", "1"}};
}

TEST(OAuth2ClientCredentials, SaysAllThatIsWrong) {
  EXPECT_EQ(Rig("middleware.http.oauth2clientcredentials", {{"authStyle", "3"}}).error(),
            "metadata errors: Parameter 'headerName' needs to be set. Parameter 'clientID' needs "
            "to be set. Parameter 'clientSecret' needs to be set. Parameter 'scopes' needs to be "
            "set. Parameter 'tokenURL' needs to be set. Parameter 'authStyle' can only have the "
            "values 0,1,2. Received: '3'. ");
  auto metadata = machine("http://x");
  metadata["pathFilter"] = "invalid(";
  EXPECT_THAT(Rig("middleware.http.oauth2clientcredentials", metadata).error(),
              HasSubstr("Parameter 'pathFilter' is not a valid regex"));
}

TEST(OAuth2ClientCredentials, AsksOnceForAllWhoWait) {
  CannedServer provider([](const std::string&) {
    return CannedServer::reply(200, kJson,
                               R"({"access_token":"tok","token_type":"mac","expires_in":3600})");
  });
  Rig rig("middleware.http.oauth2clientcredentials", machine(provider.url()));
  for (const auto& response : rig.send_many("/a", 20)) EXPECT_EQ(response.status, 200);
  EXPECT_EQ(rig.send("/b", {{"x-auth", "forged"}}).status, 200);
  EXPECT_EQ(rig.seen->headers.joined("X-Auth"), "MAC tok");
  ASSERT_EQ(provider.requests().size(), 1U);
  EXPECT_THAT(provider.requests().front(),
              HasSubstr("\r\n\r\naudience=shop&client_id=me&client_secret=secret&"
                        "grant_type=special&scope=a+b"));
}

TEST(OAuth2ClientCredentials, ATokenThatHasEndedIsNotKept) {
  int count = 0;
  CannedServer provider([&](const std::string&) {
    return CannedServer::reply(
        200, kJson, R"({"access_token":"t)" + std::to_string(++count) + R"(","expires_in":-5})");
  });
  Rig rig("middleware.http.oauth2clientcredentials", machine(provider.url()));
  for (const char* expected : {"Bearer t1", "Bearer t2"}) {
    EXPECT_EQ(rig.send("/a").status, 200);
    EXPECT_EQ(rig.seen->headers.value("X-Auth"), expected);
  }
}

TEST(OAuth2ClientCredentials, WithoutATokenNothingPasses) {
  const LogCapture quiet;
  std::atomic<bool> works = false;
  CannedServer provider([&](const std::string&) {
    return works ? CannedServer::reply(200, kJson, R"({"access_token":"tok"})")
                 : CannedServer::reply(503, kJson, "{}");
  });
  Rig rig("middleware.http.oauth2clientcredentials", machine(provider.url()));
  for (const auto& response : rig.send_many("/a", 5)) EXPECT_EQ(response.status, 500);
  EXPECT_EQ(rig.seen, std::nullopt);
  EXPECT_EQ(provider.requests().size(), 1U) << "they share the failure";
  works = true;
  EXPECT_EQ(rig.send("/a").status, 200);
  auto clash = machine(provider.url());
  clash["endpointParamsQuery"] = "scope=more";
  Rig other("middleware.http.oauth2clientcredentials", clash);
  EXPECT_EQ(other.send("/a").status, 500);
}

TEST(OAuth2ClientCredentials, AProviderThatRepeatsTheSecretDoesNotGetItIntoTheLog) {
  const LogCapture log;
  CannedServer provider([](const std::string& request) {
    const auto at = request.find("client_secret=");
    const std::string form = at == std::string::npos ? "" : request.substr(at);
    return CannedServer::reply(400, kJson,
                               R"({"error":"no secret","error_description":")" + form + R"("})");
  });
  auto metadata = machine(provider.url());
  metadata["clientSecret"] = "hush";
  Rig rig("middleware.http.oauth2clientcredentials", metadata);
  EXPECT_EQ(rig.send("/a").status, 500);
  EXPECT_TRUE(log.contains("client_secret=***"));
  EXPECT_FALSE(log.contains("client_secret=hush"));
}

Task<void> give_up(Rig* rig, Cancellation* cancellation, bool* done) {
  Next next = [](net::Request) -> Task<net::Response> { co_return net::Response(); };
  auto response =
      co_await rig->get()->handle(rig->request("/a"), std::move(next)).under(*cancellation);
  EXPECT_EQ(response.status, 500);
  *done = true;
}

TEST(OAuth2ClientCredentials, AClientThatGivesUpLeavesTheOthersTheirToken) {
  const LogCapture quiet;
  std::atomic<int> asked = 0;
  Rig* waker = nullptr;
  CannedServer provider([&](const std::string&) -> std::optional<std::string> {
    if (++asked == 1) {
      waker->loop().post([] {});
      return std::nullopt;  // Silence.
    }
    return CannedServer::reply(200, kJson, R"({"access_token":"tok"})");
  });
  Rig rig("middleware.http.oauth2clientcredentials", machine(provider.url()));
  waker = &rig;
  Cancellation cancellation;
  bool done = false;
  Scope scope;
  rig.loop().post([&] { scope.spawn(give_up(&rig, &cancellation, &done)); });
  rig.loop().run_until([&] { return asked == 1; });
  rig.loop().post([&] { cancellation.request(); });
  EXPECT_EQ(rig.send("/a").status, 200);
  rig.loop().run_until([&] { return done && scope.running() == 0; });
}

}  // namespace
}  // namespace outrigger::components::middleware
